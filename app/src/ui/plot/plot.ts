// What a plot shows, before it is drawn.

/** What bars stand side by side along: a day, for example. */
export interface Place {
  readonly id: string;
  /** Below the axis: "14 Nov". */
  readonly short: string;
  /** Where it is read: "Saturday, 14 November 2026". */
  readonly long: string;
}

export interface Series {
  readonly name: string;
  /** Which of the fills it has, from 0: the same in plots side by side. Below `MOST_SERIES`. */
  readonly fill: number;
  /** One for each place, none below 0. */
  readonly values: readonly number[];
  /** The same in words: exact, where a value is only as near as can be drawn. */
  readonly texts: readonly string[];
  /** All places together, in words. */
  readonly total: string;
}

export interface Plot {
  readonly title: string;
  readonly places: readonly Place[];
  /** From the bottom of a bar to its top. */
  readonly series: readonly Series[];
  /** All series of a place together, in words. */
  readonly texts: readonly string[];
  /** Everything together, in words. */
  readonly total: string;
}

/** How many series can be told apart. */
export const MOST_SERIES = 6;

/** A part of a bar, in the units of its values. */
export interface Segment {
  /** The fill of its series. */
  readonly fill: number;
  readonly from: number;
  readonly to: number;
}

/** The bar of a place, without parts of no height. */
export function stack(series: readonly Series[], place: number): readonly Segment[] {
  let top = 0;
  return series.flatMap(({ values, fill }) => {
    const from = top;
    top += values[place] ?? 0;
    return top > from ? [{ fill, from, to: top }] : [];
  });
}

/** The height of the highest bar. */
export function greatest({ series, places }: Plot): number {
  return Math.max(0, ...places.map((_, place) => stack(series, place).at(-1)?.to ?? 0));
}

/** A place as a sentence, for those who do not see its bar. */
export function spoken({ places, series, texts }: Plot, place: number): string {
  const parts = series.filter(({ values }) => (values[place] ?? 0) > 0);
  const list = parts.map(({ name, texts }) => `${name} ${texts[place]}`).join(", ");
  const sum = `${places[place]?.long}: ${texts[place]}`;
  return series.length > 1 && parts.length > 0 ? `${sum}. ${list}.` : `${sum}.`;
}

/** The place that a key goes to from there; none if it is not one of those that move. From nowhere, it begins at an end. */
export function moved(key: string, from: number | undefined, count: number): number | undefined {
  const last = count - 1;
  const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -7, PageUp: 7 }[key];
  if (key === "Home") return 0;
  if (key === "End") return last;
  if (by === undefined) return undefined;
  if (from === undefined) return by < 0 ? last : 0;
  return Math.min(Math.max(from + by, 0), last);
}
