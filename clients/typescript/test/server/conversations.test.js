// Conversations against a server, once over a WebSocket and once without any.

import assert from "node:assert/strict";
import test, { after, before, describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { DispatchError, createClient } from "../../dist/client.js";
import { Door } from "../door.js";
import { Server } from "../server.js";

const LONG = "count to 60";
const COUNTED = Array.from({ length: 60 }, (_, index) => index + 1).join(" ");

let server;
before(async () => {
  server = await Server.start();
});
after(async () => {
  await server[Symbol.asyncDispose]();
});

/** The events until a turn is over. */
async function untilSealed(events, heard = []) {
  for (;;) {
    const { done, value } = await events.next();
    if (done) return heard;
    heard.push(value);
    if (value.type === "turn-sealed") return heard;
  }
}

/** What was said, whatever pieces it came in. */
function told(events) {
  const whole = [];
  for (const { eventSeq, attempt, ...event } of events) {
    const last = whole.at(-1);
    if (event.delta !== undefined && last?.type === event.type) last.delta += event.delta;
    else whole.push({ ...event });
  }
  return whole;
}

function text(events) {
  return events.map(({ type, delta }) => (type === "text-delta" ? delta : "")).join("");
}

/** Each number once, and none missing: deltas that were merged carry the number of the last. */
function assertAscending(events) {
  const numbers = events.map(({ eventSeq }) => eventSeq);
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].sort((a, b) => a - b),
  );
}

