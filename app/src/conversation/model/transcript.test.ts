import type { ConversationEvent } from "@dispatch/client";
import { describe, expect, test } from "vitest";
import { turnsOf } from "./history.js";
import type { Logged } from "./history.js";
import type { Item, Turn } from "./items.js";
import { Random } from "./testing/random.js";
import { type MadeTurn, conversationId, plain, turn } from "./testing/turns.js";
import {
  type Asked,
  EMPTY,
  type Page,
  type State,
  asked,
  hasOlder,
  isStale,
  since,
  withEvents,
  withHistory,
  withOlder,
} from "./transcript.js";

const SEEDS = Array.from({ length: 300 }, (_, seed) => seed);

/** Several turns after one another. */
function turnsFor(random: Random, count: number): readonly MadeTurn[] {
  const made: MadeTurn[] = [];
  let seq = 1;
  for (let index = 0; index < count; index += 1) {
    const next = turn(random, `turn-${index}`, seq);
    made.push(next);
    seq += next.chunks.length;
  }
  return made;
}

/** What is seen of items: all but what they are called, and who sent them. */
function seen(items: readonly Item[], { seqs = true } = {}): unknown {
  return items.map((item) => {
    const { id: _, seq, ...rest } = item;
    const shown = rest.kind === "said" ? { ...rest, messageIds: [] } : rest;
    return seqs ? { seq, ...shown } : shown;
  });
}

function read(chunks: readonly Logged[], sinceSeq: number): Page {
  const page = chunks.filter(({ seq }) => seq > sinceSeq);
  return { chunks: page, latestSeq: page.at(-1)?.seq ?? sinceSeq };
}

function caughtUp(state: State, chunks: readonly Logged[]): State {
  return withHistory(state, read(chunks, since(state)), asked(state));
}

/** In batches as frames make them. */
function heard(state: State, events: readonly ConversationEvent[], random: Random): State {
  let next = state;
  for (let at = 0; at < events.length; ) {
    const count = 1 + random.below(12);
    next = withEvents(next, events.slice(at, at + count), 1_000);
    at += count;
  }
  return next;
}

const texts = (items: readonly Item[]) => items.map((item) => ("text" in item ? item.text : item.kind));

describe("a turn", () => {
  test.each(SEEDS)("looks the same when it was heard and when it was read (seed %i)", (seed) => {
    const random = new Random(seed);
    const made = turn(random, "turn-0", 1);
    const written = turnsOf(made.chunks)[0]!;

    const start = caughtUp(EMPTY, []);
    const upToDone = heard(start, made.events.slice(0, -1), random);
    expect(seen(upToDone.live[0]!.items, { seqs: false })).toEqual(seen(written.items, { seqs: false }));
    expect(upToDone.live[0]!.state).toBe("done");

    const sealed = withEvents(upToDone, made.events.slice(-1), 1_000);
    const after = caughtUp(sealed, made.chunks);
    expect(after.live).toEqual([]);
    expect(seen(after.turns[0]!.items)).toEqual(seen(written.items));
    // What was seen keeps its name, so that nothing on the screen is made anew.
    expect(after.turns[0]!.items.map(({ id }) => id)).toEqual(upToDone.live[0]!.items.map(({ id }) => id));
  });

  test.each(SEEDS.slice(0, 100))("is the same however its events come in frames (seed %i)", (seed) => {
    const made = turn(new Random(seed), "turn-0", 1);
    const atOnce = withEvents(EMPTY, made.events, 1_000);
    const oneByOne = made.events.reduce((state, event) => withEvents(state, [event], 1_000), EMPTY);
    expect(oneByOne.live).toEqual(atOnce.live);
  });

  test.each(SEEDS.slice(0, 100))("is the same without what only newer servers say (seed %i)", (seed) => {
    const random = new Random(seed);
    const made = turnsFor(random, 3);
    const chunks = made.flatMap((each) => each.chunks);
    const old = turnsOf(plain(chunks));
    expect(old.flatMap(({ items }) => texts(items))).toEqual(turnsOf(chunks).flatMap(({ items }) => texts(items)));
  });

  test("says of its steps and its end what its events said", () => {
    const made = turn(new Random(7), "turn-0", 1);
    const { told } = withEvents(EMPTY, made.events, 1_000).live[0]!;
    const steps = made.events.filter(({ type }) => type === "step-complete").length;
    expect(told?.steps).toHaveLength(steps);
    expect(told?.steps[0]).toEqual({
      stepId: "turn-0#0",
      usage: { inputTokens: 3, outputTokens: 2 },
      genTotalMs: 4,
      ttftMs: 1,
      decodeMs: 3,
    });
    expect(told?.end).toMatchObject({ turnId: "turn-0", durationMs: 5, contextSize: 5 });
  });
});

