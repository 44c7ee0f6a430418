import { describe, expect, test } from "vitest";
import { allowed, check } from "./numbers";

describe("what was typed into a number field", () => {
  test("is taken if it is within the bounds", () => {
    expect(check("30", { min: 1, step: 1 })).toEqual({ value: 30 });
    expect(check("-0.5", {})).toEqual({ value: -0.5 });
    expect(check("100", { min: 0, max: 100, step: 1 })).toEqual({ value: 100 });
    // 0.1 + 0.2 is not quite 0.3.
    expect(check("0.3", { min: 0, step: 0.1 })).toEqual({ value: 0.3 });
  });

  test("is explained if it is not", () => {
    expect(check("", {})).toEqual({ problem: "Enter a number." });
    expect(check("ten", {})).toEqual({ problem: "Enter a number." });
    expect(check("0", { min: 1, unit: "s" })).toEqual({ problem: "Enter 1 s or more." });
    expect(check("101", { min: 0, max: 100, unit: "%" })).toEqual({ problem: "Enter 100 % or less." });
    expect(check("12", { min: 0, step: 5 })).toEqual({ problem: "Enter 10 or 15: it goes in steps of 5." });
    expect(check("9.5", { min: 0, max: 9.9, step: 3 })).toEqual({ problem: "Enter 9: it goes in steps of 3." });
  });

  test("steps begin at the least that is allowed", () => {
    expect(check("11", { min: 1, step: 5 })).toEqual({ value: 11 });
    expect(check("10", { min: 1, step: 5 })).toEqual({ problem: "Enter 6 or 11: it goes in steps of 5." });
  });
});

test("what is allowed is said in words", () => {
  expect(allowed({ min: 0, max: 100, unit: "%" })).toBe("From 0 to 100 %.");
  expect(allowed({ min: 1, unit: "s" })).toBe("1 s or more.");
  expect(allowed({ max: 8 })).toBe("8 or less.");
  expect(allowed({ step: 2 })).toBe("");
});
