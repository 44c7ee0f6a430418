// The plots of usage, from rows of the ledger.

import type { UsageRow } from "@dispatch/client";
import { credits } from "../lib/format";
import { MOST_SERIES, type Plot, type Series } from "../ui/plot/plot";
import { decimal, drawn } from "./credits";
import type { Split } from "./part";
import type { Bar } from "./places";
import { type Totals, grouped, tokensOf, total } from "./totals";

/** What of some rows is shown. */
interface Figure {
  value(totals: Totals): number;
  text(totals: Totals): string;
}

/** Rows that are one series. */
interface Part {
  readonly name: string;
  readonly fill: number;
  readonly rows: readonly UsageRow[];
  readonly figure: Figure;
}

export interface Figures {
  readonly tokens: Plot;
  readonly seconds: Plot;
  readonly credits: Plot;
}

const number = new Intl.NumberFormat("en");

/** A whole number, with commas between thousands. */
export const count = (value: number) => number.format(value);

const counted = (value: (totals: Totals) => number, unit = ""): Figure => ({
  value,
  text: (totals) => count(value(totals)) + unit,
});

const TOKENS = counted(tokensOf);
const SECONDS = counted(({ seconds }) => seconds, " s");
const CREDITS: Figure = { value: (totals) => drawn(totals.credits), text: (totals) => credits(decimal(totals.credits)) };

/** What models and keys are called. */
export interface Names {
  model(model: string): string;
  key(id: string): string;
}

/** Of the seconds of realtime, wherever they are beside something else. */
const REALTIME = 3;

/** The plots of rows, told apart by something. */
export function figures(rows: readonly UsageRow[], bars: readonly Bar[], split: Split, names: Names): Figures {
  const turns = rows.filter(({ seconds }) => seconds === 0);
  const sessions = rows.filter(({ seconds }) => seconds > 0);
  const groups = split === "kind" ? [] : groupsOf(rows, split, names);
  const plot = (title: string, figure: Figure, kinds: readonly Part[]) => {
    const parts = split === "kind" ? kinds : groups.map((group) => ({ ...group, figure })).filter(isUsed);
    return drawnAs(title, bars, rows, figure, parts);
  };
  return {
    tokens: plot("Tokens", TOKENS, [
      { name: "Input", fill: 0, rows, figure: counted(({ fresh }) => fresh) },
      { name: "Cached input", fill: 1, rows, figure: counted(({ cached }) => cached) },
      { name: "Output", fill: 2, rows, figure: counted(({ output }) => output) },
    ]),
    seconds: plot("Realtime", SECONDS, [{ name: "Realtime", fill: REALTIME, rows: sessions, figure: SECONDS }]),
    credits: plot("Credits", CREDITS, [
      { name: "Conversations", fill: 0, rows: turns, figure: CREDITS },
      { name: "Realtime", fill: REALTIME, rows: sessions, figure: CREDITS },
    ]),
  };
}

const isUsed = ({ rows, figure }: Part) => figure.value(total(rows)) > 0;

/** Each model or key, and those that are too many to be told apart as one. Each has the same fill in all plots. */
function groupsOf(rows: readonly UsageRow[], by: Exclude<Split, "kind">, names: Names): readonly Omit<Part, "figure">[] {
  const all = grouped(rows, by);
  const own = all.length > MOST_SERIES ? all.slice(0, MOST_SERIES - 1) : all;
  const others = all.slice(own.length).flatMap(({ rows }) => rows);
  return [
    ...own.map(({ id, rows }, fill) => ({ name: names[by](id), fill, rows })),
    ...(others.length > 0 ? [{ name: "Others", fill: own.length, rows: others }] : []),
  ];
}

function drawnAs(
  title: string,
  bars: readonly Bar[],
  rows: readonly UsageRow[],
  figure: Figure,
  parts: readonly Part[],
): Plot {
  const at = (rows: readonly UsageRow[]) => byBar(rows, bars);
  const series = parts.map(({ name, fill, rows, figure }): Series => {
    const totals = at(rows);
    return { name, fill, values: totals.map(figure.value), texts: totals.map(figure.text), total: figure.text(total(rows)) };
  });
  return { title, places: bars, series, texts: at(rows).map(figure.text), total: figure.text(total(rows)) };
}

/** What each bar has in it. */
function byBar(rows: readonly UsageRow[], bars: readonly Bar[]): readonly Totals[] {
  const sorted: UsageRow[][] = bars.map(() => []);
  for (const row of rows) {
    // The last bar that does not begin later.
    const index = bars.findLastIndex(({ from }) => from <= row.day);
    sorted[index]?.push(row);
  }
  return sorted.map(total);
}