describe("a conversation", () => {
  test.each(SEEDS)("is complete and has nothing twice, whenever it is read (seed %i)", (seed) => {
    const random = new Random(seed);
    const made = turnsFor(random, 1 + random.below(5));
    const all = made.flatMap(({ chunks }) => chunks);
    let visible: readonly Logged[] = [];
    let state = EMPTY;
    let reading: { page: Page; ask: Asked } | undefined;
    const step = () => {
      if (reading && random.chance(0.4)) {
        state = withHistory(state, reading.page, reading.ask);
        reading = undefined;
      } else if (!reading && isStale(state) && random.chance(0.6)) {
        const ask = asked(state);
        reading = { page: read(visible, since(state)), ask };
      }
      const ids = [...state.turns, ...state.live].map(({ turnId }) => turnId);
      expect(new Set(ids).size).toBe(ids.length);
    };
    for (const { events, chunks } of made) {
      for (const event of events) {
        // Sealed is what can be read.
        if (event.type === "turn-sealed") visible = [...visible, ...chunks];
        state = withEvents(state, [event], 1_000);
        step();
      }
    }
    while (reading || isStale(state)) step();
    expect(state.live).toEqual([]);
    expect(state.turns.map(({ items }) => seen(items))).toEqual(turnsOf(all).map(({ items }) => seen(items)));
  });

  test.each(SEEDS.slice(0, 100))("is complete after gaps, and after a turn that is heard twice (seed %i)", (seed) => {
    const random = new Random(seed);
    const made = turnsFor(random, 4);
    let visible: readonly Logged[] = [];
    let state = caughtUp(EMPTY, visible);
    for (const { events, chunks } of made) {
      const lost = random.chance(0.5) ? random.below(events.length) : events.length;
      state = heard(state, events.slice(0, lost), random);
      visible = [...visible, ...chunks];
      if (lost < events.length) state = withEvents(state, [{ type: "gap", conversationId }], 1_000);
      state = caughtUp(state, visible);
      // What comes late, or again, says nothing new.
      if (random.chance(0.5)) state = caughtUp(heard(state, events, random), visible);
    }
    expect(state.live).toEqual([]);
    expect(isStale(state)).toBe(false);
    expect(state.turns.map(({ items }) => seen(items))).toEqual(turnsOf(visible).map(({ items }) => seen(items)));
  });

  test.each(SEEDS.slice(0, 100))("is the same read in pages and at once (seed %i)", (seed) => {
    const random = new Random(seed);
    const all = turnsFor(random, 6).flatMap(({ chunks }) => chunks);
    const newest = all.slice(-1 - random.below(10));
    let state = withHistory(EMPTY, { chunks: newest, latestSeq: newest.at(-1)!.seq }, asked(EMPTY));
    while (hasOlder(state)) {
      const before = state.chunks[0]!.seq;
      const page = all.filter(({ seq }) => seq < before).slice(-1 - random.below(10));
      state = withOlder(state, { chunks: page }, asked(state));
    }
    expect(state.turns.map(({ items }) => seen(items))).toEqual(turnsOf(all).map(({ items }) => seen(items)));
  });

  test("that was compacted begins anew, with what is being said", () => {
    const random = new Random(3);
    const [first, second] = turnsFor(random, 2) as [MadeTurn, MadeTurn];
    const before = withEvents(caughtUp(EMPTY, first.chunks), second.events.slice(0, 3), 1_000);
    const ask = asked(before);
    const compacted = withEvents(
      before,
      [{ type: "conversation.compacted", conversationId, newConversationId: "a", messagesSummarized: 1, messagesKept: 0 }],
      1_000,
    );
    expect(compacted.turns).toEqual([]);
    expect(compacted.live).toEqual(before.live);
    // What was asked of the old log is of no use.
    expect(withHistory(compacted, read(first.chunks, 0), ask)).toBe(compacted);
    const summary: Logged = { seq: 1, role: "system", chunk: { type: "text", text: "They spoke." } };
    expect(caughtUp(compacted, [summary]).turns[0]!.items).toMatchObject([{ kind: "note", text: "They spoke." }]);
  });

  test.each(SEEDS.slice(0, 100))("that was compacted while nobody listened is read anew (seed %i)", (seed) => {
    const random = new Random(seed);
    const made = turnsFor(random, 6);
    const all = made.flatMap(({ chunks }) => chunks);
    const before = caughtUp(EMPTY, all.slice(0, made[0]!.chunks.length + made[1]!.chunks.length));
    // The summary takes the place of all but the last turns, whose seqs begin anew.
    const kept = made.slice(1 + random.below(5)).flatMap(({ chunks }) => chunks);
    const summary: Logged = { seq: 1, role: "system", chunk: { type: "text", text: "They spoke." } };
    const log = [summary, ...kept.map((chunk, index) => ({ ...chunk, seq: index + 2 }))];
    const away = withEvents(before, [{ type: "gap", conversationId }], 1_000);
    const first = caughtUp(away, log);
    expect(isStale(first)).toBe(true);
    const second = caughtUp(first, log);
    expect(isStale(second)).toBe(false);
    expect(second.generation).toBe(1);
    expect(second.turns.map(({ items }) => seen(items))).toEqual(turnsOf(log).map(({ items }) => seen(items)));
  });

  test("that was deleted is empty, and begins again with another message", () => {
    const [first, second] = turnsFor(new Random(4), 2) as [MadeTurn, MadeTurn];
    const deleted = withEvents(caughtUp(EMPTY, first.chunks), [{ type: "conversation.deleted", conversationId }], 0);
    expect(deleted).toMatchObject({ isDeleted: true, turns: [], live: [] });
    expect(isStale(deleted)).toBe(false);
    expect(withEvents(deleted, second.events, 0)).toMatchObject({ isDeleted: false, live: [{ id: second.turnId }] });
  });

  test("gives turns that have not changed as the same objects", () => {
    const made = turnsFor(new Random(5), 4);
    const all = made.flatMap(({ chunks }) => chunks);
    const three = caughtUp(EMPTY, made.slice(0, 3).flatMap(({ chunks }) => chunks));
    const four = caughtUp({ ...three, due: three.due + 1 }, all);
    expect(four.turns).toHaveLength(4);
    for (const [index, turn] of three.turns.entries()) expect(four.turns[index]).toBe(turn);
  });
});

