// The checks, in the page, with the SDK as it is on the registry.

import { createDecartClient, models } from "@decartai/sdk";
import { camera, referenceImage, Screen } from "./pattern.js";

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

function assert(isSo, why) {
  if (!isSo) throw new Error(why);
}

function equal(what, is, shouldBe) {
  const [left, right] = [is, shouldBe].map((value) => JSON.stringify(value));
  assert(left === right, `${what}: ${left} instead of ${right}`);
}

/** What a client's events said, in order. */
class Events {
  states = [];
  errors = [];

  constructor(client) {
    client.on("connectionChange", (state) => this.states.push(state));
    client.on("error", (error) => this.errors.push(String(error.data?.cause?.message ?? error.message)));
  }

  async until(what, condition, seconds = 20) {
    const end = performance.now() + seconds * 1000;
    while (!condition()) {
      if (performance.now() > end) {
        const kinds = window.sockets.map(({ path, frames, closed }) => [path, frames.map(({ type }) => type), closed]);
        const said = JSON.stringify({ states: this.states, errors: this.errors, sockets: kinds });
        throw new Error(`waited ${seconds} s for ${what}: ${said}`);
      }
      await sleep(0.02);
    }
  }
}

/** The ticks that came over the socket of that number. This SDK tells nobody of them. */
function ticks(socket = 0) {
  const frames = window.sockets[socket]?.frames ?? [];
  return frames.filter(({ type }) => type === "generation_tick").map(({ seconds }) => seconds);
}

function attempts(path = "/v1/stream") {
  return window.sockets.filter((socket) => socket.path.startsWith(path)).length;
}

async function produce(given, settings, work) {
  const { key = given.key, ...rest } = settings;
  const source = camera();
  const screen = new Screen();
  const sdk = createDecartClient({ apiKey: key, baseUrl: given.url });
  let client;
  try {
    client = await sdk.realtime.connect(source.stream, {
      model: models.realtime(given.model),
      onRemoteStream: screen.show,
      ...rest,
    });
    const events = new Events(client);
    const generates = () => events.until("generating", () => events.states.includes("generating"));
    await work({ sdk, client, events, screen, generates });
  } finally {
    client?.disconnect();
    screen.close();
    source.close();
  }
}

/** What a promise is rejected with, within that many seconds. */
async function rejection(promise, seconds) {
  const begin = performance.now();
  try {
    await promise;
  } catch (error) {
    const took = (performance.now() - begin) / 1000;
    assert(took < seconds, `it took ${took.toFixed(1)} s: ${error.message}`);
    return String(error.message);
  }
  throw new Error("the server accepted it");
}

async function comesBack(given, end) {
  await produce(given, {}, async ({ client, events, screen, generates }) => {
    await generates();
    await events.until("two ticks", () => ticks(0).length >= 2);
    const before = client.sessionId;
    const known = events.states.length;
    await end(client);
    await events.until("reconnecting", () => events.states.slice(known).includes("reconnecting"));
    await events.until("generating again", () => events.states.slice(known).at(-1) === "generating");
    await screen.sees("none");
    await events.until("ticks that begin again", () => ticks(1).length >= 2);
    equal("ticks of the new session", ticks(1).slice(0, 2), [1, 2]);
    assert(client.sessionId !== before, "the session id is still the old one");
    equal("attempts", attempts(), 2);
  });
}

