import { DispatchError, type RealtimeModel, type SessionReceipt } from "@dispatch/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { announcer } from "../lib/announce.svelte";
import { toasts } from "../lib/toasts.svelte";
import { Live, type Start } from "./live.svelte";
import { current } from "./running.svelte";
import { Source } from "./source.svelte";

const MODEL: RealtimeModel = { name: "small", width: 320, height: 180, fps: 15, creditsPerSecond: "0.5" };
const RECEIPT: SessionReceipt = {
  session: "s-1",
  key: "local",
  seconds: 3,
  credits: "1.5",
  settled: true,
  reason: "disconnect",
  connections: [{ connection: "s-1", model: "small", openedAt: 1, endedAt: 9, seconds: 3, credits: "1.5", reason: "disconnect" }],
};

/** A session, as the client gives it, and what its server does. */
class Session {
  sessionId: string | null = "s-1";
  subscribeToken: string | null = "token-1";
  readonly disconnect = vi.fn();
  readonly setPrompt = vi.fn(async () => {});
  readonly setImage = vi.fn(async () => {});
  readonly set = vi.fn(async () => {});
  readonly receipt = vi.fn(async () => RECEIPT);
  readonly #handlers = new Map<string, (value: unknown) => void>();

  on(name: string, handler: (value: never) => void): void {
    this.#handlers.set(name, handler as (value: unknown) => void);
  }

  tells(name: string, value: unknown): void {
    this.#handlers.get(name)?.(value);
  }
}

interface Options {
  readonly initialState?: unknown;
  readonly session?: string;
  readonly signal: AbortSignal;
  readonly onRemoteStream: (stream: MediaStream) => void;
  readonly onPeerConnection: (connection: RTCPeerConnection) => void;
  readonly onRetry: (error: DispatchError) => void;
}

const track = (id: string) => ({ id, kind: "video", stop: vi.fn(), getSettings: () => ({}), onended: null }) as unknown as MediaStreamTrack;
const sender = { track: { kind: "video" }, replaceTrack: vi.fn(async () => {}) };
const peer = { getSenders: () => [sender], getStats: async () => new Map() } as unknown as RTCPeerConnection;

/** As much of a stream as a session needs. */
class Stream {
  constructor(readonly tracks: MediaStreamTrack[]) {}
  getTracks = () => [...this.tracks];
  addTrack = (track: MediaStreamTrack) => void this.tracks.push(track);
  removeTrack = (track: MediaStreamTrack) => void this.tracks.splice(this.tracks.indexOf(track), 1);
}

let live: Live;
let session: Session;
let connect: ReturnType<typeof vi.fn<(stream: MediaStream, options: Options) => Promise<Session>>>;
let hide: () => void;

beforeEach(async () => {
  vi.stubGlobal("MediaStream", Stream);
  session = new Session();
  connect = vi.fn(async (_stream: MediaStream, { onPeerConnection }: Options) => {
    onPeerConnection(peer);
    return session;
  });
  let clips = 0;
  const clip = { open: () => track(`clip-${(clips += 1)}`), close: () => {}, age: () => undefined };
  live = new Live(new Source(undefined, clip));
  hide = live.show();
  await live.source.open({ kind: "clip" });
});

