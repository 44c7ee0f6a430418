// A WebSocket that is gone without a word.

import assert from "node:assert/strict";
import test from "node:test";
import { createClient } from "../../dist/client.js";

class Deaf {
  static all = [];
  readyState = 1;
  sent = [];

  constructor() {
    Deaf.all.push(this);
    setImmediate(() => this.onopen());
  }

  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.readyState = 3;
  }
}

test("a socket that says nothing is asked, and then given up", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const client = createClient({ WebSocket: Deaf });
  const events = client.conversations.watch("tour");
  await turn();
  const [{ sent }] = Deaf.all;
  assert.deepEqual(
    sent.map(({ type }) => type),
    ["chat.subscribe"],
  );
  Deaf.all[0].onmessage({ data: '{"type":"catalog","catalog":[]}' });
  context.mock.timers.tick(19_999);
  assert.equal(sent.length, 1);
  context.mock.timers.tick(1);
  assert.deepEqual(sent.at(-1), { type: "subscribe", surfaceId: "none" });
  // Whoever answers is there.
  Deaf.all[0].onmessage({ data: '{"type":"error","surfaceId":"none","message":"Unknown surface: none"}' });
  context.mock.timers.tick(20_000);
  context.mock.timers.tick(20_000);
  assert.equal(Deaf.all[0].readyState, 3);
  await turn();
  context.mock.timers.tick(1_000);
  await turn();
  await turn();
  assert.equal(Deaf.all.length, 2);
  assert.equal(Deaf.all[1].sent[0].type, "chat.subscribe");
  await events.return();
  assert.equal(Deaf.all[1].readyState, 3);
});
