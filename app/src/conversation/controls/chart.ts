// The plot of turns: which are shown, and where everything stands.

import { tokens } from "../../lib/format";
import { axis, bands } from "../../ui/plot/scale";
import { type TurnFigures, input, percent } from "./figures";

/** So many turns are side by side at most. */
export const MOST = 40;

/** The heights of its two parts, in pixels: how full the context was, and below it the tokens of each turn. */
export const CONTEXT = 36;
export const TOKENS = 96;
/** Between the two, and at the left for the numbers. */
export const BETWEEN = 20;
export const GUTTER = 40;

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Bar {
  readonly turn: TurnFigures;
  /** Its whole place, from top to bottom. */
  readonly place: Box;
  readonly fresh: Box;
  readonly cached: Box;
  readonly output: Box;
  /** Where the context line passes, if that is known. */
  readonly context: { readonly x: number; readonly y: number } | undefined;
}

export interface Chart {
  readonly bars: readonly Bar[];
  readonly ticks: readonly { readonly value: number; readonly y: number }[];
  /** The context line, as the points of a polyline. */
  readonly line: string;
}

/** The first of the turns that are shown while that one is read: the newest ones, as long as it is among them. */
export function firstShown(count: number, read: number): number {
  return Math.max(0, Math.min(read, count - MOST));
}

/** Everything's place. The context is measured by the window, or where that is not known by the fullest it was. */
export function chart(turns: readonly TurnFigures[], width: number, window: number | undefined): Chart {
  const { ticks, max } = axis(Math.max(1, ...turns.map(whole)), 3, { least: 1 });
  const fullest = window ?? Math.max(1, ...turns.map(({ context = 0 }) => context));
  const band = bands(turns.length, width - GUTTER);
  const top = CONTEXT + BETWEEN;
  const y = (value: number) => top + TOKENS * (1 - value / max);

  const bars = turns.map((turn, index): Bar => {
    const x = GUTTER + band.at(index);
    const part = (from: number, to: number) => ({ x, y: y(to), width: band.size, height: y(from) - y(to) });
    const context = turn.context && {
      x: x + band.size / 2,
      y: CONTEXT * (1 - Math.min(1, turn.context / fullest)),
    };
    return {
      turn,
      place: { x: GUTTER + index * band.step, y: 0, width: band.step, height: top + TOKENS },
      cached: part(0, turn.cached),
      fresh: part(turn.cached, input(turn)),
      output: part(input(turn), whole(turn)),
      context: context || undefined,
    };
  });
  const line = bars.flatMap(({ context }) => (context ? [`${round(context.x)},${round(context.y)}`] : [])).join(" ");
  return { bars, ticks: ticks.map((value) => ({ value, y: y(value) })), line };
}

/** A turn at a glance. */
export function glanced(turn: TurnFigures, window: number | undefined): string {
  const cached = turn.cached > 0 ? ` (${tokens(turn.cached)} cached)` : "";
  const full = turn.context === undefined || window === undefined ? "" : `, context ${percent(turn.context / window)} %`;
  return `Turn ${turn.number}: ${tokens(input(turn))} in${cached}, ${tokens(turn.output)} out${full}`;
}

/** A turn in a sentence. */
export function spoken(turn: TurnFigures, window: number | undefined): string {
  const number = (value: number) => value.toLocaleString("en-GB");
  const cached = turn.cached > 0 ? `, ${number(turn.cached)} of them from the cache` : "";
  const all = `${number(input(turn))} tokens in${cached}, ${number(turn.output)} out`;
  return `Turn ${turn.number}: ${all}${full(turn, window)}.`;
}

function full({ context }: TurnFigures, window: number | undefined): string {
  if (context === undefined) return "";
  if (window === undefined) return `, context ${context.toLocaleString("en-GB")} tokens`;
  return `, context ${percent(context / window)} % full`;
}

function whole(turn: TurnFigures): number {
  return input(turn) + turn.output;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
