// A conversation that is watched: once over the line, by any number of iterators.

import { type ConversationEvent, Cursor, type Position, type TurnEvent } from "./events.js";
import { Stream } from "./stream.js";

export class Feed {
  readonly id: string;
  readonly #cursor = new Cursor();
  readonly #streams = new Map<Stream<ConversationEvent>, boolean>();
  /** The turn in flight, from its first event. */
  #tape: TurnEvent[] = [];
  /** A line to it was lost, or could not be had. */
  wasLost = false;

  constructor(id: string) {
    this.id = id;
  }

  get isWatched(): boolean {
    return this.#streams.size > 0;
  }

  /** Where to go on. */
  get position(): Position | undefined {
    return this.#cursor.position;
  }

  /**
   * One more who watches: from the first event of the turn in flight. One who reads the history beside it hears a gap as soon
   * as it is being watched: what was read before that may be old.
   */
  join(reads: boolean, onReturn: () => void): Stream<ConversationEvent> {
    const stream = new Stream<ConversationEvent>(() => {
      if (this.#streams.delete(stream)) onReturn();
    });
    this.#streams.set(stream, reads);
    for (const event of this.#tape) stream.push(event);
    return stream;
  }

  /** The conversation is being watched over a line, or again. */
  opened(): void {
    // Without an event to go on from, nobody knows what came and went.
    if (!this.position) this.#gap(!this.wasLost);
  }

  take(event: TurnEvent): void {
    const { isNew, isGap } = this.#cursor.take(event);
    if (isGap) this.#gap();
    if (!isNew) return;
    if (event.type === "turn-sealed" || event.type === "user-message") this.#tape = [];
    if (event.type !== "turn-sealed" && event.type !== "status") this.#tape.push(event);
    this.tell(event);
  }

  /** Tells those who watch now. */
  tell(event: ConversationEvent): void {
    for (const stream of this.#streams.keys()) stream.push(event);
  }

  /** It cannot be watched any more. */
  fail(error: unknown): void {
    for (const stream of this.#streams.keys()) stream.end({ error });
    this.#streams.clear();
  }

  /** Something may have been missed: by all, or only by those who read the history. */
  #gap(isForReaders = false): void {
    this.#tape = [];
    for (const [stream, reads] of this.#streams) {
      if (reads || !isForReaders) stream.push({ type: "gap", conversationId: this.id });
    }
  }
}
