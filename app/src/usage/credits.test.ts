import { describe, expect, it } from "vitest";
import { axis, short } from "../ui/plot/scale";
import { LEAST, decimal, drawn, micros, parsed, sum } from "./credits";

describe("amounts of credits", () => {
  it("are read and written exactly", () => {
    for (const text of ["0", "12.5", "-0.000001", "9223372036854.775807", "-9223372036854.775808", "100", "0.1"]) {
      expect(decimal(micros(text))).toBe(text);
    }
    expect(decimal(micros("1.500000"))).toBe("1.5");
  });

  it("are not what is no decimal", () => {
    for (const text of ["", "x", "1,5", "1.", ".5", "1e3", "+1", "1.0000001", " 1", "--1"]) {
      expect(parsed(text), text).toBeUndefined();
    }
  });

  it("are added without rounding, where floating point would round", () => {
    const tenths = Array.from({ length: 10 }, () => micros("0.1"));
    expect(decimal(sum(tenths))).toBe("1");
    expect(decimal(sum([micros("9007199254.740993"), micros("0.000001")]))).toBe("9007199254.740994");
    expect(decimal(sum([]))).toBe("0");
  });

  it("can be drawn", () => {
    expect(drawn(micros("12.5"))).toBe(12.5);
    const ticks = (amount: string) => axis(drawn(micros(amount)), 4, { least: LEAST }).ticks.map(short);
    expect(ticks("0.000001")).toEqual(["0", "0.000001"]);
    expect(ticks("0.000013")).toEqual(["0", "0.000005", "0.00001", "0.000015"]);
    expect(ticks("9223372036854.775807").at(-1)).toBe("10000G");
  });
});
