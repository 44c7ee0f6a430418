import { DispatchError } from "@dispatch/client";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { toasts } from "../../lib/toasts.svelte";
import { Stopper } from "./stopper.svelte";
import { FakeView } from "./testing.svelte";

describe("stopping", () => {
  let view: FakeView;
  let stopper: Stopper;

  beforeEach(() => {
    vi.useFakeTimers();
    view = new FakeView();
    view.activeTurn = "t1";
    stopper = new Stopper(view);
  });

  afterEach(() => {
    for (const { id } of toasts.shown) toasts.close(id);
    vi.useRealTimers();
  });

  test("is asked for once, and goes on until the turn has ended", async () => {
    await stopper.stop();
    await stopper.stop();
    expect(view.asked).toEqual([["stop"]]);
    expect(stopper.isStopping).toBe(true);
    view.activeTurn = undefined;
    expect(stopper.isStopping).toBe(false);
    // The next one is another.
    view.activeTurn = "t2";
    expect(stopper.isStopping).toBe(false);
    await stopper.stop();
    expect(view.asked).toHaveLength(2);
  });

  test("that fails says so, and can be asked for again", async () => {
    view.failure = new DispatchError("unreachable", "the server cannot be reached");
    await stopper.stop();
    expect(stopper.isStopping).toBe(false);
    expect(toasts.shown.map(({ text }) => text)).toEqual(["Could not stop the turn: the server cannot be reached."]);
    await stopper.stop();
    expect(view.asked).toHaveLength(2);
  });

  test("takes two Escapes soon after one another", () => {
    stopper.escape();
    expect([stopper.isArmed, view.asked.length]).toEqual([true, 0]);
    stopper.escape();
    expect([stopper.isArmed, stopper.isStopping, view.asked.length]).toEqual([false, true, 1]);
  });

  test("forgets the first Escape after a while, and with the turn that it was for", () => {
    stopper.escape();
    vi.advanceTimersByTime(2_000);
    expect(stopper.isArmed).toBe(false);
    stopper.escape();
    view.activeTurn = "t2";
    expect(stopper.isArmed).toBe(false);
    stopper.escape();
    expect(view.asked).toEqual([]);
  });

  test("does nothing where nothing runs", async () => {
    view.activeTurn = undefined;
    stopper.escape();
    stopper.escape();
    await stopper.stop();
    expect([stopper.isArmed, view.asked.length]).toEqual([false, 0]);
  });
});