afterEach(() => {
  live.stop();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

async function start(more: Partial<Start> = {}): Promise<void> {
  await live.start({ workspace: { realtime: { connect } } as unknown as Start["workspace"], model: MODEL, ...more });
}

async function generating(): Promise<void> {
  await start();
  session.tells("connectionChange", "connected");
  session.tells("connectionChange", "generating");
}

const settled = () => new Promise((resolve) => setTimeout(resolve));

test("a session goes from its start to its receipt", async () => {
  const started = start();
  expect([live.phase, current.session]).toEqual(["connecting", live]);
  await started;
  session.tells("connectionChange", "connecting");
  expect([live.phase, live.token]).toEqual(["connecting", undefined]);
  session.tells("connectionChange", "connected");
  expect([live.phase, live.token, live.id]).toEqual(["connected", "token-1", "s-1"]);
  session.tells("connectionChange", "generating");
  for (const seconds of [1, 2, 3]) session.tells("generationTick", { seconds });
  expect([live.phase, live.bill.seconds, live.bill.cost, live.bill.connections]).toEqual(["generating", 3, "1.5", 1]);
  expect(announcer.last.text).toBe("Generating");
  live.stop();
  expect(session.disconnect).toHaveBeenCalledOnce();
  expect([live.phase, live.problem, live.token, current.session]).toEqual(["ended", undefined, undefined, undefined]);
  expect(live.settlement).toEqual({ state: "asked" });
  await settled();
  expect(live.settlement).toEqual({ state: "settled", receipt: RECEIPT });
});

test("it begins with the look that is written, or passes through", async () => {
  await start();
  expect(connect.mock.calls[0]![1]).not.toHaveProperty("initialState");
  live.stop();
  live.look.prompt = " sketch ";
  live.look.enhance = false;
  await start();
  expect(connect.mock.calls[1]![1].initialState).toEqual({ prompt: { text: "sketch", enhance: false }, image: null });
  expect(live.look.progress).toBe("applied");
});

test("a session that is lost is set up again, and its bill goes on", async () => {
  await generating();
  session.tells("generationTick", { seconds: 2 });
  session.tells("connectionChange", "reconnecting");
  expect([live.phase, live.token, live.isRunning]).toEqual(["reconnecting", undefined, true]);
  session.sessionId = "c-2";
  session.subscribeToken = "token-2";
  session.tells("connectionChange", "connected");
  session.tells("connectionChange", "generating");
  session.tells("generationTick", { seconds: 1 });
  expect([live.phase, live.id, live.token]).toEqual(["generating", "c-2", "token-2"]);
  expect([live.bill.seconds, live.bill.cost, live.bill.connections]).toEqual([3, "1.5", 2]);
});

test("why a session is over is said, whether it comes before or after the end", async () => {
  const error = new DispatchError("server", "Insufficient credits", { type: "insufficient_credits" });
  await generating();
  session.tells("error", error);
  session.tells("connectionChange", "disconnected");
  await settled();
  expect([live.phase, live.problem?.text]).toEqual(["ended", "The credits of this key are used up."]);
  await generating();
  expect(live.problem).toBeUndefined();
  session.tells("connectionChange", "disconnected");
  session.tells("error", error);
  await settled();
  expect([live.phase, live.problem?.text]).toEqual(["ended", "The credits of this key are used up."]);
});

test("what was wrong before a reconnection is not why it ends", async () => {
  await generating();
  session.tells("error", new DispatchError("server", "a hiccup"));
  session.tells("connectionChange", "reconnecting");
  session.tells("connectionChange", "generating");
  session.tells("connectionChange", "disconnected");
  session.tells("error", new DispatchError("closed", "the connection to the server was lost"));
  await settled();
  expect(live.problem).toMatchObject({
    text: "The connection to the server was lost.",
    hint: expect.stringMatching(/could not be made again/),
  });
});

test("a session that is refused says why, and has no receipt", async () => {
  connect.mockRejectedValue(new DispatchError("server", "Model not allowed", { type: "invalid_model" }));
  await start();
  expect([live.phase, live.problem?.text, live.settlement.state]).toEqual([
    "ended",
    "The server has no such model, or not for this key.",
    "none",
  ]);
});

test("connecting can be given up, and leaves nothing behind", async () => {
  connect.mockImplementation(
    (_stream, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new DispatchError("aborted", "the client has disconnected")));
      }),
  );
  const started = start();
  live.stop();
  await started;
  expect([live.phase, live.problem, current.session]).toEqual(["idle", undefined, undefined]);
});

test("a session that is gone on with keeps what the server has, and what it had cost", async () => {
  await start({ earlier: RECEIPT });
  const [, options] = connect.mock.calls[0]!;
  expect(options.session).toBe("s-1");
  expect(options).not.toHaveProperty("initialState");
  expect([live.bill.seconds, live.bill.cost]).toEqual([3, "1.5"]);
  live.look.prompt = "warm";
  live.look.apply();
  expect(session.set).toHaveBeenCalledWith({ prompt: "warm", enhance: true, image: null });
});

test("another source is sent at once, and after a reconnection", async () => {
  await generating();
  const [stream] = connect.mock.calls[0]!;
  await live.source.open({ kind: "clip" });
  expect(sender.replaceTrack).toHaveBeenLastCalledWith(live.source.track);
  expect(stream.getTracks()).toEqual([live.source.track]);
});

test("a running session outlives its view, and the camera is let go of when neither is there", async () => {
  await generating();
  const { track } = live.source;
  hide();
  expect(live.isRunning).toBe(true);
  expect(track!.stop).not.toHaveBeenCalled();
  live.stop();
  expect(track!.stop).toHaveBeenCalled();
  hide = live.show();
  await live.source.open({ kind: "clip" });
  const preview = live.source.track;
  hide();
  expect(preview!.stop).toHaveBeenCalled();
});

