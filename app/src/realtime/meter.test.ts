import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Meter } from "./meter.svelte";

/** A connection that has so many pictures more with each report. */
function connection(pictures: readonly number[]) {
  let second = 0;
  let decoded = 0;
  return {
    getStats: async () => {
      decoded += pictures[second] ?? 0;
      second += 1;
      const inbound = { type: "inbound-rtp", kind: "video", timestamp: second * 1000, framesDecoded: decoded };
      const waiting = { jitterBufferDelay: decoded * 0.02, jitterBufferEmittedCount: decoded };
      const pair = { type: "candidate-pair", nominated: true, state: "succeeded", currentRoundTripTime: 0.01 };
      return new Map(Object.entries({ inbound: { ...inbound, ...waiting }, pair })) as unknown as RTCStatsReport;
    },
  };
}

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

test("a second after another becomes a point", async () => {
  const meter = new Meter();
  meter.start(connection([10, 25, 24]));
  await vi.advanceTimersByTimeAsync(3_000);
  expect(meter.points).toEqual([
    { latency: undefined, pictures: undefined },
    { latency: expect.closeTo(30), pictures: 25 },
    { latency: expect.closeTo(30), pictures: 24 },
  ]);
  expect(meter.latency?.kind).toBe("transport");
  meter.reset();
  expect([meter.points, meter.figures]).toEqual([[], { sent: {}, received: {} }]);
});

test("the time code counts for more than statistics, as long as it is read", async () => {
  const meter = new Meter();
  meter.start(connection(Array<number>(9).fill(25)));
  await vi.advanceTimersByTimeAsync(1_500);
  for (const age of [90, 2_000, 80]) meter.seen(age, performance.now());
  await vi.advanceTimersByTimeAsync(1_000);
  expect(meter.latency).toEqual({ kind: "end-to-end", milliseconds: 90 });
  await vi.advanceTimersByTimeAsync(2_000);
  expect(meter.latency?.kind).toBe("transport");
});

test("the time code is read ten times a second", () => {
  const meter = new Meter();
  expect(meter.isDue(0)).toBe(true);
  meter.seen(80, 1_000);
  expect([meter.isDue(1_050), meter.isDue(1_100)]).toEqual([false, true]);
});

test("pictures that stand still are said to", async () => {
  const meter = new Meter();
  meter.start(connection([5, 25, 0, 0, 25]));
  const stalled = [];
  for (let second = 0; second < 5; second += 1) {
    await vi.advanceTimersByTimeAsync(1_000);
    stalled.push(meter.isStalled);
  }
  expect(stalled).toEqual([false, false, false, true, false]);
});

test("a minute is kept, and a stopped meter measures nothing", async () => {
  const meter = new Meter();
  meter.start(connection(Array<number>(99).fill(25)));
  await vi.advanceTimersByTimeAsync(70_000);
  expect(meter.points).toHaveLength(60);
  meter.stop();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(meter.points).toHaveLength(60);
});
