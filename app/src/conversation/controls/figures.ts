// What turns and steps cost and how fast they were, from their metrics.

import type { StepMetrics, TurnMetrics, TurnMetricsExtras, Usage } from "@dispatch/client";

export type Metered = TurnMetrics & Partial<TurnMetricsExtras>;

/** Of a step, a turn, or many turns. Times are in milliseconds; what is not known is left out. */
export interface Figures {
  /** Tokens of the prompts that were read anew. */
  readonly fresh: number;
  /** Tokens of the prompts that came from the provider's cache. */
  readonly cached: number;
  readonly output: number;
  /** Tokens that the conversation occupied then. */
  readonly context?: number | undefined;
  /** From the beginning of the first answer to the first word of it. */
  readonly firstTokenMs?: number;
  readonly tokensPerSecond?: number;
  readonly durationMs?: number;
}

export interface TurnFigures extends Figures {
  /** From 1. */
  readonly number: number;
  readonly turnId: string;
  readonly model?: string | undefined;
  /** Why it ended, if it did not just stop. */
  readonly reason?: string | undefined;
  readonly steps: readonly Figures[];
}

export function ofStep({ usage, ttftMs, decodeMs, genTotalMs }: StepMetrics): Figures {
  return {
    ...tokensOf(usage),
    ...known("context", usage.inputTokens + usage.outputTokens || undefined),
    ...known("firstTokenMs", ttftMs),
    ...known("tokensPerSecond", speed([{ usage, decodeMs }])),
    ...known("durationMs", genTotalMs),
  };
}

export function ofTurn(turn: Metered, index: number): TurnFigures {
  const { turnId, usage, steps, contextSize, durationMs, model, reason } = turn;
  return {
    number: index + 1,
    turnId,
    ...(model && { model }),
    ...(reason && reason !== "stop" && { reason }),
    context: contextSize,
    steps: steps.map(ofStep),
    ...tokensOf(usage),
    ...known("firstTokenMs", steps[0]?.ttftMs),
    ...known("tokensPerSecond", speed(steps)),
    ...known("durationMs", durationMs),
  };
}

/** Of the whole conversation. */
export interface Totals extends Figures {
  readonly turns: number;
  readonly steps: number;
}

export function total(turns: readonly Metered[]): Totals {
  const steps = turns.flatMap((turn) => turn.steps);
  const figures = turns.map(({ usage }) => tokensOf(usage));
  const sum = (of: (each: Figures) => number) => figures.reduce((all, each) => all + of(each), 0);
  return {
    turns: turns.length,
    steps: steps.length,
    fresh: sum(({ fresh }) => fresh),
    cached: sum(({ cached }) => cached),
    output: sum(({ output }) => output),
    ...known("tokensPerSecond", speed(steps)),
    durationMs: turns.reduce((all, { durationMs = 0 }) => all + durationMs, 0),
  };
}

/** All tokens of the prompts. */
export function input({ fresh, cached }: Figures): number {
  return fresh + cached;
}

/** How full the context window is. */
export interface Context {
  readonly used: number;
  readonly window?: number | undefined;
  /** From 0 to 1. */
  readonly part?: number | undefined;
}

/** The context as of the last turn that said something of it; not known where the conversation was compacted after that. */
export function contextOf(
  turns: readonly Metered[],
  window: number | undefined,
  compactedAt = -Infinity,
): Context | undefined {
  const { contextSize: used, startedAt = Infinity } = turns.findLast(({ contextSize }) => contextSize !== undefined) ?? {};
  if (used === undefined || startedAt <= compactedAt) return undefined;
  return window ? { used, window, part: Math.min(1, used / window) } : { used };
}

/** The model of the last turn that says it. */
export function modelOf(turns: readonly Metered[]): string | undefined {
  return turns.findLast(({ model }) => model)?.model;
}

/** In percent: only what is full says 100, and only what is empty says 0. */
export function percent(part: number): number {
  if (part <= 0) return 0;
  return part >= 1 ? 100 : Math.min(99, Math.max(1, Math.round(part * 100)));
}

function tokensOf({ inputTokens, outputTokens, cacheReadTokens = 0 }: Usage) {
  return { fresh: Math.max(0, inputTokens - cacheReadTokens), cached: cacheReadTokens, output: outputTokens };
}

/** Tokens a second while they came, over all steps of which that is known. */
function speed(steps: readonly { readonly usage: Usage; readonly decodeMs?: number | undefined }[]): number | undefined {
  let [tokens, ms] = [0, 0];
  for (const { usage, decodeMs } of steps) {
    if (!decodeMs || usage.outputTokens === 0) continue;
    tokens += usage.outputTokens;
    ms += decodeMs;
  }
  return ms > 0 ? (tokens / ms) * 1000 : undefined;
}

function known<Name extends string>(name: Name, value: number | undefined): { readonly [key in Name]?: number } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]: number });
}
