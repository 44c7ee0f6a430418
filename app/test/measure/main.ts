// All measurements, as a table.

import { availableParallelism, loadavg } from "node:os";
import { Bench, type Figure, isKept } from "./bench.js";
import { cold } from "./cold.js";
import { long } from "./long.js";
import { stream } from "./stream.js";

const MEASUREMENTS: Readonly<Record<string, (bench: Bench) => Promise<readonly Figure[]>>> = { cold, stream, long };

/** Measures all that have the word in their name. True if everything is as promised. */
export async function measure(only: string): Promise<boolean> {
  const bench = await Bench.start();
  try {
    const figures: Figure[] = [];
    for (const [name, measurement] of Object.entries(MEASUREMENTS)) {
      if (name.includes(only)) figures.push(...(await measurement(bench)));
    }
    print(figures);
    return figures.every(isKept);
  } finally {
    await bench.end();
  }
}

function print(figures: readonly Figure[]): void {
  const rows = figures.map((figure) => [figure.what, shown(figure.measured, figure.unit), promised(figure), isKept(figure) ? "" : "MISSED"]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  console.log();
  for (const row of rows) console.log(row.map((cell, column) => (column === 1 ? cell.padStart(widths[1]!) : cell.padEnd(widths[column] ?? 0))).join("  "));
  const load = loadavg()[0]!.toFixed(1);
  console.log(`\n${availableParallelism()} processors, load ${load}. Again: npm run measure; a part of it: npm run measure -- stream`);
}

function promised(figure: Figure): string {
  if (figure.most !== undefined) return `at most ${shown(figure.most, figure.unit)}`;
  if (figure.least !== undefined) return `at least ${shown(figure.least, figure.unit)}`;
  return "";
}

const shown = (value: number, unit: string): string => `${value.toLocaleString("en-US", { maximumFractionDigits: 1 })} ${unit}`;
