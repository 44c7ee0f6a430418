import { expect, test } from "vitest";
import { lines, range } from "./sparkline";

const plot = { width: 100, height: 20, count: 5, greatest: 40 };

test("values are drawn from the right, and what is too great is cut off", () => {
  expect(lines([0, 20, 99], plot)).toEqual(["50,20 75,10 100,0"]);
});

test("what was not measured is a gap, and a single value is a dot", () => {
  expect(lines([10, undefined, 20, 40, undefined], plot)).toEqual(["0,15 0,15", "50,10 75,0"]);
  expect(lines([], plot)).toEqual([]);
  expect(lines([undefined], plot)).toEqual([]);
});

test("the range is that of what is known", () => {
  expect(range([3, undefined, 7])).toEqual({ least: 3, greatest: 7 });
  expect(range([undefined])).toBeUndefined();
});
