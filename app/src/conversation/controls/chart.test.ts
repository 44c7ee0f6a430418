import { describe, expect, test } from "vitest";
import { BETWEEN, CONTEXT, GUTTER, MOST, TOKENS, chart, firstShown, glanced, spoken } from "./chart";
import { type TurnFigures, ofTurn } from "./figures";
import { turn } from "./testing.svelte";

const WIDTH = 288;
const BOTTOM = CONTEXT + BETWEEN + TOKENS;

function figures(count: number, of: (index: number) => Parameters<typeof turn>[1] = () => ({})): readonly TurnFigures[] {
  return Array.from({ length: count }, (_, index) => ofTurn(turn(`t${index}`, of(index)), index));
}

describe("the plot", () => {
  test("stacks what was cached, what was not, and the answer, from the ground up to its sum", () => {
    const [bar] = chart(
      figures(1, () => ({ usage: { inputTokens: 600, outputTokens: 400, cacheReadTokens: 200 } })),
      WIDTH,
      undefined,
    ).bars;
    const { cached, fresh, output } = bar!;
    expect(cached.y + cached.height).toBeCloseTo(BOTTOM);
    expect(fresh.y + fresh.height).toBeCloseTo(cached.y);
    expect(output.y + output.height).toBeCloseTo(fresh.y);
    // The sum is a round number, so it reaches the top.
    expect(output.y).toBeCloseTo(CONTEXT + BETWEEN);
    expect([cached.height, fresh.height, output.height].map((height) => height / TOKENS)).toEqual([
      expect.closeTo(0.2),
      expect.closeTo(0.4),
      expect.closeTo(0.4),
    ]);
  });

  test("keeps everything within its width, however many turns there are", () => {
    for (const count of [1, 2, 7, MOST]) {
      const { bars } = chart(figures(count), WIDTH, undefined);
      expect(bars).toHaveLength(count);
      for (const { fresh } of bars) {
        expect(fresh.x).toBeGreaterThanOrEqual(GUTTER);
        expect(fresh.x + fresh.width).toBeLessThanOrEqual(WIDTH + 1e-9);
      }
    }
  });

  test("draws the context as a part of the window, and not where it is not known", () => {
    const turns = figures(3, (index) => (index === 1 ? {} : { contextSize: index === 0 ? 50_000 : 200_000 }));
    const { bars, line } = chart(turns, WIDTH, 200_000);
    expect(bars.map(({ context }) => context?.y)).toEqual([CONTEXT * 0.75, undefined, 0]);
    expect(line.split(" ")).toHaveLength(2);
  });

  test("measures the context by the fullest it was where the window is not known", () => {
    const turns = figures(2, (index) => ({ contextSize: index === 0 ? 500 : 1_000 }));
    expect(chart(turns, WIDTH, undefined).bars.map(({ context }) => context?.y)).toEqual([CONTEXT / 2, 0]);
  });

  test("stands for turns without tokens as well", () => {
    const { bars, ticks } = chart(figures(1, () => ({ usage: { inputTokens: 0, outputTokens: 0 } })), WIDTH, undefined);
    expect(bars[0]!.output.height).toBe(0);
    expect(ticks.map(({ value }) => value)).toEqual([0, 1]);
  });
});

test("the newest turns are shown, unless an older one is read", () => {
  expect(firstShown(3, 2)).toBe(0);
  expect(firstShown(100, 99)).toBe(60);
  expect(firstShown(100, 60)).toBe(60);
  expect(firstShown(100, 12)).toBe(12);
});

test("a turn is said in a sentence", () => {
  const [plain, cached] = figures(2, (index) =>
    index === 0 ? {} : { usage: { inputTokens: 12_345, outputTokens: 6, cacheReadTokens: 12_000 }, contextSize: 62_000 },
  );
  expect(spoken(plain!, 200_000)).toBe("Turn 1: 1,000 tokens in, 200 out.");
  expect(spoken(cached!, 200_000)).toBe(
    "Turn 2: 12,345 tokens in, 12,000 of them from the cache, 6 out, context 31 % full.",
  );
  expect(glanced(plain!, 200_000)).toBe("Turn 1: 1,000 in, 200 out");
  expect(glanced(cached!, 200_000)).toBe("Turn 2: 12.3k in (12k cached), 6 out, context 31 %");
  expect(spoken(cached!, undefined)).toContain("context 62,000 tokens.");
});
