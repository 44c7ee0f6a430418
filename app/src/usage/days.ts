// Days as the ledger has them: in UTC, as `YYYY-MM-DD`.

const DAY = 86_400_000;
const FORM = /^\d{4}-\d{2}-\d{2}$/;

/** The day of a time in milliseconds since the Unix epoch. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Whether it is a day, and one that there is: the 30th of February is none. */
export function isDay(text: string): boolean {
  const at = FORM.test(text) ? Date.parse(text) : NaN;
  return at >= 0 && dayOf(at) === text;
}

/** So many days later; earlier, below 0. */
export function later(day: string, days: number): string {
  return dayOf(Date.parse(day) + days * DAY);
}

/** Days, both included. */
export interface Span {
  readonly from: string;
  readonly to: string;
}

/** How many days they are. */
export function length({ from, to }: Span): number {
  return Math.round((Date.parse(to) - Date.parse(from)) / DAY) + 1;
}

/** The first day that there is in the ledger. */
const FIRST = "1970-01-01";

/** As many days right before. */
export function before(span: Span): Span {
  const from = later(span.from, -length(span));
  return { from: from < FIRST ? FIRST : from, to: later(span.from, -1) };
}

/** Whether a day is one of them. */
export function has({ from, to }: Span, day: string): boolean {
  return from <= day && day <= to;
}

/** Formats are made once: that is slow. */
function written(options: Intl.DateTimeFormatOptions): (day: string) => string {
  const format = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" });
  return (day) => format.format(new Date(day));
}

const weekday = written({ weekday: "short" });

/** "14 Nov". */
export const shortDay = written({ day: "numeric", month: "short" });
/** "14 Nov 2026". */
export const yearDay = written({ day: "numeric", month: "short", year: "numeric" });
/** "Sat 14 Nov 2026". */
export const longDay = (day: string) => `${weekday(day)} ${yearDay(day)}`;
/** "Nov 2026". */
export const month = written({ month: "short", year: "numeric" });
