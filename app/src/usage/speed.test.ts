import { describe, expect, it } from "vitest";
import { called, dateOf, isSame, localDay, stepped } from "./speed";

describe("periods", () => {
  it("are asked for as the server wants it", () => {
    expect([dateOf("day", "2026-11-21"), dateOf("week", "2026-11-21"), dateOf("month", "2026-11-21")]).toEqual([
      "2026-11-21",
      "2026-11-21",
      "2026-11",
    ]);
  });

  it("go on and back by days, weeks and months of any length", () => {
    expect([stepped("day", "2026-03-01", -1), stepped("day", "2026-12-31", 1)]).toEqual(["2026-02-28", "2027-01-01"]);
    expect([stepped("week", "2026-11-21", -1), stepped("week", "2026-12-30", 1)]).toEqual(["2026-11-14", "2027-01-06"]);
    expect([stepped("month", "2026-03-31", -1), stepped("month", "2026-01-31", 1)]).toEqual(["2026-02-01", "2026-02-01"]);
    expect([stepped("month", "2026-01-05", -1), stepped("month", "2026-12-31", 1)]).toEqual(["2025-12-01", "2027-01-01"]);
  });

  it("have names", () => {
    expect([called("day", "2026-11-21"), called("week", "2026-11-22"), called("month", "2026-11-21")]).toEqual([
      "Sat 21 Nov 2026",
      "Week of 16 Nov 2026",
      "Nov 2026",
    ]);
    expect(isSame("week", "2026-11-16", "2026-11-22")).toBe(true);
    expect(isSame("week", "2026-11-22", "2026-11-23")).toBe(false);
  });

  it("begin with the day that it is here", () => {
    expect(localDay(new Date(2026, 0, 5, 23, 59))).toBe("2026-01-05");
  });
});
