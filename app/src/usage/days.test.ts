import { describe, expect, it } from "vitest";
import { before, dayOf, has, isDay, later, length, longDay, month, shortDay } from "./days";

describe("days", () => {
  it("are those of UTC", () => {
    expect(dayOf(Date.UTC(2026, 10, 21, 23, 59, 59, 999))).toBe("2026-11-21");
    expect(dayOf(Date.UTC(2026, 10, 22))).toBe("2026-11-22");
  });

  it("are days that there are", () => {
    expect(["2026-02-28", "2024-02-29", "1970-01-01"].every(isDay)).toBe(true);
    expect(["2026-02-29", "2026-2-3", "", "2026-13-01", "1969-12-31", "20261121", "0001-01-01"].some(isDay)).toBe(false);
  });

  it("are counted over months, leap days and changes of the clock", () => {
    expect(later("2024-02-28", 2)).toBe("2024-03-01");
    expect(later("2026-01-01", -1)).toBe("2025-12-31");
    expect(length({ from: "2026-03-28", to: "2026-03-30" })).toBe(3);
    expect(length({ from: "2024-01-01", to: "2024-12-31" })).toBe(366);
    expect(length({ from: "2026-11-21", to: "2026-11-21" })).toBe(1);
  });

  it("have as many days before them", () => {
    expect(before({ from: "2026-11-15", to: "2026-11-21" })).toEqual({ from: "2026-11-08", to: "2026-11-14" });
    expect(before({ from: "1970-01-05", to: "1970-01-31" })).toEqual({ from: "1970-01-01", to: "1970-01-04" });
  });

  it("are in a span with both its ends", () => {
    const span = { from: "2026-11-15", to: "2026-11-21" };
    expect(["2026-11-14", "2026-11-15", "2026-11-21", "2026-11-22"].map((day) => has(span, day))).toEqual([false, true, true, false]);
  });

  it("are written for people", () => {
    expect([shortDay("2026-11-01"), longDay("2026-11-21"), month("2026-11-21")]).toEqual(["1 Nov", "Sat 21 Nov 2026", "Nov 2026"]);
  });
});
