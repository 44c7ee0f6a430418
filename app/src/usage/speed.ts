// The periods of the report on how fast models were: days, weeks and months where the server is.

import type { ThroughputPeriod } from "@dispatch/client";
import { later, longDay, month, yearDay } from "./days";

export const PERIODS: readonly { readonly value: ThroughputPeriod; readonly label: string }[] = [
  { value: "day", label: "Day" },
  { value: "week", label: "Week" },
  { value: "month", label: "Month" },
];

/** The day that it is here. */
export function localDay(now: Date): string {
  const two = (part: number) => String(part).padStart(2, "0");
  return `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
}

/** The period that a day is in, as the server is asked for it. */
export function dateOf(period: ThroughputPeriod, day: string): string {
  return period === "month" ? day.slice(0, 7) : day;
}

/** A day of the next period, or with -1 of the one before. */
export function stepped(period: ThroughputPeriod, day: string, by: 1 | -1): string {
  switch (period) {
    case "day":
      return later(day, by);
    case "week":
      return later(day, 7 * by);
    case "month":
      // The first of a month: others are not in every month.
      return by > 0 ? later(`${day.slice(0, 7)}-28`, 4).slice(0, 7) + "-01" : later(`${day.slice(0, 7)}-01`, -1).slice(0, 7) + "-01";
  }
}

/** What the period around a day is called. */
export function called(period: ThroughputPeriod, day: string): string {
  switch (period) {
    case "day":
      return longDay(day);
    case "week":
      return `Week of ${yearDay(monday(day))}`;
    case "month":
      return month(day);
  }
}

/** Whether a day is in the same period as another one. */
export function isSame(period: ThroughputPeriod, one: string, other: string): boolean {
  return called(period, one) === called(period, other);
}

function monday(day: string): string {
  return later(day, -((new Date(day).getUTCDay() + 6) % 7));
}
