import { expect, test } from "vitest";
import { countdown } from "./countdown";

test("what is left is said in whole seconds, and not as nothing before it is over", () => {
  expect([0, 1, 1000, 1001, 59_000, 59_001, 245_000, 3_600_000, 3_725_000].map(countdown)).toEqual([
    "0 s",
    "1 s",
    "1 s",
    "2 s",
    "59 s",
    "1:00",
    "4:05",
    "1:00:00",
    "1:02:05",
  ]);
  expect(countdown(-5)).toBe("0 s");
});
