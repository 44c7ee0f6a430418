// The id of the conversation that the next first message makes. It outlives a reload, and with it what was written.

import { session } from "../../lib/storage";
import { unique } from "./outbox.svelte.js";

const NAME = "dispatch.new";

export function draftId(): string {
  const kept = session.get(NAME);
  if (kept) return kept;
  const id = unique();
  session.set(NAME, id);
  return id;
}

/** The next conversation is another one. */
export function forgetDraftId(): void {
  session.remove(NAME);
}
