import { describe, expect, it } from "vitest";
import { type Plot, greatest, moved, spoken, stack } from "./plot";

const plot: Plot = {
  title: "Tokens",
  places: ["1 Nov", "2 Nov", "3 Nov"].map((short) => ({ id: short, short, long: `${short} 2026` })),
  series: [
    { name: "Input", fill: 0, values: [5, 0, 0], texts: ["5", "0", "0"], total: "5" },
    { name: "Output", fill: 3, values: [2, 3, 0], texts: ["2", "3", "0"], total: "5" },
  ],
  texts: ["7", "3", "0"],
  total: "10",
};

describe("a bar", () => {
  it("has its series one above another, and no part of no height", () => {
    expect(plot.places.map((_, place) => stack(plot.series, place))).toEqual([
      [
        { fill: 0, from: 0, to: 5 },
        { fill: 3, from: 5, to: 7 },
      ],
      [{ fill: 3, from: 0, to: 3 }],
      [],
    ]);
    expect(greatest(plot)).toBe(7);
    expect(greatest({ ...plot, places: [], series: [] })).toBe(0);
  });

  it("can be said", () => {
    expect(plot.places.map((_, place) => spoken(plot, place))).toEqual([
      "1 Nov 2026: 7. Input 5, Output 2.",
      "2 Nov 2026: 3. Output 3.",
      "3 Nov 2026: 0.",
    ]);
    expect(spoken({ ...plot, series: plot.series.slice(1) }, 1)).toBe("2 Nov 2026: 3.");
  });
});

describe("keys", () => {
  it("go from place to place, and stay at the ends", () => {
    expect(moved("ArrowRight", 1, 30)).toBe(2);
    expect(moved("ArrowLeft", 0, 30)).toBe(0);
    expect(moved("PageUp", 25, 30)).toBe(29);
    expect(moved("PageDown", 10, 30)).toBe(3);
    expect(moved("Home", 7, 30)).toBe(0);
    expect(moved("End", 7, 30)).toBe(29);
  });

  it("begin at an end", () => {
    expect(moved("ArrowLeft", undefined, 30)).toBe(29);
    expect(moved("ArrowRight", undefined, 30)).toBe(0);
  });

  it("are left alone if they are others", () => {
    expect(["a", "Tab", "Enter", "Escape"].map((key) => moved(key, 3, 30))).toEqual([undefined, undefined, undefined, undefined]);
  });
});
