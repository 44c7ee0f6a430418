// A conversation as it is to be shown, from its history and its events. Nothing here asks a server.

import type { ConversationEvent, StepMetrics } from "@dispatch/client";
import { Draft } from "./draft.js";
import { type Logged, adopted, turnsOf } from "./history.js";
import type { Metrics, Told, Turn } from "./items.js";

export interface State {
  /** What was read, ascending and without a gap. */
  readonly chunks: readonly Logged[];
  /** The turns of it. */
  readonly turns: readonly Turn[];
  /** Turns that were heard and not read yet: at most one goes on. */
  readonly live: readonly Turn[];
  /** Up to where the history was read. */
  readonly latestSeq: number;
  /** How often something happened after which there may be more history, and how many of those a read has answered. */
  readonly due: number;
  readonly answered: number;
  /** How often the log was replaced: what was asked of an older one is of no use. */
  readonly generation: number;
  readonly isDeleted: boolean;
}

export const EMPTY: State = {
  chunks: [],
  turns: [],
  live: [],
  latestSeq: 0,
  due: 1,
  answered: 0,
  generation: 0,
  isDeleted: false,
};

/** What was read: ascending, up to `latestSeq`. */
export interface Page {
  readonly chunks: readonly Logged[];
  readonly latestSeq: number;
}

/** What a history will be the answer to that is asked for now. */
export interface Asked {
  readonly due: number;
  readonly generation: number;
  /** The turns that it will have. */
  readonly sealed: ReadonlySet<string>;
}

export function asked({ due, generation, live }: State): Asked {
  return { due, generation, sealed: new Set(live.filter(({ state }) => state === "sealed").map(({ id }) => id)) };
}

/** Whether there may be more history, after `latestSeq`. */
export function isStale({ due, answered }: State): boolean {
  return answered < due;
}

/**
 * After which seq the history is to be read next. What was read last is read again: another log can have taken the place of
 * the one that is known, and not everybody hears of it.
 */
export function since({ latestSeq }: State): number {
  return Math.max(0, latestSeq - 1);
}

/** With the history after `since`. */
export function withHistory(state: State, page: Page, asked: Asked): State {
  if (asked.generation !== state.generation) return state;
  const last = state.chunks.at(-1);
  if (last && !isSame(last, page.chunks[0])) return replaced(state);
  const fresh = page.chunks.filter(({ seq }) => seq > state.latestSeq);
  const chunks = [...state.chunks, ...fresh];
  const known = new Set(state.turns);
  const heard = new Map(state.live.map((turn) => [turn.id, turn]));
  const turns = turnsOf(chunks, state.turns).map((turn) => {
    const live = known.has(turn) || turn.turnId === undefined ? undefined : heard.get(turn.turnId);
    return live ? adopted(turn, live) : turn;
  });
  const read = new Set(turns.map(({ turnId }) => turnId));
  const live = state.live.filter(({ id }) => !asked.sealed.has(id) && !read.has(id));
  const latestSeq = Math.max(state.latestSeq, page.latestSeq);
  return { ...state, chunks, turns, live, latestSeq, answered: Math.max(state.answered, asked.due) };
}

/** With a page of history that comes before what it has. */
export function withOlder(state: State, page: Pick<Page, "chunks">, asked: Asked): State {
  if (asked.generation !== state.generation) return state;
  const first = state.chunks[0]?.seq ?? Infinity;
  const chunks = [...page.chunks.filter(({ seq }) => seq < first), ...state.chunks];
  return { ...state, chunks, turns: turnsOf(chunks, state.turns) };
}

/** Whether there is history before what was read. */
export function hasOlder({ chunks }: State): boolean {
  return (chunks[0]?.seq ?? 1) > 1;
}

/** After events, in their order, that were heard at that time by the clock of the server. */
export function withEvents(state: State, events: readonly ConversationEvent[], now: number): State {
  let next = state;
  for (let index = 0; index < events.length; ) {
    const event = events[index]!;
    if (!isOfTurn(event)) {
      next = reduce(next, event);
      index += 1;
      continue;
    }
    // Those of a turn together: items are copied once, not for each event.
    let end = index + 1;
    while (end < events.length && isOfTurn(events[end]!) && turnOf(events[end]!) === event.turnId) end += 1;
    next = told(next, event.turnId, events.slice(index, end) as OfTurn[], now);
    index = end;
  }
  return next;
}

type Unplaced = "gap" | "turn-sealed" | "status" | `conversation.${string}`;
type OfTurn = Exclude<ConversationEvent, { type: Unplaced }>;

function isOfTurn(event: ConversationEvent): event is OfTurn {
  return !/^(gap|turn-sealed|status)$|^conversation\./.test(event.type);
}

function turnOf(event: ConversationEvent): string | undefined {
  return "turnId" in event ? event.turnId : undefined;
}

