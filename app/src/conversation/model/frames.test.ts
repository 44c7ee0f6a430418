import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Frames } from "./frames.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("it runs once at the next frame, however often it was asked for", () => {
  const run = vi.fn();
  const frames = new Frames(run);
  frames.ask();
  frames.ask();
  expect(run).not.toHaveBeenCalled();
  vi.advanceTimersByTime(20);
  expect(run).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(1_000);
  expect(run).toHaveBeenCalledTimes(1);
});

test("it runs also where there are no frames", () => {
  vi.stubGlobal("requestAnimationFrame", () => 0);
  const run = vi.fn();
  new Frames(run).ask();
  vi.advanceTimersByTime(300);
  expect(run).toHaveBeenCalledTimes(1);
  vi.unstubAllGlobals();
});

test("it leaves time for others when it takes long", () => {
  let runs = 0;
  const work = () => {
    const until = performance.now() + 60;
    while (performance.now() < until) vi.advanceTimersByTime(1);
  };
  const slow = new Frames(() => {
    runs += 1;
    work();
  });
  slow.ask();
  vi.advanceTimersByTime(20);
  expect(runs).toBe(1);
  slow.ask();
  vi.advanceTimersByTime(60);
  expect(runs).toBe(1);
  vi.advanceTimersByTime(250);
  expect(runs).toBe(2);
});

test("it does not run any more when it was left", () => {
  const run = vi.fn();
  const frames = new Frames(run);
  frames.ask();
  frames.leave();
  vi.advanceTimersByTime(1_000);
  expect(run).not.toHaveBeenCalled();
});
