import { describe, expect, it } from "vitest";
import { row } from "./rows.fixture";
import { NOTHING, change, grouped, share, tokensOf, total } from "./totals";

const rows = [
  row("2026-11-20", "local", "large", { steps: 2, inputTokens: 100, cachedTokens: 40, outputTokens: 10, credits: "0.1" }),
  row("2026-11-21", "key_1", "large", { steps: 1, inputTokens: 50, outputTokens: 5, credits: "0.2" }),
  row("2026-11-21", "key_1", "mirage", { seconds: 30, credits: "0.6" }),
];

describe("totals", () => {
  it("are the exact sums of rows, cached tokens counted once", () => {
    expect(total(rows)).toEqual({ fresh: 110, cached: 40, output: 15, seconds: 30, steps: 3, credits: 900_000n });
    expect(tokensOf(total(rows))).toBe(165);
    expect(total([])).toEqual(NOTHING);
  });

  it("of groups are together those of everything", () => {
    for (const by of ["model", "key"] as const) {
      const groups = grouped(rows, by);
      expect(total(groups.flatMap(({ rows }) => rows))).toEqual(total(rows));
    }
  });

  it("of groups come with the dearest first, then the largest", () => {
    expect(grouped(rows, "model").map(({ id }) => id)).toEqual(["mirage", "large"]);
    const free = [row("2026-11-21", "a", "x", { outputTokens: 1 }), row("2026-11-21", "b", "x", { outputTokens: 2 })];
    expect(grouped(free, "key").map(({ id }) => id)).toEqual(["b", "a"]);
  });

  it("are parts of everything: of the credits, or of what was used for free", () => {
    const all = total(rows);
    expect(grouped(rows, "model").map(({ totals }) => share(totals, all))).toEqual([2 / 3, 1 / 3]);
    expect(share({ ...NOTHING, output: 1 }, { ...NOTHING, output: 4 })).toBe(0.25);
    expect(share({ ...NOTHING, seconds: 1 }, { ...NOTHING, seconds: 2 })).toBe(0.5);
    expect(share(NOTHING, NOTHING)).toBe(0);
  });
});

describe("a change", () => {
  it("is in percent of what was before", () => {
    expect(change(112, 100, "7 days")).toEqual({ direction: "up", text: "12 % more than in the 7 days before" });
    expect(change(50n, 200n, "30 days")).toEqual({ direction: "down", text: "75 % less than in the 30 days before" });
    expect(change(1_001, 1_000, "7 days").text).toBe("under 1 % more than in the 7 days before");
    expect(change(0, 3, "7 days").text).toBe("100 % less than in the 7 days before");
  });

  it("is in times of it when it is very many", () => {
    expect(change(2_100, 100, "7 days").text).toBe("20 times more than in the 7 days before");
  });

  it("is not there from nothing, or to the same", () => {
    expect(change(5, 0, "7 days")).toEqual({ direction: "up", text: "nothing in the 7 days before" });
    expect(change(0n, 0n, "7 days")).toEqual({ direction: "same", text: "as in the 7 days before" });
  });
});
