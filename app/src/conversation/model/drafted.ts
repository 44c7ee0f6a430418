// The id of the conversation that the next first message makes. It outlives a reload, and with it what was written.

import { session } from "../../lib/storage";
import { unique } from "./outbox.svelte.js";

const NAME = "dispatch.new";

/** Browsers need not keep anything. */
let known: string | undefined;

export function draftId(): string {
  if (known === undefined) {
    known = session.get(NAME) ?? unique();
    session.set(NAME, known);
  }
  return known;
}

/** The next conversation is another one, if it would have been that one. */
export function forgetDraftId(id: string): void {
  if (known !== id) return;
  known = undefined;
  session.remove(NAME);
}
