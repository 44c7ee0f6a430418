// The scenario of a realtime session, in a page. `given` says where the server is, and keys; `window` can kill the server,
// start it again, and have the operator end a session.

import { createClient } from "../../dist/client.js";
import { assert, equal, rejection, sleep, until } from "./checks.js";
import { Screen, camera, image } from "./pictures.js";

const PLAIN = "r b";
const INVERTED = "gb rg";
const MIRRORED = "b r";

const shows = (screen, look) => until(look, () => screen.look() === look || screen.look());

/** What a session tells. */
class Heard {
  states = [];
  errors = [];
  ticks = [];
  credits = [];

  constructor(session) {
    session.on("connectionChange", (state) => this.states.push(state));
    session.on("error", (error) => this.errors.push(error));
    session.on("generationTick", ({ seconds, credits }) => {
      this.ticks.push(seconds);
      this.credits.push(credits);
    });
  }

  has(state) {
    return () => this.states.includes(state) || this.states;
  }

  hasTicks(count) {
    return () => this.ticks.length >= count || [this.ticks, this.states];
  }

  /** What was heard so far. */
  all() {
    return { states: [...this.states], ticks: [...this.ticks], errors: this.errors.map(({ message }) => message) };
  }
}

/** How many sockets a client has opened. */
function counting() {
  const opened = { count: 0 };
  class Counted extends WebSocket {
    constructor(...given) {
      super(...given);
      opened.count += 1;
    }
  }
  return { opened, Counted };
}

async function session({ url, key, model = "small" }, options, work) {
  const source = camera();
  const screen = new Screen();
  const { opened, Counted } = counting();
  const client = createClient({ baseUrl: url, apiKey: key, WebSocket: Counted });
  let realtime;
  try {
    realtime = await client.realtime.connect(source.stream, { model, onRemoteStream: screen.show, ...options });
    const heard = new Heard(realtime);
    await work({ client, realtime, heard, screen, source, opened });
    equal(
      source.stream.getTracks().map((track) => track.readyState),
      ["live"],
      "the caller's tracks",
    );
  } finally {
    realtime?.disconnect();
    source.close();
  }
}

/** 1, 2, 3 …, each once. */
function counted(ticks, what) {
  equal(
    ticks,
    ticks.map((_, index) => index + 1),
    what,
  );
}

/** Each tick says what is left: a credit a second is what the model costs. */
function charged({ ticks, credits }, had) {
  equal(
    credits,
    ticks.map((_, index) => String(had - index - 1)),
    "credits left",
  );
}

/** Asks for one change after the other, until one fails: that, and how long any of them took after the end. */
async function changing(realtime) {
  const failures = [];
  while (failures.length === 0) {
    const calls = ["mirror", "invert", "grey", "mirror"].map((text) => realtime.setPrompt(text));
    for (const { reason } of await Promise.allSettled(calls)) if (reason) failures.push(reason);
  }
  return failures;
}

/** Nothing is heard any more, and nothing is tried. */
async function quiet({ realtime, heard, opened }) {
  const [before, sockets] = [heard.all(), opened.count];
  await sleep(4);
  equal(heard.all(), before, "what is heard after the end");
  equal(opened.count, sockets, "sockets after the end");
  equal(realtime.connectionState, "disconnected", "the state after the end");
}

