import assert from "node:assert/strict";
import test from "node:test";
import { EMPTY_TRANSCRIPT, reduce, withHistory, withOlder } from "../../dist/client.js";

const conversationId = "tour";

/** Events of a turn, numbered. */
function turn(turnId, ...events) {
  return events.map((event, index) => ({ conversationId, turnId, eventSeq: index + 1, ...event }));
}

const TURN = turn(
  "t1",
  { type: "user-message", text: "go", clientMessageId: "m1" },
  { type: "turn-start" },
  { type: "reasoning-delta", delta: "let me " },
  { type: "reasoning-delta", delta: "see" },
  { type: "text-delta", delta: "I " },
  { type: "text-delta", delta: "run it" },
  { type: "tool-call", stepId: "s1", toolCallId: "c1", toolName: "run_shell", input: { command: "date" } },
  { type: "tool-start", toolCallId: "c1", startedAt: 7 },
  { type: "tool-output", toolCallId: "c1", data: "Sun", stream: "stdout" },
  { type: "usage", stepId: "s1", usage: { inputTokens: 1, outputTokens: 2 } },
  { type: "step-complete", stepId: "s1" },
  { type: "tool-output", toolCallId: "c1", data: "day", stream: "stdout" },
  { type: "tool-result", stepId: "s1", toolCallId: "c1", toolName: "run_shell", content: "Sunday", isError: false },
  { type: "steering", text: "be brief" },
  { type: "provider-retry", attempt: 1, delayMs: 100, message: "busy" },
  { type: "text-delta", delta: "Sunday." },
  { type: "error", message: "it broke", code: "provider-failed" },
  { type: "done", reason: "error" },
);

const ENTRIES = [
  { role: "user", chunk: { type: "text", text: "go" } },
  { role: "assistant", chunk: { type: "thinking", text: "let me see" } },
  { role: "assistant", chunk: { type: "text", text: "I run it" } },
  {
    role: "assistant",
    chunk: { type: "tool-call", stepId: "s1", toolCallId: "c1", toolName: "run_shell", input: { command: "date" } },
    output: "Sunday",
  },
  {
    role: "tool",
    chunk: {
      type: "tool-result",
      stepId: "s1",
      toolCallId: "c1",
      toolName: "run_shell",
      content: "Sunday",
      isError: false,
    },
  },
  { role: "user", chunk: { type: "text", text: "be brief" } },
  { role: "assistant", chunk: { type: "text", text: "Sunday." } },
  { role: "assistant", chunk: { type: "error", message: "it broke", code: "provider-failed" } },
];

const stored = (seq, text) => ({ seq, role: "user", chunk: { type: "text", text } });
const seal = { type: "turn-sealed", conversationId, turnId: "t1", eventSeq: 18 };

test("a turn in flight is shown as its history will be", () => {
  const read = withHistory(EMPTY_TRANSCRIPT, { chunks: [], latestSeq: 0 });
  const transcript = TURN.reduce(reduce, read);
  const live = { turnId: "t1", entries: ENTRIES, isDone: true, isSealed: false };
  assert.deepEqual(transcript, { chunks: [], live, latestSeq: 0, isStale: false });
});

test("a turn that is over is history, once it was read", () => {
  const before = withHistory(EMPTY_TRANSCRIPT, { chunks: [stored(1, "before")], latestSeq: 1 });
  const sealed = [...TURN, seal].reduce(reduce, before);
  assert.equal(sealed.isStale, true);
  assert.deepEqual(sealed.live.entries, ENTRIES, "until then it is shown as it was");
  const after = withHistory(sealed, { chunks: [stored(1, "before"), stored(2, "go")], latestSeq: 2 });
  assert.deepEqual(after, { chunks: [stored(1, "before"), stored(2, "go")], live: null, latestSeq: 2, isStale: false });
});

test("after a gap, what is live counts no more; what comes next does", () => {
  const before = withHistory(EMPTY_TRANSCRIPT, { chunks: [], latestSeq: 0 });
  const gap = [...TURN.slice(0, 5), { type: "gap", conversationId }].reduce(reduce, before);
  const read = withHistory(gap, { chunks: [stored(1, "go"), stored(2, "and more")], latestSeq: 2 });
  assert.deepEqual(read, {
    chunks: [stored(1, "go"), stored(2, "and more")],
    live: null,
    latestSeq: 2,
    isStale: false,
  });
  const next = turn("t2", { type: "user-message", text: "next" }).reduce(reduce, reduce(read, seal));
  assert.deepEqual(withHistory(next, { chunks: [], latestSeq: 2 }).live.entries, [
    { role: "user", chunk: { type: "text", text: "next" } },
  ]);
});

test("a compaction that was not heard of is known by the last chunk that was read", () => {
  const [one, two] = [stored(1, "one"), stored(2, "two")];
  const before = TURN.reduce(reduce, withHistory(EMPTY_TRANSCRIPT, { chunks: [one, two], latestSeq: 2 }));
  const anew = { ...EMPTY_TRANSCRIPT, live: before.live };
  assert.deepEqual(withHistory(before, { chunks: [], latestSeq: 1 }), anew);
  assert.deepEqual(withHistory(before, { chunks: [stored(2, "kept"), stored(3, "new")], latestSeq: 3 }), anew);
  assert.deepEqual(withHistory(before, { chunks: [{ ...two, turnId: "t9" }], latestSeq: 2 }), anew);
  assert.deepEqual(withHistory(before, { chunks: [two, stored(3, "new")], latestSeq: 3 }).chunks, [
    one,
    two,
    stored(3, "new"),
  ]);
});

test("a compaction begins the history anew, a deletion ends everything", () => {
  const before = TURN.reduce(reduce, withHistory(EMPTY_TRANSCRIPT, { chunks: [stored(7, "old")], latestSeq: 7 }));
  const compacted = reduce(before, { type: "conversation.compacted", conversationId });
  assert.deepEqual(compacted, { ...EMPTY_TRANSCRIPT, live: before.live });
  assert.deepEqual(withHistory(compacted, { chunks: [stored(1, "summary")], latestSeq: 1 }).chunks, [
    stored(1, "summary"),
  ]);
  assert.deepEqual(reduce(before, { type: "conversation.deleted", conversationId }), EMPTY_TRANSCRIPT);
});

test("older pages come before, each chunk once", () => {
  const newest = withHistory(EMPTY_TRANSCRIPT, { chunks: [stored(5, "e"), stored(6, "f")], latestSeq: 6 });
  const older = withOlder(newest, { chunks: [stored(3, "c"), stored(4, "d"), stored(5, "e")], latestSeq: 5 });
  assert.deepEqual(
    older.chunks.map(({ seq }) => seq),
    [3, 4, 5, 6],
  );
  assert.equal(older.latestSeq, 6);
});

test("nothing is changed in place", () => {
  const freeze = (value) => {
    if (value && typeof value === "object") Object.values(Object.freeze(value)).forEach(freeze);
    return value;
  };
  TURN.reduce((transcript, event) => freeze(reduce(transcript, freeze(event))), freeze({ ...EMPTY_TRANSCRIPT }));
});
