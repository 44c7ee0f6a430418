import { beforeEach, expect, test, vi } from "vitest";
import { Clock } from "./clock.svelte";

const NOON = Date.parse("2026-11-21T12:00:00Z");

beforeEach(() => {
  vi.useFakeTimers({ now: NOON });
  return () => vi.useRealTimers();
});

const at = (ms: number, more: Record<string, string> = {}) =>
  new Response("{}", { headers: { date: new Date(ms).toUTCString(), ...more } });

test("what time it is at the server is what its answers say", () => {
  const clock = new Clock();
  expect(clock.now()).toBe(NOON);
  const answer = at(NOON + 600_000);
  expect(clock.read(answer)).toBe(answer);
  expect(clock.now()).toBe(NOON + 600_000);
  // Somebody has put one of the clocks right.
  clock.read(at(NOON));
  expect(clock.now()).toBe(NOON);
});

test("a difference that comes of the way is none", () => {
  const clock = new Clock();
  clock.read(at(NOON - 2_000));
  expect(clock.now()).toBe(NOON);
  clock.read(at(NOON - 600_000));
  clock.read(at(NOON - 602_000));
  expect(clock.now()).toBe(NOON - 600_000);
});

test("answers without a date, and those that a browser may have kept, say nothing", () => {
  const clock = new Clock();
  clock.read(new Response("{}"));
  clock.read(at(NOON - 600_000, { "cache-control": "max-age=31536000" }));
  clock.read(at(NOON - 600_000, { "last-modified": new Date(NOON).toUTCString() }));
  expect(clock.now()).toBe(NOON);
});
