// Numbers, amounts and times as people read them. In English everywhere, as the rest of the app.

const LOCALE = "en-GB";
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const DAY_OF_YEAR = { day: "numeric", month: "short" } as const;

/** How long something took, from milliseconds: `320 ms`, `1.2 s`, `14 s`, `2 min 5 s`, `1 h 3 min`. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms)) return "–";
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  return seconds(ms / 1_000);
}

/** Whole seconds: `42 s`, `2 min 5 s`, `1 h 3 min`. */
export function seconds(s: number): string {
  if (!Number.isFinite(s)) return "–";
  const all = Math.max(0, Math.round(s));
  const [hours, minutes, rest] = [Math.floor(all / 3_600), Math.floor(all / 60) % 60, all % 60];
  if (hours > 0) return `${whole.format(hours)} h${minutes ? ` ${minutes} min` : ""}`;
  if (minutes > 0) return `${minutes} min${rest ? ` ${rest} s` : ""}`;
  return `${rest} s`;
}

/** A number of tokens, exact as long as it is short: `1,234`, `12.3k`, `1.5M`. */
export function tokens(n: number): string {
  if (n < 9_999.5) return whole.format(n);
  if (n < 999_950) return `${trimmed(n / 1_000)}k`;
  return `${trimmed(n / 1_000_000)}M`;
}

/** An amount of credits, which is a decimal as a text: `1234.500000` is `1,234.5`. It stays exact. */
export function credits(text: string): string {
  const [, sign = "", digits = "", fraction = ""] = /^(-?)0*(\d+)(?:\.(\d*?)0*)?$/.exec(text) ?? [];
  if (!digits) return text;
  const grouped = digits.replace(/\B(?=(\d{3})+$)/g, ",");
  const amount = fraction ? `${grouped}.${fraction}` : grouped;
  return sign && /[1-9]/.test(amount) ? `−${amount}` : amount;
}

/** A size: `512 B`, `1.5 kB`, `20 MB`. */
export function bytes(n: number): string {
  let size = n;
  for (const unit of ["B", "kB", "MB"]) {
    if (size < 999.5) return `${unit === "B" ? Math.round(size) : trimmed(size)} ${unit}`;
    size /= 1_000;
  }
  return `${trimmed(size)} GB`;
}

/** When something was, from milliseconds since the Unix epoch: `now`, `2 min ago`, `3 h ago`, `yesterday`, `12 Nov`. */
export function when(ms: number, now = Date.now()): string {
  const ago = now - ms;
  if (ago < MINUTE) return "now";
  if (ago < HOUR) return `${Math.floor(ago / MINUTE)} min ago`;
  const [that, today] = [new Date(ms), new Date(now)];
  const days = Math.round((midnight(today) - midnight(that)) / DAY);
  if (days === 0 || ago < 6 * HOUR) return `${Math.floor(ago / HOUR)} h ago`;
  if (days === 1) return "yesterday";
  if (days < 7) return that.toLocaleDateString(LOCALE, { weekday: "long" });
  return dated(that, today.getFullYear());
}

/** A day: `2026-11-21` is `21 Nov`, and another year's has the year with it. */
export function day(text: string, now = Date.now()): string {
  const [year = NaN, month = NaN, date = NaN] = text.split("-").map(Number);
  const that = new Date(year, month - 1, date);
  return Number.isNaN(that.getTime()) ? text : dated(that, new Date(now).getFullYear());
}

/** So many of something: `1 token`, `1,234 tokens`. */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${whole.format(n)} ${n === 1 ? one : many}`;
}

function dated(date: Date, year: number): string {
  return date.toLocaleDateString(LOCALE, {
    ...DAY_OF_YEAR,
    ...(date.getFullYear() !== year && { year: "numeric" }),
  });
}

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** With one digit after the point, as long as it says something. */
function trimmed(n: number): string {
  return n < 99.95 ? n.toFixed(1).replace(/\.0$/, "") : whole.format(n);
}
