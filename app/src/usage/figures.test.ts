import { describe, expect, it } from "vitest";
import { MOST_SERIES, type Plot } from "../ui/plot/plot";
import { figures } from "./figures";
import { barsOf } from "./places";
import { row } from "./rows.fixture";

const bars = barsOf({ from: "2026-11-19", to: "2026-11-21" });
const names = { key: (id: string) => `key ${id}`, model: (model: string) => `model ${model}` };
const rows = [
  row("2026-11-19", "a", "large", { inputTokens: 1_000, cachedTokens: 400, outputTokens: 50, credits: "0.1" }),
  row("2026-11-21", "a", "large", { inputTokens: 10, outputTokens: 5, credits: "0.2" }),
  row("2026-11-21", "b", "mirage", { seconds: 30, credits: "0.6" }),
];

const brief = ({ series }: Plot) => series.map(({ name, fill, values, total }) => ({ name, fill, values, total }));

describe("figures", () => {
  it("tell kinds apart", () => {
    const { tokens, seconds, credits } = figures(rows, bars, "kind", names);
    expect(brief(tokens)).toEqual([
      { name: "Input", fill: 0, values: [600, 0, 10], total: "610" },
      { name: "Cached input", fill: 1, values: [400, 0, 0], total: "400" },
      { name: "Output", fill: 2, values: [50, 0, 5], total: "55" },
    ]);
    expect([tokens.texts, tokens.total]).toEqual([["1,050", "0", "15"], "1,065"]);
    expect(brief(seconds)).toEqual([{ name: "Realtime", fill: 3, values: [0, 0, 30], total: "30 s" }]);
    expect(brief(credits)).toEqual([
      { name: "Conversations", fill: 0, values: [0.1, 0, 0.2], total: "0.3" },
      { name: "Realtime", fill: 3, values: [0, 0, 0.6], total: "0.6" },
    ]);
    expect([credits.texts, credits.total]).toEqual([["0.1", "0", "0.8"], "0.9"]);
  });

  it("tell models apart, each with the same fill in all plots, and only those of which there is something", () => {
    const { tokens, seconds, credits } = figures(rows, bars, "model", names);
    expect(brief(tokens)).toEqual([{ name: "model large", fill: 1, values: [1_050, 0, 15], total: "1,065" }]);
    expect(brief(seconds)).toEqual([{ name: "model mirage", fill: 0, values: [0, 0, 30], total: "30 s" }]);
    expect(credits.series.map(({ name }) => name)).toEqual(["model mirage", "model large"]);
  });

  it("tell keys apart", () => {
    expect(figures(rows, bars, "key", names).credits.series.map(({ name }) => name)).toEqual(["key b", "key a"]);
  });

  it("put together what are too many to be told apart, and lose nothing", () => {
    const many = Array.from({ length: 9 }, (_, index) => row("2026-11-20", `k${index}`, "m", { outputTokens: 9 - index }));
    const { series, total } = figures(many, bars, "key", names).tokens;
    expect(series.map(({ name }) => name)).toEqual(["key k0", "key k1", "key k2", "key k3", "key k4", "Others"]);
    expect(series).toHaveLength(MOST_SERIES);
    expect(series.map(({ values }) => values[1])).toEqual([9, 8, 7, 6, 5, 10]);
    expect(total).toBe("45");
  });

  it("put a day into the week that has it", () => {
    const weeks = barsOf({ from: "2026-06-03", to: "2026-11-21" });
    const { tokens } = figures([row("2026-06-14", "a", "m", { outputTokens: 3 })], weeks, "kind", names);
    expect(tokens.places[tokens.texts.indexOf("3")]?.long).toBe("8 Jun – 14 Jun 2026");
  });
});