export const checks = {
  async generating(given) {
    let events;
    await produce(given, {}, async (world) => {
      ({ events } = world);
      assert(world.client.sessionId, "there is no session id when connect() resolves");
      assert(world.client.subscribeToken, "there is no subscribe token when connect() resolves");
      assert(world.client.isConnected(), "it is not connected");
      await world.generates();
      await world.screen.sees("none");
      await events.until("three ticks", () => ticks().length >= 3);
      equal("ticks", ticks().slice(0, 3), [1, 2, 3]);
      equal("the first frame", window.sockets[0].frames[0].type, "session_id");
      equal("errors", events.errors, []);
      const states = events.states.filter((state) => state !== "connected");
      equal("states", states, ["connecting", "generating"]);
      world.client.disconnect();
      // What is told at the end, is told at once or not at all: this SDK empties its buffer first.
      equal("state at the end", world.client.getConnectionState(), "disconnected");
    });
    equal("attempts", attempts(), 1);
  },

  async "initial-prompt"(given) {
    const initialState = { prompt: { text: "invert" } };
    await produce(given, { initialState }, async ({ screen, generates, events }) => {
      await generates();
      await screen.sees("invert", { tinted: false });
      equal("errors", events.errors, []);
    });
  },

  async prompts(given) {
    await produce(given, {}, async ({ client, screen, generates, events }) => {
      await generates();
      await screen.sees("none");
      await client.setPrompt("invert");
      await screen.sees("invert");
      await client.setPrompt("mirror", { enhance: false });
      await screen.sees("mirror");
      await client.set({ prompt: "grey" });
      await screen.sees("grey");
      equal("errors", events.errors, []);
    });
  },

  async images(given) {
    const image = await referenceImage();
    await produce(given, {}, async ({ client, screen, generates, events }) => {
      await generates();
      await client.setImage(image);
      await screen.sees("none", { tinted: true });
      await client.set({ prompt: "mirror", image });
      await screen.sees("mirror", { tinted: true });
      await client.setImage(null);
      await screen.sees("mirror", { tinted: false });
      await client.setImage(image, { prompt: "invert" });
      await screen.sees("invert", { tinted: true });
      // A prompt alone replaces the whole state, and so takes the image away.
      await client.set({ prompt: "invert" });
      await screen.sees("invert", { tinted: false });
      equal("errors", events.errors, []);
    });
  },

  async "oversize-image"(given) {
    await produce(given, {}, async ({ client, screen, generates, events }) => {
      await generates();
      const text = await rejection(client.setImage(new Blob([new Uint8Array(10_000_001)])), 20);
      assert(/large|bytes/i.test(text), `the ack says: ${text}`);
      await client.setPrompt("invert");
      await screen.sees("invert");
      equal("attempts", attempts(), 1);
      equal("the state", events.states.at(-1), "generating");
    });
  },

  async viewer(given) {
    await produce(given, {}, async ({ sdk, client, screen, generates }) => {
      await generates();
      await client.setPrompt("invert");
      const second = new Screen();
      const token = client.subscribeToken;
      const watching = await sdk.realtime.subscribe({ token, onRemoteStream: second.show });
      try {
        const events = new Events(watching);
        assert(watching.isConnected(), "the viewer is not connected");
        await second.sees("invert");
        await client.setPrompt("mirror");
        await second.sees("mirror");
        await screen.sees("mirror");
        equal("the viewer's errors", events.errors, []);
        client.disconnect();
        await events.until("disconnected", () => events.states.at(-1) === "disconnected");
        await sleep(4);
        assert(attempts("/subscribe/") <= 2, `the viewer tried ${attempts("/subscribe/")} times`);
        assert(events.errors.some((text) => /invalid session/i.test(text)), `errors: ${events.errors}`);
        equal("the viewer's state", events.states.at(-1), "disconnected");
      } finally {
        watching.disconnect();
        second.close();
      }
    });
  },

  async "server-closes"(given) {
    await comesBack(given, (client) => window.operatorEnds(client.sessionId));
  },

  async "connection-lost"(given) {
    await comesBack(given, () => window.cut());
  },

  async "wrong-key"(given) {
    const text = await rejection(produce(given, { key: "no-such-key" }, async () => {}), 3);
    assert(text.toLowerCase().includes("invalid api key"), text);
    equal("attempts", attempts(), 1);
  },

  async credits(given) {
    await produce(given, { key: given.brokeKey }, async ({ events, generates }) => {
      await generates();
      await events.until("the end", () => events.states.at(-1) === "disconnected", 60);
      // The SDK's own retries come after 1 and after 3 seconds.
      await sleep(6);
      const seconds = given.brokeSeconds || ticks().length;
      assert(seconds > 0, "no tick came");
      const counted = Array.from({ length: seconds }, (_, second) => second + 1);
      equal("ticks", ticks(), counted);
      assert(events.errors[0]?.includes("Insufficient credits"), `errors: ${events.errors}`);
      equal("states at the end", events.states.slice(-2), ["reconnecting", "disconnected"]);
      equal("attempts", attempts(), 2);
    });
    const text = await rejection(produce(given, { key: given.brokeKey }, async () => {}), 3);
    assert(text.includes("Insufficient credits"), text);
    equal("attempts", attempts(), 3);
  },

  async tokens(given) {
    const create = (apiKey) => createDecartClient({ apiKey, baseUrl: given.url }).tokens.create();
    const token = await create(given.key);
    assert(token.apiKey.startsWith("ek_"), "it does not begin with ek_");
    const left = (Date.parse(token.expiresAt) - Date.now()) / 1000;
    assert(left > 0 && left <= 3600, `it expires at ${token.expiresAt}`);
    await produce(given, { key: token.apiKey }, async ({ screen, generates }) => {
      await generates();
      await screen.sees("none");
    });
    const byToken = await rejection(create(token.apiKey), 5);
    assert(byToken.includes("403"), byToken);
    const byNobody = await rejection(create("no-such-key"), 5);
    assert(byNobody.includes("401"), byNobody);
  },
};

window.checks = checks;
