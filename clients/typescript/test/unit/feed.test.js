import assert from "node:assert/strict";
import test from "node:test";
import { Feed } from "../../dist/conversations/feed.js";

const GAP = { type: "gap", conversationId: "tour" };
const EVENT = { type: "turn-start", conversationId: "tour", turnId: "t1", eventSeq: 2 };

/** What is there to be heard, of someone who reads the history beside it and of someone who does not. */
function watched(work) {
  const feed = new Feed("tour");
  const streams = [true, false].map((reads) => feed.join(reads, () => {}));
  work(feed);
  feed.fail(undefined);
  const all = async (stream) => {
    const heard = [];
    for (;;) {
      const next = await stream.next().catch(() => ({ done: true }));
      if (next.done) return heard;
      heard.push(next.value);
    }
  };
  return Promise.all(streams.map(all));
}

test("a history that was read before anything was heard may be old", async () => {
  assert.deepEqual(await watched((feed) => feed.opened()), [[GAP], []]);
});

test("who could not be connected at first has missed what was then", async () => {
  const heard = await watched((feed) => {
    feed.wasLost = true;
    feed.opened();
  });
  assert.deepEqual(heard, [[GAP], [GAP]]);
});

test("a line that is made anew goes on where it was", async () => {
  const heard = await watched((feed) => {
    feed.opened();
    feed.take(EVENT);
    feed.wasLost = true;
    feed.opened();
    assert.deepEqual(feed.position, { turnId: "t1", eventSeq: 2 });
  });
  assert.deepEqual(heard, [[GAP, EVENT], [EVENT]]);
});
