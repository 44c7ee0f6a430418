import { expect, test } from "vitest";
import { counts, figures } from "./statistics";

/** A report as Chromium makes it, with a second between one and the next. */
function report(second: number, more: Record<string, object> = {}): Map<string, object> {
  const at = { timestamp: 1_000_000 + second * 1000 };
  return new Map(
    Object.entries({
      sound: { type: "outbound-rtp", kind: "audio", ...at, bytesSent: 9_999_999 },
      out: {
        ...{ type: "outbound-rtp", kind: "video", ...at, framesEncoded: 25 * second, bytesSent: 100_000 * second },
        ...{ frameWidth: 1280, frameHeight: 704, totalEncodeTime: 0.1 * second, codecId: "VP8" },
      },
      in: {
        ...{ type: "inbound-rtp", kind: "video", ...at, framesDecoded: 24 * second, bytesReceived: 150_000 * second },
        ...{ frameWidth: 640, frameHeight: 352, jitterBufferDelay: 0.48 * second, jitterBufferEmittedCount: 24 * second },
        ...{ totalDecodeTime: 0.048 * second, packetsLost: second, packetsReceived: 99 * second },
      },
      there: { type: "remote-inbound-rtp", kind: "video", ...at, fractionLost: 0.02 },
      unused: { type: "candidate-pair", nominated: false, state: "succeeded", ...at, currentRoundTripTime: 9 },
      pair: { type: "candidate-pair", nominated: true, state: "succeeded", ...at, currentRoundTripTime: 0.012 },
      ...more,
    }),
  );
}

test("two reports make the figures of the time between them", () => {
  expect(figures(counts(report(3)), counts(report(2)))).toEqual({
    sent: { pictures: 25, bits: 800_000, width: 1280, height: 704, loss: 0.02 },
    received: { pictures: 24, bits: 1_200_000, width: 640, height: 352, loss: 0.01 },
    roundTrip: 12,
    transport: expect.closeTo(12 + 4 + 20 + 2),
  });
});

test("one report alone has no rates", () => {
  expect(figures(counts(report(3)), undefined)).toEqual({
    sent: { width: 1280, height: 704, loss: 0.02 },
    received: { width: 640, height: 352 },
    roundTrip: 12,
  });
});

test("counts of another connection make no rates", () => {
  const { sent, received } = figures(counts(report(1)), counts(report(9)));
  expect([sent.pictures, sent.bits, received.pictures, received.loss]).toEqual([undefined, undefined, undefined, undefined]);
});

test("pictures that stand still are no pictures, and no latency is made up of them", () => {
  const still = { in: { ...report(2).get("in"), timestamp: 1_003_000 } };
  const now = figures(counts(report(3, still)), counts(report(2)));
  expect(now.received.pictures).toBe(0);
  expect(now.transport).toBeUndefined();
});

test("what a browser does not say is missing", () => {
  expect(figures(counts(new Map()), counts(new Map()))).toEqual({ sent: {}, received: {} });
});
