// Watchers in bad weather: connections that break, are late, or exist twice, for some time, and nothing is lost or doubled.
//
// SEED repeats the weather, as far as that can be: what meets what in it differs from run to run. SECONDS makes it last.

import assert from "node:assert/strict";
import test from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "../../dist/client.js";
import { Dice } from "../randomness.js";
import { Server } from "../server.js";
import { Weather } from "../weather.js";

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const SECONDS = Number(process.env.SECONDS ?? 20);
const CONVERSATIONS = ["rain", "hail", "fog"];

/** What everybody has to hear, in pieces that are the same however deltas, and what a tool writes, were put together. */
function atoms(event) {
  const { eventSeq, attempt, delta, data, ...rest } = event;
  const whole = JSON.stringify(rest);
  return [...(delta ?? data ?? " ")].map((letter) => `${letter} ${whole}`);
}

/** Whether everybody hears it: what is beyond the contract, some do, or hear it again. */
const isSaid = ({ type }) => type !== "status" && type !== "provider-retry" && type !== "tool-start";

/** A watcher, and what it hears. */
class Watcher {
  events = [];
  gaps = 0;
  #sealed = new Set();

  constructor(name, client, id) {
    this.name = `${name} of ${id}`;
    this.stream = client.conversations.watch(id);
    this.isOver = this.#listen();
    // Whoever waits for it is told.
    this.isOver.catch(() => {});
  }

  async #listen() {
    for await (const event of this.stream) {
      if (!isSaid(event)) continue;
      this.events.push(event);
      if (event.type === "gap") this.gaps += 1;
      if (event.type === "turn-sealed") this.#sealed.add(event.turnId);
    }
  }

  /** It counts from here on. */
  forget() {
    this.events = [];
    this.gaps = 0;
  }

  hasSealed(turnId) {
    return this.#sealed.has(turnId);
  }

}

/** What was heard without a gap in it. With a gap comes the end of the turn in which it was. */
function runs(events) {
  const runs = [[]];
  let last;
  for (const event of events) {
    if (event.type === "gap") runs.push([]);
    else runs.at(-1).push(...atoms(event));
    if (event.type === "turn-sealed" && last?.type === "gap") runs.push([]);
    last = event;
  }
  return runs.filter((run) => run.length > 0);
}

/** Each run is a part of the whole, they are in their order, and nothing is heard twice; the last goes to the end. */
function assertHeard(name, events, whole) {
  const hasGap = events.some(({ type }) => type === "gap");
  let from = 0;
  for (const run of runs(events)) {
    let at = from;
    const fits = () => run.every((atom, index) => atom === whole[at + index]);
    while (at + run.length <= whole.length && !fits()) at += 1;
    const is = `${run.slice(0, 20).join("\n")}\n… ${run.length} in all`;
    assert.ok(at + run.length <= whole.length, `${name} has heard what was not said, or not so:\n${is}`);
    if (!hasGap) assert.equal(at, 0, `${name} has missed the beginning`);
    from = at + run.length;
  }
  assert.equal(from, whole.length, `${name} has missed the end`);
  const numbers = new Map();
  for (const { type, turnId, eventSeq } of events) {
    // The end of a turn that was missed has no number, or the last one that was heard.
    if (eventSeq === undefined || type === "turn-sealed") continue;
    assert.ok(eventSeq > (numbers.get(turnId) ?? 0), `${name} has heard ${turnId} ${eventSeq} twice, or late`);
    numbers.set(turnId, eventSeq);
  }
}

const message = (dice) =>
  dice.weighted(
    [3, () => `count to ${20 + dice.below(100)}`],
    [3, () => `count to ${5 + dice.below(15)} slowly`],
    [2, () => `say word ${dice.below(1_000)}`],
    [2, () => `think about number ${dice.below(1_000)} then count to 40`],
    [1, () => "run `echo one; sleep 0.3; echo two` then say done"],
  );