export const checks = {
  async "a session"(given, ok) {
    const initialState = { prompt: { text: "invert" } };
    await session(given, { initialState }, async ({ client, realtime, heard, screen }) => {
      assert(realtime.isConnected(), "it is connected");
      assert(realtime.sessionId && realtime.subscribeToken, "it has a name and a token");
      await until("generating", heard.has("generating"));
      equal(realtime.connectionState, "generating", "the state");
      equal(
        heard.states.filter((state) => state !== "connected"),
        ["connecting", "generating"],
        "states",
      );
      ok("it is generating");
      await shows(screen, INVERTED);
      ok("pictures come back, changed");
      await until("three ticks", heard.hasTicks(3));
      counted(heard.ticks, "ticks");
      ok("seconds are told, each once and in order");
      charged(heard, given.credits);
      ok("the credits that are left are told");

      await realtime.setPrompt("mirror", { enhance: false });
      await shows(screen, MIRRORED);
      await Promise.all([realtime.setPrompt("grey"), realtime.setPrompt("invert"), realtime.setPrompt("mirror")]);
      await shows(screen, MIRRORED);
      equal((await rejection(realtime.setPrompt("  "))).code, "invalid_input", "a blank prompt");
      ok("a prompt is acknowledged, and seen");

      const file = await image("rgb(0, 255, 0)");
      await realtime.setImage(file);
      await until("another colour", () => screen.look() !== MIRRORED || screen.look());
      ok("an image is acknowledged, and seen");
      await realtime.set({ prompt: "invert" });
      await shows(screen, INVERTED);
      ok("a change of everything takes away what it does not name");
      const address = URL.createObjectURL(file);
      const inline = `data:image/png;base64,${btoa(String.fromCharCode(...new Uint8Array(await file.arrayBuffer())))}`;
      for (const source of [address, inline, inline.split(",")[1]])
        await realtime.setImage(source, { prompt: "mirror" });
      // A slow image does not let a later change overtake it.
      await Promise.all([realtime.setImage(address), realtime.set({ prompt: "invert" })]);
      await shows(screen, INVERTED);
      const missing = await rejection(realtime.setImage("https://127.0.0.1:9/none.png"));
      equal(missing.code, "invalid_input", "an image that is not there");
      const large = await rejection(realtime.setImage(new Blob([new Uint8Array(10_000_001)])));
      equal(large.code, "rejected", `what is too large (${large.message})`);
      await shows(screen, INVERTED);
      ok("images come in all their forms, and those that cannot be change nothing");

      const second = new Screen();
      const viewer = await client.realtime.subscribe({ token: realtime.subscribeToken, onRemoteStream: second.show });
      const seen = new Heard(viewer);
      await shows(second, INVERTED);
      equal(second.shown, 1, "streams of the viewer");
      equal((await rejection(client.realtime.subscribe({ token: "nonsense" }))).code, "invalid_input", "no token");
      ok("a viewer sees the same");

      // The server is killed, with changes under way, and comes back.
      counted(heard.ticks, "ticks before");
      const before = { ticks: heard.ticks.length, id: realtime.sessionId, token: realtime.subscribeToken };
      const failed = changing(realtime);
      await window.killServer();
      for (const { code } of await failed) equal(code, "not_connected", "a change when the session is lost");
      await until("reconnecting", heard.has("reconnecting"));
      equal((await rejection(realtime.setPrompt("mirror"))).code, "not_connected", "a change without a session");
      ok("changes under way fail at once when the server is killed");
      equal(heard.states.at(-1), "reconnecting", "the state");
      heard.ticks.length = heard.credits.length = heard.states.length = 0;
      await window.startServer();
      await until("generating again", heard.has("generating"));
      assert(realtime.sessionId !== before.id && realtime.subscribeToken !== before.token, "it has another name");
      equal(
        heard.states.filter((state) => state !== "connected"),
        ["generating"],
        "states after",
      );
      ok("it is reconnecting, and then generating again");
      await until("another look", () => screen.look() !== "nothing" && screen.look() !== PLAIN);
      equal(screen.shown, 2, "streams");
      await until("ticks again", heard.hasTicks(3));
      counted(heard.ticks, "ticks after");
      ok("seconds are told from 1 again, each once");
      await until("the viewer's end", () => viewer.connectionState === "disconnected" || viewer.connectionState);
      assert(seen.errors.length === 1, `the viewer's errors: ${seen.errors}`);
      ok("its viewer has ended with it");

      realtime.disconnect();
      equal(heard.states.at(-1), "disconnected", "the state at the end");
      const receipt = await realtime.receipt();
      equal([receipt.settled, receipt.connections.length, receipt.reason], [true, 2, "disconnect"], "the receipt");
      equal(receipt.connections[0].reason, "interrupted", "the end of the first connection");
      const [first, last] = receipt.connections.map(({ seconds }) => seconds);
      assert(first >= before.ticks, `${first} seconds and ${before.ticks} ticks before`);
      assert([0, 1].includes(last - heard.ticks.length), `${last} seconds and ${heard.ticks.length} ticks after`);
      equal([receipt.seconds, receipt.credits], [first + last, String(first + last)], "all in all");
      equal((await rejection(realtime.setPrompt("late"))).code, "not_connected", "a change after the end");
      equal(heard.all().errors, [], "errors");
      ok("the receipt has both connections, after a disconnect");

      await session(given, { session: realtime.sessionId }, async (again) => {
        await until("generating", again.heard.has("generating"));
        await until("a look", () => !["nothing", PLAIN].includes(again.screen.look()) || again.screen.look());
        again.realtime.disconnect();
        equal((await again.realtime.receipt()).connections.length, 3, "connections of the same session");
        ok("a later session goes on with it, its look and its receipt");
      });
    });
  },

  async "a look is restored"(given, ok) {
    await session(given, { initialState: { prompt: { text: "grey" } } }, async ({ realtime, heard, screen }) => {
      await realtime.set({ prompt: "mirror" });
      await shows(screen, MIRRORED);
      await window.killServer();
      await until("reconnecting", heard.has("reconnecting"));
      await window.startServer();
      await until("generating again", () => heard.states.at(-1) === "generating" || heard.states);
      await shows(screen, MIRRORED);
      equal(
        heard.states.filter((state) => state !== "connected"),
        ["connecting", "generating", "reconnecting", "generating"],
        "states",
      );
      ok("after a reconnect the look is what was acknowledged last");
    });
  },

  async "credits run out"(given, ok) {
    const broke = { ...given, key: given.broke };
    await session(broke, {}, async (all) => {
      const { realtime, heard, screen, opened } = all;
      await shows(screen, PLAIN);
      const failed = changing(realtime);
      await until("the end", heard.has("disconnected"));
      equal(heard.ticks, [1, 2, 3], "ticks");
      charged(heard, 3);
      equal([...new Set(heard.errors.map(({ type }) => type))], ["insufficient_credits"], "errors");
      ok("the session ends when credits run out, and that is told");
      const late = (await failed).filter(
        ({ code, type }) => code !== "not_connected" && type !== "insufficient_credits",
      );
      equal(late, [], "other failures of changes");
      equal((await rejection(realtime.setPrompt("late"))).code, "not_connected", "a change after the end");
      ok("changes under way fail at once");
      await quiet(all);
      equal(opened.count, 1, "sockets");
      ok("nothing is tried again");
      const receipt = await realtime.receipt();
      equal([receipt.seconds, receipt.credits, receipt.reason], [3, "3", "insufficient_credits"], "the receipt");
      ok("the receipt says so");
    });
    const refused = await rejection(session(broke, {}, () => {}));
    equal([refused.type, refused.permanent], ["insufficient_credits", true], "the next one");
    ok("the next session is refused at once");
  },

  async "the operator ends it"(given, ok) {
    await session(given, {}, async (all) => {
      const { realtime, heard } = all;
      await until("a tick", heard.hasTicks(1));
      await window.endSession(realtime.sessionId);
      await until("the end", heard.has("disconnected"));
      equal(
        heard.errors.map(({ type }) => type),
        ["session_deleted"],
        "errors",
      );
      await quiet(all);
      const receipt = await realtime.receipt();
      equal([receipt.reason, receipt.seconds], ["deleted_by_operator", heard.ticks.length], "the receipt");
      ok("a session that the operator ends is not set up again, and its receipt says why");
    });
  },

  async "the server is killed, and that is the end"(given, ok) {
    await session(given, { reconnect: false }, async (all) => {
      const { realtime, heard } = all;
      await until("ticks", heard.hasTicks(2));
      const failed = changing(realtime);
      await window.killServer();
      await until("the end", heard.has("disconnected"));
      equal([...new Set((await failed).map(({ code }) => code))], ["not_connected"], "changes");
      equal(heard.errors.length, 1, "errors");
      await quiet(all);
      const ticks = heard.ticks.length;
      await window.startServer();
      const receipt = await realtime.receipt();
      equal([receipt.reason, receipt.connections.length], ["interrupted", 1], "the receipt");
      assert([0, 1].includes(receipt.seconds - ticks), `${receipt.seconds} seconds and ${ticks} ticks`);
      ok("without reconnecting, the receipt is settled when the server is back");
    });
  },

  async "what cannot be fails"(given, ok) {
    const source = camera();
    const { opened, Counted } = counting();
    const connect = (apiKey, options) =>
      createClient({ baseUrl: given.url, apiKey, WebSocket: Counted }).realtime.connect(source.stream, {
        model: "small",
        ...options,
      });
    const wrong = await rejection(connect("no-such-key"));
    equal([wrong.name, wrong.type, wrong.permanent], ["DispatchError", "invalid_api_key", true], "a wrong key");
    assert(!`${wrong.stack} ${JSON.stringify(wrong)}`.includes("no-such-key"), "the key is in the error");
    equal((await rejection(connect(given.key, { model: "no-such-model" }))).type, "invalid_model", "a wrong model");
    equal(opened.count, 2, "attempts");
    ok("a wrong key and a wrong model are refused at once, without the key in it");
    const blank = { initialState: { prompt: { text: " " } } };
    equal((await rejection(connect(given.key, blank))).code, "invalid_input", "a blank prompt");
    const empty = createClient({ baseUrl: given.url, apiKey: given.key }).realtime;
    const nothing = await rejection(empty.connect(new MediaStream(), { model: "small" }));
    equal(nothing.code, "invalid_input", "no pictures");
    const bad = await rejection(
      connect(given.key, { customizeOffer: () => Promise.reject(new Error("mine")), retry: { delays: [] } }),
    );
    equal([bad.code, bad.message], ["media", "mine"], "an offer that is not made");
    equal((await rejection(connect(given.key, { signal: AbortSignal.timeout(1) }))).code, "aborted", "an abortion");
    equal(
      source.stream.getTracks().map((track) => track.readyState),
      ["live"],
      "the caller's tracks",
    );
    source.close();
    ok("what cannot be fails, and leaves the camera alone");
  },

  async "a client token"(given, ok) {
    const token = await createClient({ baseUrl: given.url, apiKey: given.key }).tokens.create({ expiresIn: 60 });
    await session({ ...given, key: token.apiKey }, { mirror: true }, async ({ client, realtime, screen }) => {
      await shows(screen, MIRRORED);
      realtime.disconnect();
      equal((await realtime.receipt()).reason, "disconnect", "the receipt");
      equal((await rejection(client.conversations.list())).status, 401, "conversations for a token");
    });
    ok("a client token opens a session, whose camera can be mirrored, reads its receipt, and nothing else");
  },
};
