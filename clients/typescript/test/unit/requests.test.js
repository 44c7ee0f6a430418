// What is asked again when the server has taken a request and its answer was lost.

import assert from "node:assert/strict";
import test from "node:test";
import { createClient } from "../../dist/client.js";

/** A client of a server whose first answer is lost, and what it was asked. */
function forgetful() {
  const asked = [];
  const client = createClient({
    WebSocket: null,
    fetch: async (url, { method, body }) => {
      asked.push([method, new URL(url).pathname, body]);
      if (asked.length === 1) throw new TypeError("fetch failed");
      return Response.json({ models: [], queue: [] });
    },
  });
  return { client, asked };
}

const twice = {
  "what reads": ({ conversations }) => conversations.queued("c"),
  "a message with an id": ({ conversations }) => conversations.queue("c", "text"),
};
for (const [name, call] of Object.entries(twice)) {
  test(`${name} is asked again, and is the same`, async () => {
    const { client, asked } = forgetful();
    await call(client);
    assert.equal(asked.length, 2);
    assert.deepEqual(asked[0], asked[1]);
  });
}

const once = {
  "a stop, which could end the next turn": ({ conversations }) => conversations.stop("c"),
  "a close": ({ conversations }) => conversations.close("c"),
  "a deletion, whose second answer is another": ({ conversations }) => conversations.delete("c"),
  "taking a message back": ({ conversations }) => conversations.cancelQueued("c", "m"),
  "a compaction": ({ conversations }) => conversations.compact("c"),
  "a token, of which there would be two": ({ tokens }) => tokens.create(),
};
for (const [name, call] of Object.entries(once)) {
  test(`${name} is not asked again`, async () => {
    const { client, asked } = forgetful();
    await assert.rejects(call(client), { code: "unreachable" });
    assert.equal(asked.length, 1);
  });
}