test("no weather costs a watcher anything", { timeout: (SECONDS + 120) * 1000 }, async () => {
  const dice = new Dice(SEED);
  const server = await Server.start();
  const weather = await Weather.to(server.port, new Dice(SEED + 1));
  const direct = createClient({ baseUrl: server.url });
  const [socket, sse, sender] = [{}, { WebSocket: null }, {}].map((options) =>
    createClient({ baseUrl: weather.url, ...options }),
  );
  let end;
  const turns = [];
  const sent = Object.fromEntries(CONVERSATIONS.map((id) => [id, []]));
  const left = new AbortController();

  const watched = CONVERSATIONS.map((id) => {
    const whole = new Watcher("the one without weather", direct, id);
    const others = [
      new Watcher("the first", socket, id),
      new Watcher("the second", createClient({ baseUrl: weather.url }), id),
      new Watcher("the one by server-sent events", sse, id),
    ];
    const follower = { live: null };
    follower.isOver = (async () => {
      const { signal } = left;
      for await (const { chunks, live } of socket.conversations.follow(id, { signal })) {
        Object.assign(follower, { chunks, live });
      }
    })();
    return { id, whole, others, follower };
  });
  const all = watched.flatMap(({ others }) => others);

  /** Sends one message after the other, and reads the turns. */
  const talk = async (id) => {
    while (performance.now() < end) {
      const words = message(dice);
      sent[id].push(words);
      const heard = [];
      for await (const event of sender.conversations.stream({ conversationId: id, message: words })) {
        if (isSaid(event)) heard.push(event);
      }
      turns.push({ id, heard });
      await sleep(dice.upTo(300));
    }
  };

  /** Says something until everybody hears it. */
  const call = async ({ id, whole, others }, words) => {
    for (let calls = 0; calls < 6; calls += 1) {
      sent[id].push(`say ${words} ${calls}`);
      const { turnId } = await direct.conversations.send({ conversationId: id, message: sent[id].at(-1) });
      const hears = (watcher) => watcher.hasSealed(turnId);
      for (let waits = 0; waits < 500 && ![whole, ...others].every(hears); waits += 1) await sleep(20);
      if ([whole, ...others].every(hears)) return;
    }
    const names = others.map(({ name, events }) => `${name} (${events.length})`);
    assert.fail(`some of them never hear that all is ${words}: ${names}`);
  };

  try {
    for (const conversation of watched) {
      await call(conversation, "well");
      // Whoever watches begins with what is when it is connected.
      for (const watcher of [conversation.whole, ...conversation.others]) watcher.forget();
    }
    weather.storm();
    end = performance.now() + SECONDS * 1000;
    await Promise.all(CONVERSATIONS.map(talk));
    weather.calm();
    for (const conversation of watched) await call(conversation, "calm");

    for (const { id, whole, others, follower } of watched) {
      const said = whole.events.flatMap(atoms);
      assert.equal(whole.gaps, 0);
      for (const { name, events } of others) assertHeard(name, events, said);
      // What is shown is what is kept, and each message is kept once.
      const { chunks } = await direct.conversations.history(id);
      const asked = chunks.filter(({ role }) => role === "user").map(({ chunk }) => chunk.text);
      assert.deepEqual(asked, sent[id], `the messages of ${id}`);
      for (let waits = 0; waits < 500 && (follower.live || follower.chunks?.length !== chunks.length); waits += 1)
        await sleep(20);
      assert.deepEqual(follower.chunks, chunks, `what is shown of ${id}`);
    }
    for (const { id, heard } of turns) {
      const whole = watched.find((conversation) => conversation.id === id).whole.events;
      const { turnId } = heard.at(-1);
      const turn = whole.filter((event) => event.turnId === turnId).flatMap(atoms);
      assertHeard(`the sender of ${id}`, heard, turn);
    }
    const gaps = all.reduce((sum, watcher) => sum + watcher.gaps, 0);
    const events = all.reduce((sum, watcher) => sum + watcher.events.length, 0);
    const heard = `${turns.length} turns, ${events} events, ${gaps} gaps`;
    console.log(`seed ${SEED}: ${heard}; ${JSON.stringify(weather.count)}`);
    assert.ok(weather.count.cut > SECONDS / 2, "there was hardly any weather");
    assert.ok(events > 20 * SECONDS, "hardly anything was said");
  } catch (error) {
    error.message = `SEED=${SEED} (${JSON.stringify(weather.count)}): ${error.message}`;
    throw error;
  } finally {
    for (const { stream } of [...all, ...watched.map(({ whole }) => whole)]) await stream.return();
    left.abort();
    await Promise.allSettled(watched.map(({ follower }) => follower.isOver));
    weather.close();
    await server[Symbol.asyncDispose]();
  }
});
