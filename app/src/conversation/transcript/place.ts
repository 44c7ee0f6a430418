// Where a reader was in a conversation, kept over other tabs and reloads.

import { session } from "../../lib/storage";

export interface Place {
  /** The row at the top of what was seen, and where it begins in the log. */
  readonly key: string;
  readonly seq: number | undefined;
  /** How much of it was above, in pixels. */
  readonly offset: number;
}

/** None: at the end, where everybody begins. */
export function placeIn(conversationId: string): Place | undefined {
  const kept = session.get(nameOf(conversationId));
  if (kept === undefined) return undefined;
  try {
    const place = (JSON.parse(kept) ?? {}) as Partial<Place>;
    if (typeof place.key !== "string" || typeof place.offset !== "number") return undefined;
    return { key: place.key, offset: place.offset, seq: typeof place.seq === "number" ? place.seq : undefined };
  } catch {
    return undefined;
  }
}

export function keepPlace(conversationId: string, place: Place | undefined): void {
  if (place) session.set(nameOf(conversationId), JSON.stringify(place));
  else session.remove(nameOf(conversationId));
}

function nameOf(conversationId: string): string {
  return `dispatch.place.${conversationId}`;
}
