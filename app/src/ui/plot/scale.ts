// From values to pixels, and the round numbers that stand at an axis. Nothing here draws.

/** The least round number that is not below a value. */
export type Round = (value: number) => number;

/** 1, 2 or 5 times a power of ten. */
export const roundUp: Round = (value) => {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5].find((factor) => factor * power >= value * (1 - 1e-9)) ?? 10;
  return exact(factor * power);
};

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const TIMES = [1, 2, 5, 10, 15, 30].flatMap((step) => [step, step * MINUTE]).sort((a, b) => a - b);

/** Seconds that are a round time: half a minute, a quarter of an hour, two hours. */
export const roundTimeUp: Round = (value) =>
  TIMES.find((time) => time >= value) ?? roundUp(value / HOUR) * HOUR;

export interface Axis {
  /** From 0 up, all equally far from one another. */
  readonly ticks: readonly number[];
  /** The last tick: nothing that is drawn is above it. */
  readonly max: number;
}

export interface AxisOptions {
  readonly round?: Round;
  /** The least distance of ticks: 1 where only whole numbers have a meaning. */
  readonly least?: number;
}

/** An axis from 0 to a round number that is not below the greatest value, with at most that many parts and one more. */
export function axis(greatest: number, parts: number, { round = roundUp, least = 0 }: AxisOptions = {}): Axis {
  const step = Math.max(round(greatest / parts), least);
  const count = Math.max(1, Math.ceil(greatest / step - 1e-9));
  const ticks = Array.from({ length: count + 1 }, (_, index) => exact(index * step));
  return { ticks, max: ticks.at(-1)! };
}

export interface Bands {
  /** How wide a bar is. */
  readonly size: number;
  /** The distance from one bar to the next. */
  readonly step: number;
  /** Where the bar of an index begins. */
  at(index: number): number;
  /** The index whose band has that place; the nearest one outside of all. */
  index(x: number): number;
}

const WIDEST = 40;

/** Bars side by side: so many of them, in a width. */
export function bands(count: number, width: number): Bands {
  const step = width / Math.max(count, 1);
  const size = Math.min(Math.max(step * 0.76, 1), WIDEST);
  return {
    size,
    step,
    at: (index) => index * step + (step - size) / 2,
    index: (x) => Math.min(Math.max(Math.floor(x / step), 0), Math.max(count - 1, 0)),
  };
}

/** How many places from one label to the next: days are labelled by weeks, if not all of them. */
const STRIDES = [1, 2, 7, 14, 28, 56];

/** The places that get a label of that width, so that none touches another: the last one, and equally far ones before it. */
export function labelled(count: number, width: number, room: number): readonly number[] {
  const step = width / Math.max(count, 1);
  const stride = STRIDES.find((stride) => stride * step >= room) ?? Math.ceil(room / step);
  const first = (count - 1) % stride;
  return Array.from({ length: Math.ceil((count - first) / stride) }, (_, index) => first + index * stride);
}

const UNITS = [
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

/** A number for an axis: 500, 1.5k, 20M. */
export function short(value: number): string {
  const [unit, letter] = UNITS.find(([unit]) => Math.abs(value) >= unit) ?? [1, ""];
  return `${exact(value / unit)}${letter}`;
}

/** A time in seconds for an axis: 30 s, 5 min, 2 h. */
export function shortTime(value: number): string {
  if (value >= HOUR) return `${short(value / HOUR)} h`;
  return value >= MINUTE ? `${short(value / MINUTE)} min` : `${short(value)} s`;
}

/** Without what floating point adds: 0.3 in place of 0.30000000000000004. */
function exact(value: number): number {
  return Number(value.toPrecision(12));
}
