// The scenario of a conversation, in Node and in a page. `given` says where the server is, and where a relay to it, whose
// connections can be cut.

import { EMPTY_TRANSCRIPT, createClient, reduce, withHistory } from "../../dist/client.js";
import { assert, equal, until } from "./checks.js";

const LONG = "think about numbers then count to 150";
const COUNTED = Array.from({ length: 150 }, (_, index) => index + 1).join(" ");
const CUTS = 4;

const textOf = (events) => events.map(({ type, delta }) => (type === "text-delta" ? delta : "")).join("");

/** What was said, whatever pieces it came in. */
function said(events) {
  const whole = [];
  for (const { eventSeq, attempt, ...event } of events) {
    const last = whole.at(-1);
    if (event.delta !== undefined && last?.type === event.type) last.delta += event.delta;
    else whole.push({ ...event });
  }
  return whole;
}

/** The events until a turn is over; then nobody listens any more. */
async function turn(events, onEvent = () => {}) {
  const heard = [];
  for (;;) {
    const { done, value } = await events.next();
    assert(!done, "the events ended");
    heard.push(value);
    await onEvent(heard);
    if (value.type !== "turn-sealed") continue;
    await events.return();
    return heard;
  }
}

/** Each number once, in their order. */
function ascending(events, what) {
  const numbers = events.map(({ eventSeq }) => eventSeq);
  equal(
    numbers,
    [...new Set(numbers)].sort((a, b) => a - b),
    what,
  );
}

/** What is kept of a chunk: all but how long a tool took. */
const kept = ({ role, chunk: { durationMs: _, ...chunk } }) => ({ role, chunk });

/** What a turn leaves behind, as its events told it. */
function told(events) {
  const begin = withHistory(EMPTY_TRANSCRIPT, { chunks: [], latestSeq: 0 });
  const { live } = events.filter(({ type }) => type !== "turn-sealed").reduce(reduce, begin);
  return live.entries.map(kept);
}

export async function conversation({ url, through, cut, key }, ok) {
  const client = (baseUrl) => createClient({ baseUrl, apiKey: key }).conversations;
  const conversations = client(url);
  const history = async (id) => (await conversations.history(id)).chunks.map(kept);

  const { conversationId: id, turnId } = await conversations.send("say hello there");
  assert(turnId, "a message starts a turn");
  equal((await conversations.last(id)).content, "hello there", "the answer");
  ok("a message is sent and answered");

  const stream = conversations.stream({ conversationId: id, message: "say and again" })[Symbol.asyncIterator]();
  const streamed = await turn(stream);
  equal(textOf(streamed), "and again", "the text");
  ascending(streamed, "the numbers of a stream");
  equal((await history(id)).slice(2), told(streamed), "the history of what was streamed");
  ok("a turn is streamed, and the history has what was streamed");

  const long = await conversations.send(LONG);
  const early = client(url).watch(long.conversationId);
  let late;
  const whole = await turn(early, (heard) => {
    if (!late && textOf(heard).length > 60) late = turn(client(url).watch(long.conversationId));
  });
  ascending(whole, "the numbers of a watcher");
  equal(said(await late), said(whole), "what the second watcher heard");
  assert(textOf(whole).includes(COUNTED), textOf(whole));
  equal(await history(long.conversationId), told(whole), "the history of what was watched");
  ok("a watcher that joins late hears the same in the end, and the history has it");

  const steered = conversations.stream("run `sleep 1` then say done");
  let answer;
  const steering = await turn(steered[Symbol.asyncIterator](), async (heard) => {
    const { type, turnId } = heard.at(-1);
    if (type === "tool-call") answer = conversations.steer(steered.conversationId, turnId, "say steered");
  });
  equal((await answer).startedTurn, false, "whether steering began a turn");
  equal(steering.filter(({ type }) => type === "steering").map(({ text }) => text), ["say steered"], "steering");
  assert(textOf(steering).endsWith("steered"), textOf(steering));
  equal(await history(steered.conversationId), told(steering), "the history of a turn that was steered");
  ok("a running turn is steered");

  const endless = conversations.stream("count to 1000 slowly");
  let isStopped = false;
  const stopped = await turn(endless[Symbol.asyncIterator](), async (heard) => {
    if (isStopped || textOf(heard).length < 10) return;
    isStopped = true;
    equal((await conversations.stop(endless.conversationId)).abortedTurn, true, "whether a turn was stopped");
  });
  equal(stopped.find(({ type }) => type === "done")?.reason, "aborted", "the end of a turn that was stopped");
  equal(await history(endless.conversationId), told(stopped), "the history of a turn that was stopped");
  ok("a running turn is stopped");

  const { conversationId: cutId } = await conversations.send(LONG);
  const around = turn(client(url).watch(cutId));
  let cuts = 0;
  const behind = await turn(client(through).watch(cutId), async (heard) => {
    if (cuts < CUTS && textOf(heard).length > 60 * (cuts + 1)) {
      cuts += 1;
      await cut();
    }
  });
  equal(cuts, CUTS, "cuts");
  ascending(behind, "the numbers of a watcher that was cut");
  equal(said(behind), said(await around), "what the watcher heard that was cut");
  equal(await history(cutId), told(behind), "the history of what was cut");
  ok("a watcher whose socket is cut in mid-turn misses nothing and hears nothing twice");

  cuts = 0;
  const sent = client(through).stream(LONG);
  const resumed = await turn(sent[Symbol.asyncIterator](), async (heard) => {
    if (cuts < CUTS && textOf(heard).length > 60 * (cuts + 1)) {
      cuts += 1;
      await cut();
    }
  });
  ascending(resumed, "the numbers of a stream that was cut");
  equal(await history(sent.conversationId), told(resumed), "the history of a stream that was cut");
  ok("a stream whose connection is cut goes on, and its message was taken once");

  const shown = [];
  const enough = new AbortController();
  const following = (async () => {
    for await (const transcript of client(through).follow(cutId, enough)) shown.push(transcript);
  })();
  await until("the history", () => shown.length > 0);
  await conversations.stream({ conversationId: cutId, message: "say the end" }).text();
  const { chunks } = await conversations.history(cutId);
  await until("the whole", () => shown.at(-1).chunks.length === chunks.length && shown.at(-1).live === null);
  equal(shown.at(-1).chunks, chunks, "what is shown");
  enough.abort();
  await following;
  ok("what is shown of a conversation is its history");
}
