// What custom fields bring. A server can be newer than the app: what cannot be read is shown as it is.

import type { CacheWarmingTimer, QueuedMessage, Todo, TodoStatus } from "@dispatch/client";

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const STATUSES: readonly TodoStatus[] = ["pending", "in_progress", "completed", "cancelled"];

/** The list of tasks. */
export function todos(payload: unknown): readonly Todo[] | undefined {
  const list = field(payload, "todos");
  return isListOf(list, isTodo) ? list : undefined;
}

/** What waits to be taken in. */
export function queued(payload: unknown): readonly QueuedMessage[] | undefined {
  const list = field(payload, "messages");
  return isListOf(list, isQueued) ? list : undefined;
}

/** When the prompt cache is warmed next, and was last. */
export function timer(payload: unknown): CacheWarmingTimer | undefined {
  const [nextWarmAt, lastWarmAt] = [field(payload, "nextWarmAt"), field(payload, "lastWarmAt")];
  return isTime(nextWarmAt) && isTime(lastWarmAt) ? { nextWarmAt, lastWarmAt } : undefined;
}

/** Rows under columns. */
export function table(payload: unknown): Table | undefined {
  const [columns, rows] = [field(payload, "columns"), field(payload, "rows")];
  return isListOf(columns, isText) && isListOf(rows, isRow) ? { columns, rows } : undefined;
}

/** A payload for people who can read JSON. */
export function json(payload: unknown): string {
  return JSON.stringify(payload, null, 2) ?? "undefined";
}

function field(payload: unknown, name: string): unknown {
  return typeof payload === "object" && payload !== null ? (payload as Record<string, unknown>)[name] : undefined;
}

function isListOf<Item>(value: unknown, is: (item: unknown) => item is Item): value is readonly Item[] {
  return Array.isArray(value) && value.every(is);
}

function isTodo(value: unknown): value is Todo {
  return isText(field(value, "content")) && STATUSES.includes(field(value, "status") as TodoStatus);
}

function isQueued(value: unknown): value is QueuedMessage {
  return isText(field(value, "id")) && isText(field(value, "text")) && isDate(field(value, "queuedAt"));
}

function isRow(value: unknown): value is readonly string[] {
  return isListOf(value, isText);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isTime(value: unknown): value is number | null {
  return value === null || isDate(value);
}

/** Milliseconds since the Unix epoch of a time that can be written down. */
function isDate(value: unknown): value is number {
  return typeof value === "number" && !Number.isNaN(new Date(value).getTime());
}
