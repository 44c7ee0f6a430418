// Usage as a file for spreadsheets.

import type { UsageRow } from "@dispatch/client";

const HEAD = ["day", "key", "name", "model", "seconds", "steps", "input_tokens", "cached_tokens", "output_tokens", "credits"];

/** One line for each row, as RFC 4180 has it; `name` is what a key is called. */
export function csv(rows: readonly UsageRow[], name: (key: string) => string): string {
  const lines = rows.map((row) => [
    row.day,
    text(row.key),
    text(name(row.key)),
    text(row.model),
    row.seconds,
    row.steps,
    row.inputTokens,
    row.cachedTokens,
    row.outputTokens,
    row.credits,
  ]);
  return [HEAD, ...lines].map((line) => `${line.join(",")}\r\n`).join("");
}

/** A text as a field. One that a spreadsheet would take for a formula is marked as a text. */
function text(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Gives a file to the browser to keep. */
export function save(name: string, type: string, content: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // Not before the browser has begun to read it.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
