// Which part of the ledger is looked at, and how it stands in the address.

import { type Span, dayOf, isDay, later, length } from "./days";

/** What is told apart within a bar. */
export type Split = "kind" | "model" | "key";

/** Days that end today. */
export type Recent = 7 | 30 | 90;

export interface Part {
  readonly days: Recent | Span;
  readonly split: Split;
  /** Only of that key. */
  readonly key: string | undefined;
}

export const RECENT: readonly Recent[] = [7, 30, 90];
export const SPLITS: readonly Split[] = ["kind", "model", "key"];

/** What is looked at first. */
export const FIRST: Part = { days: 30, split: "kind", key: undefined };

/** The part that a query names. What it does not say, or what makes no sense, is as at first. */
export function read(query: string): Part {
  const fields = new URLSearchParams(query);
  const days = Number(fields.get("days"));
  const span = { from: fields.get("from") ?? "", to: fields.get("to") ?? "" };
  return {
    days: RECENT.find((recent) => recent === days) ?? (wrong(span) ? FIRST.days : span),
    split: SPLITS.find((split) => split === fields.get("by")) ?? FIRST.split,
    key: fields.get("key") || FIRST.key,
  };
}

/** The query that names a part. */
export function write({ days, split, key }: Part): string {
  const fields = new URLSearchParams(typeof days === "number" ? { days: String(days) } : { ...days });
  fields.set("by", split);
  if (key !== undefined) fields.set("key", key);
  return String(fields);
}

/** The days that are meant, at a time in milliseconds since the Unix epoch. */
export function span({ days }: Pick<Part, "days">, now: number): Span {
  if (typeof days !== "number") return days;
  const to = dayOf(now);
  return { from: later(to, 1 - days), to };
}

/** The most days at a time: ten years. */
const MOST_DAYS = 3653;

/** What is wrong with days that somebody chose, by the field that is to be mended. */
export function wrong({ from, to }: Span): { readonly field: "from" | "to"; readonly text: string } | undefined {
  if (!isDay(from)) return { field: "from", text: "Enter the first day." };
  if (!isDay(to)) return { field: "to", text: "Enter the last day." };
  if (from > to) return { field: "to", text: "The last day is before the first one." };
  if (length({ from, to }) > MOST_DAYS) return { field: "from", text: "At most ten years can be shown." };
  return undefined;
}
