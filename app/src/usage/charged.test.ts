import type { ConversationStatus } from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { onCharged } from "./charged";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A server on which a turn can end, and what is heard of it. */
function listening() {
  const handlers = new Set<(event: { status: ConversationStatus }) => void>();
  const workspace = {
    on: (_: string, handler: (event: { status: ConversationStatus }) => void) => {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
  } as unknown as Workspace;
  const run = vi.fn();
  const leave = onCharged(workspace, run);
  return { run, leave, changes: (status: ConversationStatus) => handlers.forEach((handler) => handler({ status })) };
}

it("looks again once for turns that end together, and not for those that begin", () => {
  const { run, changes } = listening();
  changes("active");
  vi.advanceTimersByTime(2_000);
  expect(run).not.toHaveBeenCalled();
  changes("idle");
  changes("idle");
  vi.advanceTimersByTime(2_000);
  expect(run).toHaveBeenCalledTimes(1);
  changes("closed");
  vi.advanceTimersByTime(2_000);
  expect(run).toHaveBeenCalledTimes(2);
});

it("looks again now and then, since nobody tells of the seconds of sessions", () => {
  const { run } = listening();
  vi.advanceTimersByTime(35_000);
  expect(run).toHaveBeenCalledTimes(3);
});

it("is not put off by turns that end all the time", () => {
  const { run, changes } = listening();
  for (let time = 0; time < 5_000; time += 500) {
    changes("idle");
    vi.advanceTimersByTime(500);
  }
  expect(run.mock.calls.length).toBeGreaterThanOrEqual(3);
});

it("does nothing after it was left", () => {
  const { run, leave, changes } = listening();
  changes("idle");
  leave();
  changes("idle");
  vi.advanceTimersByTime(60_000);
  expect(run).not.toHaveBeenCalled();
});
