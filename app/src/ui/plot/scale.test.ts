import { describe, expect, it } from "vitest";
import { axis, bands, labelled, roundTimeUp, roundUp, short, shortTime } from "./scale";

describe("round numbers", () => {
  it("are 1, 2 or 5 times a power of ten, and the next one up", () => {
    const rounded = [0.0003, 0.7, 1, 1.1, 2, 3, 5, 6, 9.99, 10, 12, 250_000, 1.2e9].map(roundUp);
    expect(rounded).toEqual([0.0005, 1, 1, 2, 2, 5, 5, 10, 10, 10, 20, 500_000, 2e9]);
  });

  it("are 1 where there is nothing to round", () => {
    expect([0, -3, NaN].map(roundUp)).toEqual([1, 1, 1]);
  });

  it("are round times for seconds", () => {
    const rounded = [0.2, 3, 14, 31, 61, 400, 1_000, 1_801, 4_000, 80_000].map(roundTimeUp);
    expect(rounded).toEqual([1, 5, 15, 60, 120, 600, 1_800, 3_600, 7_200, 180_000]);
  });
});

describe("an axis", () => {
  it("ends with a round number that is not below the greatest value", () => {
    expect(axis(12_345, 4)).toEqual({ ticks: [0, 5_000, 10_000, 15_000], max: 15_000 });
    expect(axis(20, 4)).toEqual({ ticks: [0, 5, 10, 15, 20], max: 20 });
    expect(axis(0.704, 4)).toEqual({ ticks: [0, 0.2, 0.4, 0.6, 0.8], max: 0.8 });
  });

  it("has whole numbers only where others have no meaning", () => {
    expect(axis(2, 4, { least: 1 }).ticks).toEqual([0, 1, 2]);
    expect(axis(0, 4, { least: 1 }).ticks).toEqual([0, 1]);
  });

  it("has round times where it is asked for them", () => {
    expect(axis(700, 4, { round: roundTimeUp }).ticks).toEqual([0, 300, 600, 900]);
  });

  it("covers every value with few ticks that are equally far from one another", () => {
    for (let exponent = -6; exponent < 15; exponent += 0.173) {
      const greatest = 10 ** exponent;
      const { ticks, max } = axis(greatest, 4);
      expect(max).toBeGreaterThanOrEqual(greatest * (1 - 1e-9));
      expect(max).toBeLessThan(greatest * 2.51);
      expect(ticks.length).toBeLessThanOrEqual(6);
      const step = ticks[1]!;
      ticks.forEach((tick, index) => expect(tick / step).toBeCloseTo(index, 6));
    }
  });
});

describe("bands", () => {
  it("share the width, with bars in their middle", () => {
    const { at, size, step } = bands(10, 200);
    expect(step).toBe(20);
    expect(at(3) + size / 2).toBeCloseTo(70);
    expect(at(9) + size).toBeLessThanOrEqual(200);
  });

  it("find the bar of a place, and the nearest one outside of all", () => {
    const { index } = bands(10, 200);
    expect([-5, 0, 19.9, 20, 199, 300].map(index)).toEqual([0, 0, 0, 1, 9, 9]);
  });

  it("are never wider than looks good, and never gone", () => {
    expect(bands(1, 1_000).size).toBe(40);
    expect(bands(900, 300).size).toBe(1);
  });
});

describe("labels", () => {
  it("stand at each place if there is room", () => {
    expect(labelled(7, 700, 54)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it("stand a week apart or more otherwise, and always at the last place", () => {
    expect(labelled(30, 300, 54)).toEqual([1, 8, 15, 22, 29]);
    expect(labelled(90, 300, 54).at(-1)).toBe(89);
  });

  it("never come closer than they are wide", () => {
    for (const count of [1, 2, 13, 53, 120, 400]) {
      for (const width of [60, 280, 900]) {
        const places = labelled(count, width, 54);
        expect(places.at(-1)).toBe(count - 1);
        const gaps = places.slice(1).map((place, index) => ((place - places[index]!) * width) / count);
        for (const gap of gaps) expect(gap).toBeGreaterThanOrEqual(54);
      }
    }
  });
});

describe("short texts", () => {
  it("say numbers with a letter for thousands", () => {
    expect([0, 0.05, 500, 1_500, 20_000, 2_500_000, 3e9].map(short)).toEqual(["0", "0.05", "500", "1.5k", "20k", "2.5M", "3G"]);
  });

  it("say times with their unit", () => {
    expect([0, 30, 60, 900, 7_200].map(shortTime)).toEqual(["0 s", "30 s", "1 min", "15 min", "2 h"]);
  });
});
