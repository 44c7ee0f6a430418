// How sessions are shown for a key.

import type { SessionReceipt } from "@dispatch/client";

/** The models of its connections, each once. */
export function modelsOf({ connections }: SessionReceipt): string {
  return [...new Set(connections.map(({ model }) => model))].join(", ");
}

/** Milliseconds since the Unix epoch. */
export function openedAt({ connections }: SessionReceipt): number {
  return connections[0]?.openedAt ?? 0;
}
