// A conversation as it is to be shown, from its history and its events. Nothing here asks a server.

import type { ImageChunk, StoredChunkExtras } from "../extensions.js";
import type { Chunk, Role, StoredChunk } from "../wire.js";
import type { ConversationEvent } from "./events.js";

/** A chunk of the history, with images as what they are. */
export type HistoryChunk = Omit<StoredChunk, "chunk"> & StoredChunkExtras & { readonly chunk: Chunk | ImageChunk };

/** A part of the history. */
export interface History {
  /** Ascending by seq; of sealed turns only. */
  readonly chunks: readonly HistoryChunk[];
  /** The seq of the last chunk here, or the requested `sinceSeq` when there is none. */
  readonly latestSeq: number;
}

/** A piece of a turn in flight. It has no seq yet. */
export interface Entry {
  readonly role: Role;
  readonly chunk: Chunk;
  /** Of a tool call: what the tool has written so far. */
  readonly output?: string;
}

/** A turn in flight. */
export interface LiveTurn {
  readonly turnId: string;
  readonly entries: readonly Entry[];
  /** Generation is over. */
  readonly isDone: boolean;
  /** It is in the history by now. */
  readonly isSealed: boolean;
}

/** A conversation: what is written, and what is being said. Together they are everything, each thing once. */
export interface Transcript {
  readonly chunks: readonly HistoryChunk[];
  readonly live: LiveTurn | null;
  /** Up to where the history was read. */
  readonly latestSeq: number;
  /** Whether there may be more history, after `latestSeq`. */
  readonly isStale: boolean;
}

export const EMPTY: Transcript = { chunks: [], live: null, latestSeq: 0, isStale: true };

/** The transcript after an event. One that is stale is to be brought up to date with `withHistory`. */
export function reduce(transcript: Transcript, event: ConversationEvent): Transcript {
  switch (event.type) {
    case "gap":
    case "turn-sealed":
      return { ...transcript, live: transcript.live && { ...transcript.live, isSealed: true }, isStale: true };
    case "conversation.compacted":
      // The seqs begin anew.
      return { ...EMPTY, live: transcript.live };
    case "conversation.deleted":
      return EMPTY;
    case "status":
    case "provider-retry":
    case "tool-start":
    case "usage":
      return transcript;
    default: {
      const { live } = transcript;
      const isSame = live?.turnId === event.turnId;
      const turn = isSame ? live : { turnId: event.turnId, entries: [], isDone: false, isSealed: false };
      return { ...transcript, live: grown(turn, event) };
    }
  }
}

/**
 * The transcript with the history that was read after its `latestSeq`; or after `latestSeq - 1`, which shows whether the
 * conversation was compacted and nobody could say so: then the transcript begins anew, and is still stale.
 */
export function withHistory(transcript: Transcript, { chunks, latestSeq }: History): Transcript {
  const { live, latestSeq: known } = transcript;
  const again = chunks.find(({ seq }) => seq === known);
  if (latestSeq < known || (again && told(again) !== told(transcript.chunks.at(-1)))) return { ...EMPTY, live };
  return {
    chunks: [...transcript.chunks, ...chunks.filter(({ seq }) => seq > known)],
    live: live?.isSealed ? null : live,
    latestSeq,
    isStale: false,
  };
}

function told(chunk: HistoryChunk | undefined): string {
  return JSON.stringify([chunk?.turnId, chunk?.chunk]);
}

/** The transcript with a page of history that comes before what it has. */
export function withOlder(transcript: Transcript, { chunks }: History): Transcript {
  const first = transcript.chunks[0]?.seq ?? Infinity;
  return { ...transcript, chunks: [...chunks.filter(({ seq }) => seq < first), ...transcript.chunks] };
}

type Told = Exclude<
  ConversationEvent,
  { type: "gap" | "turn-sealed" | "status" | "provider-retry" | "tool-start" | "usage" | `conversation.${string}` }
>;

function grown(turn: LiveTurn, event: Told): LiveTurn {
  const { entries } = turn;
  const plus = (entry: Entry): LiveTurn => ({ ...turn, entries: [...entries, entry] });
  switch (event.type) {
    case "turn-start":
    case "step-complete":
      return turn;
    case "user-message":
    case "steering":
      return plus({ role: "user", chunk: { type: "text", text: event.text } });
    case "text-delta":
    case "reasoning-delta": {
      const type: "text" | "thinking" = event.type === "text-delta" ? "text" : "thinking";
      const role = "assistant";
      const last = entries.at(-1);
      if (last?.role !== role || last.chunk.type !== type) return plus({ role, chunk: { type, text: event.delta } });
      const chunk = { type, text: last.chunk.text + event.delta };
      return { ...turn, entries: [...entries.slice(0, -1), { role, chunk }] };
    }
    case "tool-output": {
      const isIt = ({ chunk }: Entry) => chunk.type === "tool-call" && chunk.toolCallId === event.toolCallId;
      const grow = (entry: Entry) => (isIt(entry) ? { ...entry, output: (entry.output ?? "") + event.data } : entry);
      return { ...turn, entries: entries.map(grow) };
    }
    case "tool-call":
    case "tool-result":
    case "error": {
      const { conversationId, turnId, eventSeq, attempt, ...chunk } = event;
      return plus({ role: chunk.type === "tool-result" ? "tool" : "assistant", chunk });
    }
    case "done":
      return { ...turn, isDone: true };
  }
}
