// Which bars a span of days has: a day each, and for long spans a week or a month.

import type { Place } from "../ui/plot/plot";
import { type Span, later, length, longDay, month, shortDay, yearDay } from "./days";

export type Unit = "day" | "week" | "month";

/** A bar, with its days that are in the span. */
export interface Bar extends Place, Span {}

/** The most days that get a bar each, and the most that get one by week. */
const DAYS = 92;
const WEEKS = 2 * 366;

export function unitOf(span: Span): Unit {
  const days = length(span);
  if (days <= DAYS) return "day";
  return days <= WEEKS ? "week" : "month";
}

/** The bars of a span, from the first day to the last. */
export function barsOf(span: Span): readonly Bar[] {
  const unit = unitOf(span);
  const bars: Bar[] = [];
  for (let from = span.from; from <= span.to; ) {
    const end = lastOf(unit, from);
    const to = end < span.to ? end : span.to;
    bars.push({ id: from, from, to, ...names(unit, { from, to }) });
    from = later(to, 1);
  }
  return bars;
}

/** The last day of the day, week (Monday to Sunday) or month that a day is in. */
function lastOf(unit: Unit, day: string): string {
  const date = new Date(day);
  switch (unit) {
    case "day":
      return day;
    case "week":
      return later(day, (7 - date.getUTCDay()) % 7);
    case "month":
      return later(day, new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate() - date.getUTCDate());
  }
}

function names(unit: Unit, { from, to }: Span): Pick<Place, "short" | "long"> {
  switch (unit) {
    case "day":
      return { short: shortDay(from), long: longDay(from) };
    case "week":
      return { short: shortDay(from), long: `${shortDay(from)} – ${yearDay(to)}` };
    case "month":
      return { short: month(from), long: month(from) };
  }
}
