// Rows of a ledger, for tests.

import type { UsageRow } from "@dispatch/client";

/** A row in which nothing was used but what is said. */
export function row(day: string, key: string, model: string, used: Partial<UsageRow> = {}): UsageRow {
  const nothing = { seconds: 0, steps: 0, inputTokens: 0, cachedTokens: 0, outputTokens: 0, credits: "0" };
  return { day, key, model, ...nothing, ...used };
}
