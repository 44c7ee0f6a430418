// Sums over rows of the ledger.

import type { UsageRow } from "@dispatch/client";
import { micros } from "./credits";
import type { Split } from "./part";

export interface Totals {
  /** Tokens of prompts that were not in a cache. */
  readonly fresh: number;
  /** Tokens of prompts that were. */
  readonly cached: number;
  readonly output: number;
  readonly seconds: number;
  readonly steps: number;
  /** In millionths. */
  readonly credits: bigint;
}

export const NOTHING: Totals = { fresh: 0, cached: 0, output: 0, seconds: 0, steps: 0, credits: 0n };

export function total(rows: Iterable<UsageRow>): Totals {
  let { fresh, cached, output, seconds, steps, credits } = NOTHING;
  for (const row of rows) {
    fresh += row.inputTokens - row.cachedTokens;
    cached += row.cachedTokens;
    output += row.outputTokens;
    seconds += row.seconds;
    steps += row.steps;
    credits += micros(row.credits);
  }
  return { fresh, cached, output, seconds, steps, credits };
}

export const tokensOf = ({ fresh, cached, output }: Totals) => fresh + cached + output;

/** Rows of the same model or key. */
export interface Group {
  /** As the ledger has it. */
  readonly id: string;
  readonly rows: readonly UsageRow[];
  readonly totals: Totals;
}

/** By model or key: what cost most first, then what used most. */
export function grouped(rows: readonly UsageRow[], by: Exclude<Split, "kind">): readonly Group[] {
  const groups = new Map<string, UsageRow[]>();
  for (const row of rows) {
    const group = groups.get(row[by]);
    if (group) group.push(row);
    else groups.set(row[by], [row]);
  }
  return [...groups]
    .map(([id, rows]) => ({ id, rows, totals: total(rows) }))
    .sort((a, b) => compared(a.totals, b.totals) || (a.id < b.id ? -1 : 1));
}

function compared(a: Totals, b: Totals): number {
  if (a.credits !== b.credits) return a.credits > b.credits ? -1 : 1;
  return tokensOf(b) - tokensOf(a) || b.seconds - a.seconds;
}

/** How a figure did since the period before. */
export interface Change {
  readonly direction: "up" | "down" | "same";
  /** "12 % more than in the 30 days before". */
  readonly text: string;
}

/** The change from one figure to another; of amounts in millionths, exactly. */
export function change(now: bigint | number, then: bigint | number, period: string): Change {
  const [after, before] = [BigInt(now), BigInt(then)];
  if (after === before) return { direction: "same", text: `as in the ${period} before` };
  if (before <= 0n) return { direction: "up", text: `nothing in the ${period} before` };
  const difference = after > before ? after - before : before - after;
  const direction = after > before ? "up" : "down";
  const word = direction === "up" ? "more" : "less";
  return { direction, text: `${percent(difference, before)} ${word} than in the ${period} before` };
}

/** A part of a whole, rounded to a percent; many times as much as "12 times". */
function percent(part: bigint, whole: bigint): string {
  const rounded = (part * 200n + whole) / (whole * 2n);
  if (rounded === 0n) return "under 1 %";
  return rounded < 1000n ? `${rounded} %` : `${rounded / 100n} times`;
}

/** How much of everything it is, from 0 to 1: of the credits, or of what was used where all of it was free. */
export function share(part: Totals, all: Totals): number {
  if (all.credits > 0n) return Number(part.credits) / Number(all.credits);
  if (tokensOf(all) > 0) return tokensOf(part) / tokensOf(all);
  return all.seconds > 0 ? part.seconds / all.seconds : 0;
}
