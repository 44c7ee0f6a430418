import { expect, test } from "vitest";
import { cost, isFree, isLow, price, secondsLeft } from "./cost";

test("costs are exact, and keep the digits of the price", () => {
  expect(cost(3, "0.1")).toBe("0.3");
  expect(cost(50, "0.02")).toBe("1.00");
  expect(cost(7, "0.015", "0.3")).toBe("0.405");
  expect(cost(7, "0.1", "0.25")).toBe("0.95");
  expect(cost(12, "1")).toBe("12");
  expect(cost(0, "0.02")).toBe("0.00");
  expect(cost(9, "0")).toBe("0");
  expect(cost(3, "0.000001")).toBe("0.000003");
});

test("prices have words", () => {
  expect(price("0.020000")).toBe("0.02 credits a second");
  expect(price("1")).toBe("1 credit a second");
  expect(price("0")).toBe("free");
  expect([isFree("0.0"), isFree("0.000001")]).toEqual([true, false]);
});

test("what is left is enough for whole seconds", () => {
  expect(secondsLeft("1", "0.3")).toBe(3);
  expect(secondsLeft("0.3", "0.1")).toBe(3);
  expect(secondsLeft("-2", "0.1")).toBe(0);
  expect(secondsLeft("5", "0")).toBe(Infinity);
});

test("it is warned in the last minute, and never where it is free or the key does not run out", () => {
  expect(isLow("60", "1")).toBe(false);
  expect(isLow("59.9", "1")).toBe(true);
  expect(isLow("0", "0")).toBe(false);
  expect(isLow(undefined, "1")).toBe(false);
});