test("the browser asks before the page is left, as long as a session runs", async () => {
  const leaving = () => !window.dispatchEvent(new Event("beforeunload", { cancelable: true }));
  expect(leaving()).toBe(false);
  await generating();
  expect(leaving()).toBe(true);
  window.dispatchEvent(new Event("pagehide"));
  expect([live.phase, session.disconnect.mock.calls.length]).toEqual(["ended", 1]);
  expect(leaving()).toBe(false);
});

test("a receipt that does not come is asked for again", async () => {
  await generating();
  session.receipt.mockRejectedValueOnce(new DispatchError("unreachable", "the server cannot be reached"));
  live.stop();
  await settled();
  expect(live.settlement).toMatchObject({ state: "missing", problem: { text: "The server cannot be reached." } });
  await live.settle();
  expect(live.settlement.state).toBe("settled");
});

test("there is one session at a time, and none without a source", async () => {
  await Promise.all([start(), start()]);
  expect(connect).toHaveBeenCalledOnce();
  live.stop();
  live.source.close();
  await start();
  expect(connect).toHaveBeenCalledOnce();
});

test("it is warned once before the credits are used up", async () => {
  const say = vi.spyOn(toasts, "say");
  await generating();
  session.tells("generationTick", { seconds: 1, credits: "40" });
  expect(say).not.toHaveBeenCalled();
  for (const credits of ["29.9", "29.4"]) session.tells("generationTick", { seconds: 2, credits });
  expect(say).toHaveBeenCalledOnce();
  expect(say).toHaveBeenCalledWith("The credits are nearly used up.", {
    tone: "warn",
    hint: "They are enough for 59 s. The session goes on if credits are added to the key.",
  });
});

test("an end that nobody sees is said", async () => {
  const say = vi.spyOn(toasts, "say");
  await generating();
  hide();
  session.tells("connectionChange", "disconnected");
  session.tells("error", new DispatchError("server", "gone", { type: "session_deleted" }));
  await settled();
  expect(say).toHaveBeenCalledWith("The realtime session has ended. The session was ended from elsewhere.", {
    tone: "bad",
    hint: "Start again if that was not meant.",
    action: expect.objectContaining({ label: "Show" }),
  });
});

test("who stops it in another view is told what it cost", async () => {
  const say = vi.spyOn(toasts, "say");
  await generating();
  hide();
  live.stop();
  await settled();
  expect(say).toHaveBeenCalledExactlyOnceWith("The realtime session has ended: 3 seconds, 1.5 credits.", {
    action: expect.objectContaining({ label: "Show" }),
  });
});

test("a source that ends is said where nobody sees it", async () => {
  const say = vi.spyOn(toasts, "say");
  await generating();
  const ends = () => live.source.track!.onended?.(new Event("ended"));
  ends();
  expect(say).not.toHaveBeenCalled();
  await live.source.open({ kind: "clip" });
  hide();
  ends();
  expect(say).toHaveBeenCalledExactlyOnceWith("Nothing is sent to the realtime session. The test clip stopped.", {
    tone: "bad",
    hint: "Choose it again.",
    action: expect.objectContaining({ label: "Show" }),
  });
  expect(live.isRunning).toBe(true);
});

test("why it does not connect is said while that is tried again, and no longer", async () => {
  let retry!: (error: DispatchError) => void;
  let connected!: (session: Session) => void;
  connect.mockImplementation((_stream, { onPeerConnection, onRetry }) => {
    onPeerConnection(peer);
    retry = onRetry;
    return new Promise((resolve) => (connected = resolve));
  });
  const started = start();
  expect(live.words.empty).toBe("Connecting…");
  retry(new DispatchError("media", "media do not flow"));
  expect(live.words.empty).toMatch(/^The video does not get through .* Trying again…$/);
  retry(new DispatchError("refused", "the server cannot be reached"));
  expect(live.words).toMatchObject({ title: "Connecting", empty: "The server cannot be reached. Trying again…" });
  expect(announcer.last.text).toBe("The server cannot be reached.");
  connected(session);
  await started;
  session.tells("connectionChange", "connected");
  expect(live.words.empty).toBe("Waiting for the first picture…");
  session.tells("connectionChange", "reconnecting");
  retry(new DispatchError("media", "media do not flow any more"));
  expect(live.words.empty).toBe("The video was interrupted. Trying again…");
  live.stop();
  retry(new DispatchError("media", "media do not flow"));
  expect(live.words.empty).toBe("The session is over.");
});
