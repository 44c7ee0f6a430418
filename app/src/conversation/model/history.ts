// Turns from the log.

import type { HistoryChunk, StoredChunkExtras } from "@dispatch/client";
import { Draft } from "./draft.js";
import type { Call, Item, Turn } from "./items.js";

/** A chunk, with what newer servers say of it. */
export type Logged = HistoryChunk & StoredChunkExtras;

/**
 * The turns of chunks that follow one another. Those of `known` that have not changed are the same objects, and of those
 * that have the items keep their ids.
 */
export function turnsOf(chunks: readonly Logged[], known: readonly Turn[] = []): readonly Turn[] {
  const byFirst = new Map(known.map((turn) => [turn.firstSeq, turn]));
  const byLast = new Map(known.map((turn) => [turn.lastSeq, turn]));
  return grouped(chunks).map((group) => {
    const first = group[0]!.seq;
    const last = group.at(-1)!.seq;
    const same = byFirst.get(first);
    if (same?.lastSeq === last) return same;
    const turn = turnOf(group);
    const before = byLast.get(last);
    // A page that was read has brought its beginning.
    return before ? { ...turn, id: before.id } : turn;
  });
}

/** The turn as written, with what only those know who heard it: its ids, and how long its tools ran. */
export function adopted(written: Turn, heard: Turn): Turn {
  const items = [...written.items];
  for (const [index, item] of items.entries()) {
    const other = heard.items[index];
    if (other?.kind !== item.kind) break;
    items[index] = alike(item, other);
  }
  return { ...written, id: heard.id, items, told: heard.told };
}

function alike(item: Item, heard: Item): Item {
  if (item.kind !== "batch" || heard.kind !== "batch") return { ...item, id: heard.id };
  const times = new Map(heard.calls.map(({ id, durationMs }) => [id, durationMs]));
  const timed = (call: Call): Call => ({ ...call, durationMs: call.durationMs ?? times.get(call.id) });
  return { ...item, id: heard.id, calls: item.calls.map(timed) };
}

function grouped(chunks: readonly Logged[]): Logged[][] {
  const groups: Logged[][] = [];
  let last: Logged | undefined;
  for (const chunk of chunks) {
    if (last && !begins(chunk, last)) groups.at(-1)!.push(chunk);
    else groups.push([chunk]);
    last = chunk;
  }
  return groups;
}

/** Whether a turn begins with it. */
function begins({ role, chunk, turnId, steering }: Logged, last: Logged): boolean {
  if (turnId !== undefined || last.turnId !== undefined) return turnId !== last.turnId;
  if (role === "system" || last.role === "system") return true;
  if (role !== "user" || chunk.type === "image") return false;
  // Old servers do not say which turn a chunk is of. What follows a tool's result was most likely said into the turn.
  return !steering && last.role !== "tool";
}

function turnOf(chunks: readonly Logged[]): Turn {
  const first = chunks[0]!;
  const draft = new Draft([], (seq) => String(seq));
  for (const chunk of chunks) write(draft, chunk);
  return {
    id: first.turnId ?? String(first.seq),
    turnId: first.turnId ?? turnIn(chunks),
    items: draft.items,
    firstSeq: first.seq,
    lastSeq: chunks.at(-1)!.seq,
    state: "sealed",
    told: undefined,
  };
}

/** The turn by the name of one of its steps, where nothing else says it. */
function turnIn(chunks: readonly Logged[]): string | undefined {
  for (const { chunk } of chunks) {
    if ((chunk.type === "tool-call" || chunk.type === "tool-result") && chunk.stepId) {
      return chunk.stepId.replace(/#\d+$/, "");
    }
  }
  return undefined;
}

function write(draft: Draft, { seq, role, chunk, steering, durationMs }: Logged): void {
  switch (chunk.type) {
    case "text":
      if (role === "system") return draft.note(seq, chunk.text);
      if (role === "user") return draft.said(seq, chunk.text, steering ?? isAnswered(draft));
      return draft.grow("text", seq, chunk.text, undefined);
    case "system":
      return draft.note(seq, chunk.text);
    case "image":
      return draft.picture(seq, chunk);
    case "thinking":
      return draft.grow("thinking", seq, chunk.text, undefined);
    case "tool-call": {
      const { toolCallId: id, toolName: name, input, stepId } = chunk;
      return draft.call(seq, stepId, { id, name, input, since: undefined });
    }
    case "tool-result": {
      const { toolCallId: id, toolName: name, content, isError, stepId } = chunk;
      return draft.result(seq, stepId, { id, name, content, isError }, durationMs);
    }
    case "error":
      return draft.failure(seq, chunk.message, chunk.code);
  }
}

/** Whether more than the prompt is there. */
function isAnswered(draft: Draft): boolean {
  return draft.items.some(({ kind }) => kind !== "said");
}
