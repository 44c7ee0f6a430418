// The rows of the list: what is open, then what is closed below a fold.

import type { ConversationMeta } from "@dispatch/client";

export type ListRow =
  | { readonly kind: "conversation"; readonly meta: ConversationMeta }
  /** Shows the closed ones, or hides them. */
  | { readonly kind: "fold"; readonly count: number };

export function listed(all: readonly ConversationMeta[], showsClosed: boolean): readonly ListRow[] {
  const row = (meta: ConversationMeta): ListRow => ({ kind: "conversation", meta });
  const closed = all.filter(({ status }) => status === "closed");
  const open = all.filter(({ status }) => status !== "closed").map(row);
  if (closed.length === 0) return open;
  return [...open, { kind: "fold", count: closed.length }, ...(showsClosed ? closed.map(row) : [])];
}

/** What tells a row from others, wherever it is. */
export function keyOf(row: ListRow): string {
  return row.kind === "conversation" ? row.meta.id : "";
}
