import { DispatchError } from "@dispatch/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Actions } from "./actions.svelte";
import { FakeWorkspace, whole } from "./testing.svelte";

const SURFACE = { surfaceId: "cache-warming", conversationId: "c1" };
const refusal = new DispatchError("action-failed", "the payload must be a number of seconds");

describe("an action", () => {
  let workspace: FakeWorkspace;
  let actions: Actions;

  beforeEach(() => {
    vi.useFakeTimers();
    workspace = new FakeWorkspace();
    actions = new Actions(whole(workspace), SURFACE);
  });

  afterEach(() => {
    actions.leave();
    vi.useRealTimers();
  });

  test("goes to its surface, and is pending until the surface is given anew", () => {
    actions.run("toggle", true);
    expect(workspace.asked).toEqual([{ ...SURFACE, actionId: "toggle", payload: true }]);
    expect(actions.isPending("toggle")).toBe(true);
    expect(actions.shown("toggle", false)).toBe(true);

    actions.answered();
    expect(actions.isPending("toggle")).toBe(false);
    expect(actions.shown("toggle", false)).toBe(false);
  });

  test("without a payload brings none", () => {
    actions.run("compact");
    expect(workspace.asked).toEqual([{ ...SURFACE, actionId: "compact" }]);
  });

  test("that is refused says why, until it is tried again", () => {
    actions.run("set", 0);
    actions.refused(refusal);
    expect(actions.of("set")).toMatchObject({
      state: "refused",
      problem: { text: "The payload must be a number of seconds." },
    });
    expect(actions.shown("set", 30)).toBe(30);

    // A change that somebody else made is no answer to it.
    actions.answered();
    expect(actions.of("set")?.state).toBe("refused");

    actions.run("set", 60);
    expect(actions.of("set")).toEqual({ state: "pending", payload: 60 });
  });

  test("that was asked for first is the one that is refused first", () => {
    actions.run("first");
    actions.run("second");
    actions.refused(refusal);
    expect([actions.of("first")?.state, actions.of("second")?.state]).toEqual(["refused", "pending"]);
  });

  test("that nobody asked for here is refused without a word", () => {
    actions.refused(refusal);
    expect(actions.of("set")).toBeUndefined();
  });

  test("without an answer can be used again after a while, and says so", () => {
    actions.run("set", 60);
    vi.advanceTimersByTime(19_999);
    expect(actions.isPending("set")).toBe(true);
    vi.advanceTimersByTime(1);
    expect(actions.of("set")).toEqual({ state: "late", payload: 60 });
    expect(actions.shown("set", 30)).toBe(30);

    actions.answered();
    expect(actions.of("set")).toBeUndefined();
  });

  test("is not sent where there is no connection", () => {
    workspace.link = { state: "waiting", until: 0, attempt: 1, error: new DispatchError("unreachable", "it is gone") };
    actions.run("set", 60);
    expect(workspace.asked).toEqual([]);
    expect(actions.of("set")).toMatchObject({
      state: "refused",
      problem: { text: "There is no connection to the server.", hint: "Try again when it is back." },
    });
  });

  test("that is left is waited for no longer", () => {
    actions.run("set", 60);
    actions.leave();
    vi.advanceTimersByTime(60_000);
    expect(actions.of("set")).toBeUndefined();
  });
});
