// Which sessions of a list are shown for a key, and how.

import type { SessionReceipt } from "@dispatch/client";

/** How many sessions are asked for: of all keys, since the server knows no other list. */
export const MOST_READ = 1000;
const MOST_SHOWN = 10;

/** Those that a key paid for, the newest first; not more than can be read. */
export function lastOf(sessions: readonly SessionReceipt[], key: string): readonly SessionReceipt[] {
  return sessions.filter((session) => session.key === key).slice(0, MOST_SHOWN);
}

/** The models of its connections, each once. */
export function modelsOf({ connections }: SessionReceipt): string {
  return [...new Set(connections.map(({ model }) => model))].join(", ");
}

/** Milliseconds since the Unix epoch. */
export function openedAt({ connections }: SessionReceipt): number {
  return connections[0]?.openedAt ?? 0;
}
