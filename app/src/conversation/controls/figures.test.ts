import { describe, expect, test } from "vitest";
import { contextOf, modelOf, ofTurn, percent, total } from "./figures";
import { step, turn } from "./testing.svelte";

const fast = step({
  usage: { inputTokens: 1_000, outputTokens: 300, cacheReadTokens: 800 },
  ttftMs: 250,
  decodeMs: 2_000,
  genTotalMs: 2_250,
});
const slow = step({ usage: { inputTokens: 1_500, outputTokens: 100 }, ttftMs: 900, decodeMs: 2_000, genTotalMs: 2_900 });
const silent = step({ usage: { inputTokens: 0, outputTokens: 0 } });

describe("the figures of a turn", () => {
  const metrics = turn("t1", {
    usage: { inputTokens: 2_500, outputTokens: 400, cacheReadTokens: 800 },
    steps: [fast, slow],
    contextSize: 1_600,
    durationMs: 9_000,
    model: "a/b",
    reason: "aborted",
  });

  test("are those of its steps together", () => {
    expect(ofTurn(metrics, 4)).toEqual({
      number: 5,
      turnId: "t1",
      model: "a/b",
      reason: "aborted",
      context: 1_600,
      fresh: 1_700,
      cached: 800,
      output: 400,
      // Of the first step: that is how long one waited. The speed is that of all tokens in all the time.
      firstTokenMs: 250,
      tokensPerSecond: 100,
      durationMs: 9_000,
      steps: [
        { fresh: 200, cached: 800, output: 300, context: 1_300, firstTokenMs: 250, tokensPerSecond: 150, durationMs: 2_250 },
        { fresh: 1_500, cached: 0, output: 100, context: 1_600, firstTokenMs: 900, tokensPerSecond: 50, durationMs: 2_900 },
      ],
    });
  });

  test("leave out what is not known, and that it just stopped", () => {
    const figures = ofTurn({ turnId: "t2", usage: silent.usage, steps: [silent], reason: "stop" }, 0);
    expect(figures).toEqual({
      number: 1,
      turnId: "t2",
      context: undefined,
      fresh: 0,
      cached: 0,
      output: 0,
      steps: [{ fresh: 0, cached: 0, output: 0 }],
    });
  });

  test("add up to those of the conversation", () => {
    expect(total([metrics, turn("t2", { durationMs: 1_000 })])).toEqual({
      turns: 2,
      steps: 3,
      fresh: 2_700,
      cached: 800,
      output: 600,
      tokensPerSecond: 100,
      durationMs: 10_000,
    });
    expect(total([])).toEqual({ turns: 0, steps: 0, fresh: 0, cached: 0, output: 0, durationMs: 0 });
  });
});

test("the context is that of the last turn that said something of it", () => {
  const turns = [turn("t1", { contextSize: 50_000 }), turn("t2", { contextSize: 124_000 }), turn("t3")];
  expect(contextOf(turns, 200_000)).toEqual({ used: 124_000, window: 200_000, part: 0.62 });
  expect(contextOf(turns, undefined)).toEqual({ used: 124_000 });
  expect(contextOf(turns, 100_000)).toEqual({ used: 124_000, window: 100_000, part: 1 });
  expect(contextOf([turn("t3")], 200_000)).toBeUndefined();
});

test("the context is not known between a compaction and the next turn", () => {
  const before = turn("t1", { contextSize: 50_000, startedAt: 1_000 });
  const after = turn("t2", { contextSize: 4_000, startedAt: 3_000 });
  expect(contextOf([before], 200_000, 2_000)).toBeUndefined();
  expect(contextOf([before, after], 200_000, 2_000)?.used).toBe(4_000);
  expect(contextOf([before, turn("t3", { contextSize: 5_000 })], 200_000, 2_000)?.used).toBe(5_000);
});

test("the model is that of the last turn that says it", () => {
  expect(modelOf([turn("t1", { model: "a/b" }), turn("t2", { model: "a/c" }), turn("t3")])).toBe("a/c");
  expect(modelOf([turn("t1")])).toBeUndefined();
});

test("only what is full has 100 percent, and only what is empty 0", () => {
  expect([0, 0.0001, 0.5, 0.624, 0.9999, 1].map(percent)).toEqual([0, 1, 50, 62, 99, 100]);
});
