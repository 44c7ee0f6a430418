import { describe, expect, test } from "vitest";
import { bytes, credits, day, duration, plural, seconds, tokens, when } from "./format";

const each = <In>(say: (value: In) => string, cases: readonly (readonly [In, string])[]) =>
  test.each(cases)(`${say.name}(%s) is %s`, (value, text) => expect(say(value)).toBe(text));

each(duration, [
  [0, "0 ms"],
  [-3, "0 ms"],
  [319.6, "320 ms"],
  [1_000, "1.0 s"],
  [9_949, "9.9 s"],
  [9_950, "10 s"],
  [59_499, "59 s"],
  [59_500, "1 min"],
  [125_000, "2 min 5 s"],
  [3_780_000, "1 h 3 min"],
  [Number.NaN, "–"],
]);
each(seconds, [
  [0, "0 s"],
  [42, "42 s"],
  [60, "1 min"],
  [3_600, "1 h"],
  [5_000_000, "1,388 h 53 min"],
]);
each(tokens, [
  [0, "0"],
  [1_234, "1,234"],
  [9_999, "9,999"],
  [10_000, "10k"],
  [12_345, "12.3k"],
  [99_949, "99.9k"],
  [123_456, "123k"],
  [999_949, "1,000k"],
  [999_950, "1M"],
  [1_530_000, "1.5M"],
]);
each(credits, [
  ["0", "0"],
  ["0.000000", "0"],
  ["-0.000", "0"],
  ["1234.500000", "1,234.5"],
  ["0.000001", "0.000001"],
  ["-1234567.01", "−1,234,567.01"],
  ["90071992547409931.25", "90,071,992,547,409,931.25"],
  ["100", "100"],
  ["not a number", "not a number"],
]);
each(bytes, [
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "1 kB"],
  [1_540, "1.5 kB"],
  [20_000_000, "20 MB"],
  [3_200_000_000, "3.2 GB"],
]);

describe("when", () => {
  const now = new Date(2026, 10, 21, 14, 0).getTime();
  test.each([
    [0, "now"],
    [-5_000, "now"],
    [59_999, "now"],
    [60_000, "1 min ago"],
    [3_599_000, "59 min ago"],
    [3_600_000, "1 h ago"],
    [13 * 3_600_000, "13 h ago"],
    [15 * 3_600_000, "yesterday"],
    [2 * 86_400_000, "Thursday"],
    [7 * 86_400_000, "14 Nov"],
    [365 * 86_400_000, "21 Nov 2025"],
  ])("%i ms ago is %s", (ago, text) => expect(when(now - ago, now)).toBe(text));

  test("counts in hours over midnight, as long as it was not long ago", () => {
    const night = new Date(2026, 10, 21, 1, 0).getTime();
    expect(when(night - 3 * 3_600_000, night)).toBe("3 h ago");
  });
});

test("day leaves out this year", () => {
  const now = new Date(2026, 10, 21).getTime();
  expect(["2026-11-01", "2025-12-31", "soon"].map((text) => day(text, now))).toEqual(["1 Nov", "31 Dec 2025", "soon"]);
});

test("plural", () => {
  expect([plural(1, "token"), plural(0, "token"), plural(1_234, "token"), plural(2, "entry", "entries")]).toEqual([
    "1 token",
    "0 tokens",
    "1,234 tokens",
    "2 entries",
  ]);
});
