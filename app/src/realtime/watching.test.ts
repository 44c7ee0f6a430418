import { DispatchError } from "@dispatch/client";
import { beforeEach, expect, test, vi } from "vitest";
import { type Watched, Watching } from "./watching.svelte";

let handlers: Map<string, (value: unknown) => void>;
let subscribe: ReturnType<typeof vi.fn>;
let watching: Watching;

const viewer = {
  disconnect: vi.fn(),
  on: (name: string, handler: (value: unknown) => void) => void handlers.set(name, handler),
};
const tells = (name: string, value: unknown) => handlers.get(name)?.(value);
const start = () => watching.start({ realtime: { subscribe } } as unknown as Watched, "a-token");
const settled = () => new Promise((resolve) => setTimeout(resolve));

beforeEach(() => {
  vi.clearAllMocks();
  handlers = new Map();
  subscribe = vi.fn(async () => viewer);
  watching = new Watching();
});

test("a viewer is connected, and sees that pictures come", async () => {
  await start();
  expect(subscribe.mock.calls[0]![0]).toMatchObject({ token: "a-token" });
  tells("connectionChange", "connected");
  expect(watching.phase).toBe("connected");
  watching.seen();
  expect(watching.phase).toBe("generating");
  watching.stop();
  expect([watching.phase, watching.problem, viewer.disconnect.mock.calls.length]).toEqual(["ended", undefined, 1]);
});

test("the end of what is watched is said", async () => {
  await start();
  tells("connectionChange", "connected");
  tells("error", new DispatchError("server", "invalid session: producer ended", { type: "session_not_found", permanent: true }));
  tells("connectionChange", "disconnected");
  await settled();
  expect([watching.phase, watching.problem?.text]).toEqual(["ended", "The session is over."]);
});

test("why it does not connect is said while that is tried again", async () => {
  await start();
  const { onRetry } = subscribe.mock.calls[0]![0] as { onRetry: (error: DispatchError) => void };
  onRetry(new DispatchError("refused", "the server cannot be reached"));
  expect(watching.words.empty).toBe("The server cannot be reached. Trying again…");
  tells("connectionChange", "connected");
  expect(watching.words.empty).toBe("Waiting for the first picture…");
});

test("a link that cannot be read says so, and another attempt begins anew", async () => {
  subscribe.mockRejectedValueOnce(new DispatchError("invalid_input", "this is no subscribe token"));
  await start();
  expect([watching.phase, watching.problem?.text]).toEqual(["ended", "This link cannot be read."]);
  await start();
  expect([watching.phase, watching.problem]).toEqual(["connecting", undefined]);
});

test("whoever leaves while it is being connected hears nothing more", async () => {
  subscribe.mockImplementation(
    ({ signal }: { signal: AbortSignal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new DispatchError("aborted", "the client has disconnected")));
      }),
  );
  const started = start();
  watching.stop();
  await started;
  expect([watching.phase, watching.problem]).toEqual(["ended", undefined]);
});
