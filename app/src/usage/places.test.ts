import { describe, expect, it } from "vitest";
import { type Span, later, length } from "./days";
import { barsOf, unitOf } from "./places";

describe("bars", () => {
  it("are days while those can be told apart", () => {
    const bars = barsOf({ from: "2026-11-15", to: "2026-11-21" });
    expect(bars.map(({ short }) => short)).toEqual(["15 Nov", "16 Nov", "17 Nov", "18 Nov", "19 Nov", "20 Nov", "21 Nov"]);
    expect(bars.at(-1)).toMatchObject({ from: "2026-11-21", to: "2026-11-21", long: "Sat 21 Nov 2026" });
  });

  it("are weeks from Monday to Sunday for half a year, cut at the ends", () => {
    const bars = barsOf({ from: "2026-06-03", to: "2026-11-21" });
    expect(bars[0]).toMatchObject({ from: "2026-06-03", to: "2026-06-07" });
    expect(bars[1]).toMatchObject({ from: "2026-06-08", to: "2026-06-14", short: "8 Jun", long: "8 Jun – 14 Jun 2026" });
    expect(bars.at(-1)).toMatchObject({ from: "2026-11-16", to: "2026-11-21" });
  });

  it("are months for years", () => {
    const bars = barsOf({ from: "2023-12-15", to: "2026-02-03" });
    expect(unitOf({ from: "2023-12-15", to: "2026-02-03" })).toBe("month");
    expect(bars[0]).toMatchObject({ from: "2023-12-15", to: "2023-12-31", short: "Dec 2023" });
    expect(bars[2]).toMatchObject({ from: "2024-02-01", to: "2024-02-29" });
    expect(bars.at(-1)).toMatchObject({ from: "2026-02-01", to: "2026-02-03" });
  });

  it("have each day of any span exactly once", () => {
    for (const days of [1, 6, 7, 92, 93, 200, 731, 732, 733, 3_000]) {
      for (const from of ["2024-01-01", "2023-02-27", "2026-11-21"]) {
        const span: Span = { from, to: later(from, days - 1) };
        const bars = barsOf(span);
        expect([bars[0]?.from, bars.at(-1)?.to]).toEqual([span.from, span.to]);
        bars.slice(1).forEach((bar, index) => expect(bar.from).toBe(later(bars[index]!.to, 1)));
        expect(bars.map(length).reduce((sum, days) => sum + days)).toBe(days);
      }
    }
  });
});