function reduce(state: State, event: Exclude<ConversationEvent, OfTurn>): State {
  switch (event.type) {
    case "gap":
      return { ...state, live: state.live.map(over), due: state.due + 1 };
    case "turn-sealed": {
      const live = state.live.map((turn) => (turn.id === event.turnId ? over(turn) : turn));
      return { ...state, live, due: state.due + 1 };
    }
    case "conversation.compacted":
      return replaced(state);
    case "conversation.deleted":
      return { ...EMPTY, answered: EMPTY.due, generation: state.generation + 1, isDeleted: true };
    case "status":
      return state;
  }
}

/** Its log is another one, whose seqs begin anew. */
function replaced({ live, generation }: State): State {
  return { ...EMPTY, live, generation: generation + 1 };
}

function isSame(known: Logged, read: Logged | undefined): boolean {
  if (read?.seq !== known.seq || read.role !== known.role || read.turnId !== known.turnId) return false;
  return JSON.stringify(read.chunk) === JSON.stringify(known.chunk);
}

function over(turn: Turn): Turn {
  if (turn.state === "sealed") return turn;
  const draft = drafted(turn);
  draft.end();
  return { ...turn, items: draft.items, state: "sealed" };
}

function told(state: State, turnId: string, events: readonly OfTurn[], now: number): State {
  // One that was read has been sealed: what is heard of it was on its way.
  if (state.turns.some((turn) => turn.turnId === turnId)) return state;
  const known = state.live.find(({ id }) => id === turnId) ?? begun(turnId);
  const draft = drafted(known);
  let next: Turn = known;
  for (const event of events) {
    say(draft, event, now);
    next = noted(next, event);
  }
  next = { ...next, items: draft.items };
  // The server runs one turn at a time: another one means that those before are over.
  const others = state.live.filter(({ id }) => id !== turnId);
  const due = others.some(({ state }) => state !== "sealed") ? state.due + 1 : state.due;
  return { ...state, live: [...others.map(over), next], due, isDeleted: false };
}

function begun(turnId: string): Turn {
  const told: Told = { steps: [], end: undefined };
  return { id: turnId, turnId, items: [], firstSeq: undefined, lastSeq: undefined, state: "running", told };
}

function drafted({ id, items }: Turn): Draft {
  return new Draft(items, (_, ordinal) => `${id}/${ordinal}`);
}

function say(draft: Draft, event: OfTurn, now: number): void {
  switch (event.type) {
    case "user-message":
    case "steering": {
      const { text, images = [], clientMessageId, clientMessageIds = clientMessageId ? [clientMessageId] : [] } = event;
      return draft.said(undefined, text, event.type === "steering", { images, messageIds: clientMessageIds });
    }
    case "text-delta":
      return draft.grow("text", undefined, event.delta, now);
    case "reasoning-delta":
      return draft.grow("thinking", undefined, event.delta, now);
    case "tool-call": {
      const { toolCallId: id, toolName: name, input, stepId } = event;
      return draft.call(undefined, stepId, { id, name, input, since: now });
    }
    case "tool-start":
      // The clocks of two machines are never quite the same.
      return draft.started(event.toolCallId, Math.min(now, event.startedAt));
    case "tool-output":
      return draft.output(event.toolCallId, event.data);
    case "tool-result": {
      const { toolCallId: id, toolName: name, content, isError, stepId, durationMs } = event;
      return draft.result(undefined, stepId, { id, name, content, isError }, durationMs);
    }
    case "error":
      return draft.failure(undefined, event.message, event.code);
    case "provider-retry":
      return draft.retry(event.attempt, now + event.delayMs, event.message);
    case "done":
      return draft.end();
    case "turn-start":
    case "usage":
    case "step-complete":
      return;
  }
}

/** What it says of tokens and time. */
function noted(turn: Turn, event: OfTurn): Turn {
  const { steps, end } = turn.told ?? { steps: [], end: undefined };
  switch (event.type) {
    case "usage": {
      const stepId = event.stepId;
      return stepId ? { ...turn, told: { steps: withStep(steps, { stepId, usage: event.usage }), end } } : turn;
    }
    case "step-complete": {
      const { stepId, ttftMs, decodeMs, genTotalMs } = event;
      const times = Object.fromEntries(
        Object.entries({ ttftMs, decodeMs, genTotalMs }).filter(([, value]) => value !== undefined),
      );
      return { ...turn, told: { steps: withStep(steps, { stepId, ...times }), end } };
    }
    case "done": {
      const { reason, durationMs, contextSize, usage } = event;
      const metrics: Metrics = {
        turnId: event.turnId,
        reason,
        steps,
        usage: usage ?? { inputTokens: 0, outputTokens: 0 },
        ...(durationMs !== undefined && { durationMs }),
        ...(contextSize !== undefined && { contextSize }),
      };
      return { ...turn, state: "done", told: { steps, end: metrics } };
    }
    default:
      return turn;
  }
}

function withStep(
  steps: readonly StepMetrics[],
  more: Pick<StepMetrics, "stepId"> & Partial<StepMetrics>,
): readonly StepMetrics[] {
  const known = steps.find(({ stepId }) => stepId === more.stepId);
  const step = { usage: { inputTokens: 0, outputTokens: 0 }, ...known, ...more };
  return known ? steps.map((other) => (other === known ? step : other)) : [...steps, step];
}