for (const [how, options] of [
  ["over a WebSocket", {}],
  ["by server-sent events", { WebSocket: null }],
]) {
  describe(how, () => {
    test("a watcher hears a turn, and one that joins late hears the same", async () => {
      const client = createClient({ baseUrl: server.url, ...options });
      const { conversationId } = await client.conversations.send(LONG);
      const early = client.conversations.watch(conversationId);
      const first = await early.next();
      await sleep(300);
      const late = client.conversations.watch(conversationId);
      const elsewhere = createClient({ baseUrl: server.url, ...options }).conversations.watch(conversationId);
      const [one, two, three] = await Promise.all([
        untilSealed(early, [first.value]),
        untilSealed(late),
        untilSealed(elsewhere),
      ]);
      assertAscending(one);
      assert.deepEqual(
        one.map(({ type }) => type).filter((type) => type !== "text-delta"),
        ["user-message", "turn-start", "usage", "step-complete", "done", "turn-sealed"],
      );
      assert.deepEqual(two, one);
      assert.deepEqual(told(three), told(one));
      assert.ok(text(one).includes(COUNTED), text(one));
      await Promise.all([early.return(), late.return(), elsewhere.return()]);
    });

    test("a watcher whose connection is cut goes on with the next event", async () => {
      const door = await Door.to(server.port);
      const client = createClient({ baseUrl: door.url, ...options });
      const { conversationId } = await client.conversations.send(LONG);
      const [through, around] = [door.url, server.url].map((baseUrl) =>
        createClient({ baseUrl, ...options }).conversations.watch(conversationId),
      );
      const heard = [];
      for (let cuts = 0; cuts < 3;) {
        const { value } = await through.next();
        heard.push(value);
        if (text(heard).length > 40 * (cuts + 1)) {
          cuts += 1;
          door.cut();
        }
      }
      await untilSealed(through, heard);
      assertAscending(heard);
      assert.deepEqual(told(heard), told(await untilSealed(around)));
      assert.ok(!heard.some(({ type }) => type === "gap"));
      await Promise.all([through.return(), around.return()]);
      door.close();
    });

    test("a turn that ended while the connection was away leaves a gap, and the transcript has everything once", async () => {
      const door = await Door.to(server.port);
      const client = createClient({ baseUrl: door.url, ...options });
      const { conversationId } = await createClient({ baseUrl: server.url }).conversations.send(LONG);
      const events = client.conversations.watch(conversationId);
      const follower = client.conversations.follow(conversationId);
      await follower.next();
      const types = [];
      while (types.filter((type) => type === "text-delta").length < 3) types.push((await events.next()).value.type);
      door.isOpen = false;
      door.cut();
      const direct = createClient({ baseUrl: server.url }).conversations;
      await direct.last(conversationId);
      await direct.stream({ conversationId, message: "say meanwhile" }).text();
      door.isOpen = true;
      const rest = (await untilSealed(events)).map(({ type }) => type);
      assert.deepEqual(rest.slice(-2), ["gap", "turn-sealed"]);
      await direct.stream({ conversationId, message: "say afterwards" }).text();
      const after = await untilSealed(events);
      assert.equal(text(after), "afterwards");
      let transcript;
      for await (transcript of follower)
        if (!transcript.live && transcript.chunks.at(-1)?.chunk.text === "afterwards") break;
      assert.deepEqual(transcript.chunks, (await direct.history(conversationId)).chunks);
      await events.return();
      door.close();
    });

    test("what was compacted while nobody could say so is shown as it is now", async () => {
      const door = await Door.to(server.port);
      const client = createClient({ baseUrl: door.url, ...options });
      const direct = createClient({ baseUrl: server.url }).conversations;
      const conversationId = `compacted-away-${options.WebSocket === null}`;
      const turn = (text) => direct.stream({ conversationId, message: `say ${text}` }).text();
      for (let number = 0; number < 4; number += 1) await turn(`${"many words ".repeat(20)}${number}`);
      const follower = client.conversations.follow(conversationId);
      assert.equal((await follower.next()).value.chunks.length, 8);
      const hears = follower.next();
      await turn("hello");
      await hears;
      door.isOpen = false;
      door.cut();
      await direct.compact(conversationId, { keepLastN: 2 });
      door.isOpen = true;
      await turn("afterwards");
      let transcript;
      for await (transcript of follower)
        if (!transcript.live && transcript.chunks.at(-1)?.chunk.text === "afterwards") break;
      assert.deepEqual(transcript.chunks, (await direct.history(conversationId)).chunks);
      door.close();
    });

    test("whoever may not watch is told at once, and the key is not in it", async () => {
      const closed = await Server.start('[auth]\napi_keys = ["a-good-key"]\n');
      const client = createClient({ baseUrl: closed.url, apiKey: "a-wrong-key", ...options });
      await assert.rejects(client.conversations.watch("tour").next(), (error) => {
        assert.ok(error instanceof DispatchError);
        assert.equal(error.code, "unauthorized");
        assert.ok(!`${error.stack} ${JSON.stringify(error)}`.includes("a-wrong-key"));
        return true;
      });
      const good = createClient({ baseUrl: closed.url, apiKey: "a-good-key", ...options });
      const events = good.conversations.watch("tour");
      await good.conversations.send({ conversationId: "tour", message: "say hello" });
      assert.equal(text(await untilSealed(events)), "hello");
      await events.return();
      await closed[Symbol.asyncDispose]();
    });

    test("a server that is killed and started again is found again", async () => {
      const mortal = await Server.start();
      const client = createClient({ baseUrl: mortal.url, ...options });
      const events = client.conversations.watch("tour");
      await client.conversations.send({ conversationId: "tour", message: "count to 1000 slowly" });
      const heard = [];
      while (!heard.includes("text-delta")) heard.push((await events.next()).value.type);
      await mortal.kill();
      await mortal.run();
      const rest = (await untilSealed(events)).map(({ type }) => type);
      assert.deepEqual(rest.slice(-2), ["gap", "turn-sealed"]);
      await client.conversations.send({ conversationId: "tour", message: "say hello" });
      assert.equal(text(await untilSealed(events)), "hello");
      await events.return();
      await mortal[Symbol.asyncDispose]();
    });

    test("a watcher gives up when its time is over", async () => {
      const client = createClient({ baseUrl: "http://127.0.0.1:9", reconnectFor: 300, ...options });
      await assert.rejects(client.conversations.watch("tour").next(), { code: "unreachable" });
    });

    test("conversations are told apart, however many are watched", async () => {
      const door = await Door.to(server.port);
      const client = createClient({ baseUrl: door.url, ...options });
      const ids = ["apart-1", "apart-2", "apart-3"];
      const watched = ids.map((id) => client.conversations.watch(id));
      await sleep(200);
      if (options.WebSocket === undefined) assert.equal(door.visits, 1, "they share a socket");
      const direct = createClient({ baseUrl: server.url }).conversations;
      await Promise.all(ids.map((conversationId) => direct.send({ conversationId, message: `say ${conversationId}` })));
      const heard = await Promise.all(watched.map((events) => untilSealed(events)));
      assert.deepEqual(heard.map(text), ids);
      await Promise.all(watched.map((events) => events.return()));
      door.close();
    });

    test("leaving ends it, by the iterator or by a signal", async () => {
      const client = createClient({ baseUrl: server.url, ...options });
      const controller = new AbortController();
      const events = client.conversations.watch("tour", { signal: controller.signal });
      const next = events.next();
      controller.abort();
      assert.deepEqual(await next, { done: true, value: undefined });
      assert.deepEqual(await events.next(), { done: true, value: undefined });
    });
  });
}

