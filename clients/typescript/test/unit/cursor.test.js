import assert from "node:assert/strict";
import test from "node:test";
import { Cursor } from "../../dist/conversations/events.js";

function taken(events) {
  const cursor = new Cursor();
  return events.map(([turnId, type, eventSeq]) => {
    const { isNew, isGap } = cursor.take({
      conversationId: "c",
      turnId,
      type,
      ...(eventSeq !== undefined && { eventSeq }),
    });
    return `${isGap ? "gap " : ""}${isNew ? "new" : "old"}`;
  });
}

test("what was heard before is not heard again", () => {
  const events = [
    ["t1", "user-message", 1],
    ["t1", "text-delta", 4],
    ["t1", "text-delta", 3],
    ["t1", "text-delta", 4],
    ["t1", "text-delta", 6],
  ];
  assert.deepEqual(taken(events), ["new", "new", "old", "old", "new"]);
});

test("an end with its own number is no gap, and one without is", () => {
  assert.deepEqual(
    taken([
      ["t1", "user-message", 1],
      ["t1", "turn-sealed", 2],
    ]),
    ["new", "new"],
  );
  assert.deepEqual(
    taken([
      ["t1", "user-message", 1],
      ["t1", "turn-sealed"],
    ]),
    ["new", "gap new"],
  );
  assert.deepEqual(
    taken([
      ["t1", "user-message", 3],
      ["t1", "turn-sealed", 3],
    ]),
    ["new", "gap new"],
    "with the client's number",
  );
});

test("an end that is said again is not heard again, and what came meanwhile is missed", () => {
  assert.deepEqual(
    taken([
      ["t1", "user-message", 1],
      ["t1", "turn-sealed", 2],
      ["t1", "turn-sealed"],
    ]),
    ["new", "new", "gap old"],
  );
});

test("each turn counts anew, and what is beyond the contract has no place of its own", () => {
  const events = [
    ["t1", "text-delta", 9],
    ["t2", "user-message", 1],
    ["t2", "provider-retry", 1],
    ["t2", "text-delta", 2],
    ["t2", "tool-start", 2],
  ];
  assert.deepEqual(taken(events), ["new", "new", "new", "new", "new"]);
});
