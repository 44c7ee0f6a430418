// What is heard of a conversation.

import type { ConversationDeletedMessage, EventExtras, ExtensionEvent, WatchExtras } from "../extensions.js";
import type { ConversationCompactedMessage } from "../transport.js";
import type { AgentEvent } from "../wire.js";

/** An event of a turn, with its number in the turn. */
export type TurnEvent = (AgentEvent | ExtensionEvent) & EventExtras;

/**
 * Something was missed: the connection was away, and what happened meanwhile is over. The history has all of it; events
 * go on with what happens now. After a connection that came back in time, there is none: then nothing was missed.
 */
export interface GapEvent {
  readonly type: "gap";
  readonly conversationId: string;
}

/** What a watcher hears. That a conversation was compacted or deleted is heard over a WebSocket only. */
export type ConversationEvent = TurnEvent | GapEvent | ConversationCompactedMessage | ConversationDeletedMessage;

/** Where one is in a turn. */
export interface Position {
  readonly turnId: string;
  readonly eventSeq: number;
}

/** What asks for all that is to be heard, after that event if there is one: JSON leaves out what is undefined. */
export function from(position: Position | undefined): WatchExtras {
  const { turnId, eventSeq: afterEventSeq } = position ?? {};
  return { turnId, afterEventSeq, cursor: true, extensions: true } as WatchExtras;
}

/** Follows the numbers of events, and says what each means. */
export class Cursor {
  #position: Position | undefined;
  #isSealed = false;

  get position(): Position | undefined {
    return this.#position;
  }

  /** Whether the event is new, and not one that was heard before; and whether something was missed before it. */
  take(event: TurnEvent): { readonly isNew: boolean; readonly isGap: boolean } {
    // None is an event that can be gone on from: what is beyond the contract has the number of the event before it.
    if (event.type === "provider-retry" || event.type === "tool-start" || event.type === "status") {
      return { isNew: true, isGap: false };
    }
    const { type, turnId, eventSeq } = event;
    const isSame = turnId === this.#position?.turnId;
    const before = isSame ? this.#position!.eventSeq : 0;
    const isPast = isSame && eventSeq !== undefined && eventSeq <= before;
    // A server that does not have the turn on its stream any more says so without a number, or with that of the client.
    const isGap = type === "turn-sealed" && (eventSeq === undefined || isPast);
    if (isPast && !isGap) return { isNew: false, isGap };
    const isNew = !(isSame && this.#isSealed);
    this.#position = { turnId, eventSeq: Math.max(before, eventSeq ?? 0) };
    this.#isSealed = type === "turn-sealed";
    return { isNew, isGap };
  }
}