describe("what is going on", () => {
  const ids = { conversationId, turnId: "t" };
  const begin: ConversationEvent[] = [
    { type: "user-message", ...ids, text: "go" },
    { type: "turn-start", ...ids },
  ];
  const items = (events: ConversationEvent[]): readonly Item[] =>
    (withEvents(EMPTY, [...begin, ...events], 1_000).live[0] as Turn).items;

  test("a retry is there until something else is heard", () => {
    const retry: ConversationEvent = { type: "provider-retry", ...ids, attempt: 2, delayMs: 500, message: "busy" };
    expect(items([retry])).toMatchObject([{}, { kind: "retry", attempt: 2, until: 1_500 }]);
    expect(items([retry, { type: "text-delta", ...ids, delta: "hi" }])).toMatchObject([{}, { kind: "text", step: 0 }]);
    expect(items([retry, { ...retry, attempt: 3 }])).toMatchObject([{}, { kind: "retry", attempt: 3 }]);
  });

  test("thinking goes on until the answer begins, and a call until its result comes", () => {
    const think: ConversationEvent = { type: "reasoning-delta", ...ids, delta: "hm" };
    expect(items([think])).toMatchObject([{}, { kind: "thinking", since: 1_000 }]);
    const answered = items([think, { type: "text-delta", ...ids, delta: "hi" }]);
    expect(answered[1]).toMatchObject({ kind: "thinking", since: undefined });

    const call = { toolCallId: "x", toolName: "run_shell", stepId: "t#0" as never };
    const called: ConversationEvent = { type: "tool-call", ...ids, ...call, input: {} };
    const output: ConversationEvent = { type: "tool-output", ...ids, toolCallId: "x", data: "a\r\nb", stream: "stdout" };
    expect(items([called, output])[1]).toMatchObject({
      calls: [{ output: "a\nb", since: 1_000, isStarted: true, result: undefined }],
    });
    expect(items([called])[1]).toMatchObject({ calls: [{ since: 1_000, isStarted: false }] });
    const started: ConversationEvent = { type: "tool-start", ...ids, toolCallId: "x", startedAt: 400 };
    expect(items([called, started])[1]).toMatchObject({ calls: [{ since: 400, isStarted: true }] });
    expect(items([called, { ...started, startedAt: 1_200 }])[1]).toMatchObject({ calls: [{ since: 1_000 }] });

    const done: ConversationEvent = { type: "done", ...ids, reason: "aborted" };
    expect(items([called, done, started])[1]).toMatchObject({ calls: [{ since: undefined }] });
    expect(items([called, output, done])[1]).toMatchObject({ calls: [{ since: undefined }] });
  });

  test("a message has its images at once", () => {
    const images = [{ url: "/images/c/1.png", mimeType: "image/png" }];
    const message: ConversationEvent = { type: "user-message", ...ids, text: "look", images };
    expect(withEvents(EMPTY, [message], 0).live[0]?.items).toMatchObject([{ kind: "said", text: "look", images }]);
  });

  test("calls of a step are one batch, and those of the next another one", () => {
    const call = (toolCallId: string, step: number): ConversationEvent => {
      return { type: "tool-call", ...ids, toolCallId, toolName: "read_file", stepId: `t#${step}` as never, input: {} };
    };
    const result = (toolCallId: string): ConversationEvent => {
      const stepId = "t#0" as never;
      return { type: "tool-result", ...ids, toolCallId, toolName: "read_file", stepId, content: "", isError: false };
    };
    const text: ConversationEvent = { type: "text-delta", ...ids, delta: "and" };
    const all = items([call("a", 0), text, call("b", 0), result("a"), result("b"), call("c", 1)]);
    expect(all).toMatchObject([
      { kind: "said" },
      { kind: "batch", step: 0, calls: [{ id: "a" }, { id: "b" }] },
      { kind: "text", step: 0 },
      { kind: "batch", step: 1, calls: [{ id: "c" }] },
    ]);
  });
});