describe("messages", () => {
  let client;
  let conversations;
  before(() => {
    client = createClient({ baseUrl: server.url });
    ({ conversations } = client);
  });

  test("a message is sent and its turn streamed", async () => {
    const turn = conversations.stream({ message: "say hello there" });
    const heard = [];
    for await (const event of turn) heard.push(event);
    assertAscending(heard);
    assert.equal(heard[0].type, "user-message");
    assert.equal(heard[0].clientMessageId, turn.clientMessageId);
    assert.equal(heard.at(-1).type, "turn-sealed");
    assert.equal(text(heard), "hello there");
    assert.equal((await conversations.last(turn.conversationId)).content, "hello there");
  });

  test("a stream that is cut goes on with the next event", async () => {
    const door = await Door.to(server.port);
    const turn = createClient({ baseUrl: door.url }).conversations.stream(LONG);
    const heard = [];
    let cuts = 0;
    for await (const event of turn) {
      heard.push(event);
      if (cuts < 3 && text(heard).length > 40 * (cuts + 1)) {
        cuts += 1;
        door.cut();
      }
    }
    assert.equal(cuts, 3);
    assertAscending(heard);
    assert.ok(text(heard).includes(COUNTED), text(heard));
    assert.equal(
      (await conversations.history(turn.conversationId)).chunks.filter(({ role }) => role === "user").length,
      1,
    );
    door.close();
  });

  test("a stream whose turn ended meanwhile says so, and its text is whole", async () => {
    const door = await Door.to(server.port);
    const turn = createClient({ baseUrl: door.url }).conversations.stream(LONG);
    const types = [];
    const whole = turn.text();
    for await (const { type } of turn) {
      types.push(type);
      if (door.isOpen && types.length === 8) {
        door.isOpen = false;
        door.cut();
        conversations.last(turn.conversationId).then(() => (door.isOpen = true));
      }
    }
    assert.deepEqual(types.slice(-2), ["gap", "turn-sealed"]);
    assert.ok((await whole).includes(COUNTED));
    door.close();
  });

  test("a message that is sent twice is taken once", async () => {
    const message = { conversationId: "once", clientMessageId: "m1", message: "say hello" };
    const first = await conversations.send(message);
    await conversations.last("once");
    const second = await conversations.send(message);
    assert.deepEqual(second, first);
    assert.equal((await conversations.history("once")).chunks.length, 2);
  });

  test("while a turn runs, a message is refused, queued, or takes its place", async () => {
    const conversationId = "busy";
    const { turnId } = await conversations.send({ conversationId, message: "count to 1000 slowly" });
    await assert.rejects(conversations.send({ conversationId, message: "say no" }), {
      code: "turn-active",
      status: 409,
    });
    const queued = await conversations.send({ conversationId, message: "say later", whenActive: "queue" });
    assert.deepEqual(
      queued.queue.map(({ text }) => text),
      ["say later"],
    );
    assert.deepEqual(
      (await conversations.queued(conversationId)).map(({ text }) => text),
      ["say later"],
    );
    assert.equal((await conversations.cancelQueued(conversationId, queued.queue[0].id)).cancelled, true);
    await assert.rejects(conversations.steer(conversationId, "turn-of-before", "say no"), { code: "turn-mismatch" });
    const turn = conversations.stream({ conversationId, message: "say now", whenActive: "interrupt" });
    assert.equal(await turn.text(), "now");
    const done = (await conversations.metrics(conversationId)).map((metrics) => metrics.turnId);
    assert.deepEqual([done.length, done[0]], [2, turnId]);
  });

  test("a running turn is steered", async () => {
    const turn = conversations.stream({ message: "run `sleep 1` then say done" });
    let steered;
    const heard = [];
    for await (const event of turn) {
      heard.push(event);
      if (event.type === "tool-call") {
        steered = conversations.steer(turn.conversationId, event.turnId, "say steered", { clientMessageId: "s1" });
      }
    }
    assert.equal((await steered).startedTurn, false);
    const steering = heard.find(({ type }) => type === "steering");
    assert.deepEqual([steering.text, steering.clientMessageId], ["say steered", "s1"]);
    assert.ok(text(heard).endsWith("steered"), text(heard));
  });

  test("a running turn is stopped", async () => {
    const turn = conversations.stream("count to 1000 slowly");
    const heard = [];
    for await (const event of turn) {
      heard.push(event);
      if (heard.filter(({ type }) => type === "text-delta").length === 5) await conversations.stop(turn.conversationId);
    }
    assert.equal(heard.find(({ type }) => type === "done").reason, "aborted");
    assert.deepEqual(await conversations.stop(turn.conversationId), {
      conversationId: turn.conversationId,
      abortedTurn: false,
    });
  });

  test("a turn that fails is an error of its text", async () => {
    await assert.rejects(conversations.stream("fail").text(), (error) => error instanceof DispatchError);
  });

  test("leaving a stream leaves its turn running", async () => {
    const turn = conversations.stream("count to 20");
    for await (const event of turn) if (event.type === "text-delta") break;
    assert.ok((await conversations.last(turn.conversationId)).content.includes("20"));
  });

  test("history is read in parts and in pages", async () => {
    const conversationId = "pages";
    for (let turn = 0; turn < 4; turn += 1)
      await conversations.stream({ conversationId, message: `say ${turn}` }).text();
    const { chunks, latestSeq } = await conversations.history(conversationId);
    assert.deepEqual(
      chunks.map(({ seq }) => seq),
      [1, 2, 3, 4, 5, 6, 7, 8],
    );
    assert.deepEqual(await conversations.history(conversationId, { sinceSeq: 8 }), { chunks: [], latestSeq });
    const pages = [];
    for await (const page of conversations.pages(conversationId, { limit: 3 })) pages.push(page.map(({ seq }) => seq));
    assert.deepEqual(pages, [
      [6, 7, 8],
      [3, 4, 5],
      [1, 2],
    ]);
    for await (const page of conversations.pages("of-nothing")) assert.fail(JSON.stringify(page));
  });

  test("the history and the figures say which turn it was, and when", async () => {
    const conversationId = "extras";
    const { turnId } = await conversations.send({ conversationId, message: "run `echo hi` then say done" });
    await conversations.last(conversationId);
    const { chunks } = await conversations.history(conversationId);
    assert.deepEqual([...new Set(chunks.map(({ turnId }) => turnId))], [turnId]);
    assert.ok(chunks.find(({ chunk }) => chunk.type === "tool-result").durationMs >= 0);
    const [turn] = await conversations.metrics(conversationId);
    assert.deepEqual([turn.turnId, turn.model, turn.reason], [turnId, "demo/demo", "stop"]);
    assert.ok(turn.startedAt > 0 && turn.startedAt <= Date.now());
  });

  test("conversations are listed, closed and deleted", async () => {
    const { conversationId } = await conversations.send({ conversationId: "listed-1", message: "say hello" });
    await conversations.last(conversationId);
    const ids = async (filter) => (await conversations.list(filter)).map(({ id }) => id);
    assert.deepEqual(await ids({ idPrefix: "listed-" }), ["listed-1"]);
    await conversations.close(conversationId);
    assert.deepEqual(await ids({ idPrefix: "listed-", status: ["closed"] }), ["listed-1"]);
    assert.equal((await conversations.status(conversationId)).status, "closed");
    assert.equal((await conversations.delete(conversationId)).deleted, true);
    assert.deepEqual(await ids({ idPrefix: "listed-" }), []);
  });

  test("settings are read and written", async () => {
    const id = "set";
    assert.equal(await conversations.setTitle(id, " A tour "), "A tour");
    assert.equal(await conversations.title(id), "A tour");
    assert.equal(await conversations.model(id), null);
    assert.equal(await conversations.setModel(id, "demo/demo"), "demo/demo");
    assert.equal(await conversations.setModel(id, null), null);
    await assert.rejects(conversations.setModel(id, "no/such"), { code: "unknown-model", status: 400 });
    assert.equal(await conversations.setCwd(id, "/tmp"), "/tmp");
    assert.equal(await conversations.setCwd(id, null), null);
    assert.equal(await conversations.cwd(id), null);
    assert.equal(await conversations.reasoningEffort(id), null);
    assert.equal(await conversations.setReasoningEffort(id, "low"), "low");
    assert.equal(await conversations.setCompactPercent(id, 70), 70);
    assert.equal(await conversations.compactPercent(id), 70);
  });

  test("a compaction is heard, and the transcript is read anew", async () => {
    const conversationId = "compacted";
    for (let turn = 0; turn < 4; turn += 1) {
      await conversations.stream({ conversationId, message: `say ${"many words ".repeat(20)}${turn}` }).text();
    }
    const follower = conversations.follow(conversationId);
    assert.equal((await follower.next()).value.chunks.length, 8);
    // The frame goes to sockets that are there: this one is, once it hears something.
    const hears = follower.next();
    await conversations.stream({ conversationId, message: "say hello" }).text();
    await hears;
    await conversations.compact(conversationId, { keepLastN: 2 });
    const now = (await conversations.history(conversationId)).chunks;
    for await (const transcript of follower) if (transcript.chunks.length === now.length && !transcript.live) break;
    assert.ok(now.length < 10);
  });

  test("models are listed, and client tokens are made", async () => {
    assert.ok((await client.models()).models.includes("demo/demo"));
    const token = await client.tokens.create({ expiresIn: 120, allowedModels: ["restyle"] });
    assert.ok(token.apiKey.startsWith("ek_"));
    assert.deepEqual(token.permissions, { models: ["restyle"] });
    assert.ok((await client.realtime.models()).some(({ name }) => name === "mirage"));
  });

  test("what cannot be is refused before anything is sent", () => {
    for (const baseUrl of ["", "ftp://127.0.0.1", "127.0.0.1:24203"]) {
      assert.throws(() => createClient({ baseUrl }), { code: "invalid_input" });
    }
    assert.throws(
      () => createClient({ apiKey: "a key\nwith a line" }),
      (error) => !error.message.includes("a line"),
    );
  });
});
