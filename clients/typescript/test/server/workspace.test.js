// A workspace against a server: surfaces, what every client is told, and the books.

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { after, afterEach, before, describe } from "node:test";
import { createWorkspace } from "../../dist/workspace.js";
import { Door } from "../door.js";
import { Server } from "../server.js";

const LONG = "count to 1000 slowly";
const DOT =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** What comes, and waiting until something has. */
class Heard {
  all = [];
  #waiting = new Set();

  /** To be given as a handler. */
  take = (event) => {
    this.all.push(event);
    for (const look of this.#waiting) look();
  };

  /** The first that is so, from now on or among those that came already. */
  until(isIt) {
    return new Promise((resolve) => {
      const look = () => {
        const found = this.all.find(isIt);
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found);
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** From here on. */
  forget() {
    this.all = [];
  }
}

const leaves = [];
afterEach(() => {
  for (const leave of leaves.splice(0)) leave();
});

/** What is heard of a workspace, until the test is over. */
function heard(workspace, name) {
  const heard = new Heard();
  leaves.push(workspace.on(name, heard.take));
  return heard;
}

/** What a surface is, until the test is over. */
function watched(workspace, surface) {
  const specs = new Heard();
  leaves.push(workspace.watchSurface(surface, specs.take));
  return specs;
}

function field(spec, label) {
  return spec.fields.find((field) => field.label === label);
}

describe("without keys", () => {
  let server;
  before(async () => {
    server = await Server.start();
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
  });

  const open = (baseUrl = server.url) => createWorkspace({ baseUrl, reconnectFor: Infinity });

  test("it says which surfaces there are", async () => {
    const it = open();
    const catalog = await heard(it, "catalog").until(() => true);
    assert.deepEqual(it.catalog, catalog);
    const scopes = Object.fromEntries(catalog.map(({ id, scope }) => [id, scope]));
    assert.deepEqual([scopes.conversation, scopes["loaded-extensions"]], ["conversation", "global"]);
    assert.deepEqual(it.link, { state: "open" });
  });

  test("a surface is given, changes, is changed by its actions, and comes back with the connection", async () => {
    const door = await Door.to(server.port);
    const it = open(door.url);
    const surface = { surfaceId: "conversation", conversationId: "panel" };
    const [specs, again, links, refused] = [watched(it, surface), watched(it, surface), heard(it, "link"), heard(it, "refused")];
    const percent = (spec) => field(spec, "Compact At");
    const first = await specs.until(() => true);
    const { actionId } = percent(first).action;
    it.invoke({ ...surface, actionId, payload: 40 });
    await specs.until((spec) => percent(spec).value === 40);
    await again.until((spec) => percent(spec).value === 40);

    it.invoke({ ...surface, actionId, payload: 400 });
    const { error } = await refused.until(({ surfaceId }) => surfaceId === "conversation");
    assert.deepEqual([error.code, error.permanent], ["action-failed", true]);
    it.invoke({ ...surface, actionId: "conversation/none" });
    await refused.until(({ error }) => error.code === "unknown-action");

    door.isOpen = false;
    door.cut();
    await links.until(({ state }) => state === "waiting");
    await server.ask("PUT", "/conversations/panel/compact-percent", { body: { percent: 55 } });
    door.isOpen = true;
    it.retry();
    await specs.until((spec) => percent(spec).value === 55);
    await server.ask("PUT", "/conversations/panel/model", { body: { model: "demo/demo" } });
    await again.until((spec) => field(spec, "Model").value === "demo/demo");
    door.close();
  });

  test("the same surface for all is given to whoever asks, and one that is not there to nobody", async () => {
    const it = open();
    const refused = heard(it, "refused");
    const loaded = ["tour", undefined].map((conversationId) => watched(it, { surfaceId: "loaded-extensions", conversationId }));
    for (const specs of loaded) assert.ok(field(await specs.until(() => true), "Loaded"));
    const missing = watched(it, { surfaceId: "of-nothing" });
    const { error } = await refused.until(({ surfaceId }) => surfaceId === "of-nothing");
    assert.equal(error.code, "unknown-surface");
    assert.deepEqual(missing.all, []);
  });

  test("changes of status are told, also after the connection was away", async () => {
    const door = await Door.to(server.port);
    const it = open(door.url);
    const [statuses, links] = [heard(it, "conversation.statusChanged"), heard(it, "link")];
    await links.until(({ state }) => state === "open");
    const direct = createWorkspace({ baseUrl: server.url }).conversations;
    const becomes = (status) => statuses.until((event) => event.conversationId === "busy" && event.status === status);
    for (let rounds = 0; rounds < 2; rounds += 1) {
      await direct.send({ conversationId: "busy", message: LONG });
      await becomes("active");
      await direct.stop("busy");
      await becomes("idle");
      statuses.forget();
      links.forget();
      door.cut();
      await links.until(({ state }) => state === "open");
    }
    // What has changed meanwhile is in the list.
    assert.equal((await it.conversations.list({ idPrefix: "busy" }))[0].status, "idle");
    door.close();
  });

  test("conversations that are opened, compacted and deleted are told, with none being watched", async () => {
    const it = open();
    const told = ["open", "compacted", "deleted"].map((name) => heard(it, `conversation.${name}`));
    await heard(it, "link").until(({ state }) => state === "open");
    const { conversations } = it;
    for (let turn = 0; turn < 3; turn += 1) {
      await conversations.stream({ conversationId: "short", message: `say ${"many words ".repeat(20)}${turn}` }).text();
    }
    await server.ask("POST", "/conversations/short/open");
    const compacted = await conversations.compact("short", { keepLastN: 2 });
    await conversations.delete("short");
    const isIt = ({ conversationId }) => conversationId === "short";
    const [opening, compaction, deletion] = await Promise.all(told.map((heard) => heard.until(isIt)));
    assert.equal(opening.type, "conversation.open");
    assert.equal(compaction.newConversationId, compacted.newConversationId);
    assert.equal(deletion.type, "conversation.deleted");
  });

  test("a conversation is watched over the same connection", async () => {
    const door = await Door.to(server.port);
    const it = open(door.url);
    const events = it.conversations.watch("shared");
    watched(it, { surfaceId: "message-queue", conversationId: "shared" });
    await heard(it, "link").until(({ state }) => state === "open");
    assert.equal(door.visits, 1);
    await createWorkspace({ baseUrl: server.url }).conversations.send({ conversationId: "shared", message: "say hello" });
    const types = [];
    while (types.at(-1) !== "turn-sealed") types.push((await events.next()).value.type);
    assert.equal(types[0], "user-message");
    assert.equal(door.visits, 1);
    await events.return();
    door.close();
  });

  test("an image of the log comes as bytes", async () => {
    const it = open();
    const message = { conversationId: "a/picture", message: "say hello", images: [{ url: `data:image/png;base64,${DOT}` }] };
    await it.conversations.stream(message).text();
    const { chunks } = await it.conversations.history("a/picture");
    const { url } = chunks.map(({ chunk }) => chunk).find(({ type }) => type === "image");
    const image = await it.image(url);
    assert.equal(image.type, "image/png");
    assert.deepEqual(Buffer.from(await image.arrayBuffer()), Buffer.from(DOT, "base64"));
    await assert.rejects(it.image(url.replace(/[^/]+$/, "none.png")), { code: "not-found" });
  });

  test("prompts, helpers and models are read, and the prompt is written", async () => {
    const it = open();
    const { template } = await it.systemPrompt();
    assert.deepEqual(await it.setSystemPrompt("You work in [prompt:cwd]."), { template: "You work in [prompt:cwd]." });
    assert.deepEqual(await it.systemPrompt(), { template: "You work in [prompt:cwd]." });
    await it.setSystemPrompt(template);
    assert.ok((await it.systemPromptVariables()).some(({ type, name }) => type === "prompt" && name === "cwd"));
    assert.deepEqual(await it.mcp("tour"), { conversationId: "tour", cwd: null, servers: [] });
    assert.deepEqual(await it.lsp("tour"), { conversationId: "tour", cwd: null, servers: [] });
    assert.ok((await it.realtimeModels()).some(({ name }) => name === "mirage"));
  });
});

describe("with keys", () => {
  const config = (...keys) => `[auth]\napi_keys = ${JSON.stringify(keys)}\n`;
  let server;
  let operator;
  before(async () => {
    server = await Server.start(config("an-operator"));
    operator = createWorkspace({ baseUrl: server.url, apiKey: "an-operator" });
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
  });

  test("a key is made, credited, used and revoked, and what it used is in the books", async () => {
    const { key, secret } = await operator.keys.create({ name: "the shop", credits: "5" });
    assert.deepEqual([key.name, key.balance, key.funds], ["the shop", "5", "prepaid"]);
    const deposit = { credits: "2.5", depositId: "invoice-1" };
    assert.equal((await operator.keys.credit(key.id, deposit)).balance, "7.5");
    assert.equal((await operator.keys.credit(key.id, deposit)).balance, "7.5", "once");
    assert.equal((await operator.keys.credit(key.id, { credits: "-1" })).balance, "6.5");

    const shop = createWorkspace({ baseUrl: server.url, apiKey: secret });
    await shop.conversations.stream({ conversationId: "shopping", message: "say hello" }).text();
    const { from, to, usage } = await operator.usage({ key: key.id });
    assert.deepEqual(
      usage.map(({ key, model, steps, seconds }) => ({ key, model, steps, seconds })),
      [{ key: key.id, model: "demo/demo", steps: 1, seconds: 0 }],
    );
    assert.equal(usage[0].day, to);
    assert.deepEqual((await shop.usage({ from, to })).usage, usage);
    assert.deepEqual(await operator.usage({ from: "2001-01-01", to: "2001-01-02" }), {
      from: "2001-01-01",
      to: "2001-01-02",
      usage: [],
    });
    for (const period of ["day", "week", "month"]) {
      const { models } = await operator.throughput(period);
      assert.deepEqual(models.map(({ model, turns }) => [model, turns]), [["demo/demo", 1]], period);
    }

    await assert.rejects(shop.keys.list(), { code: "operator-only", status: 403 });
    await operator.keys.revoke(key.id);
    const listed = (await operator.keys.list()).find(({ id }) => id === key.id);
    assert.ok(listed.revokedAt > 0);
    await assert.rejects(shop.usage(), { code: "unauthorized" });
    await assert.rejects(operator.keys.credit("none", { credits: "1" }), { code: "not-found" });
  });

  test("sessions are listed, and one that there is not is none", async () => {
    assert.deepEqual(await operator.sessions.list(), []);
    assert.deepEqual(await operator.sessions.list({ limit: 5 }), []);
    await assert.rejects(operator.sessions.receipt("none"), { code: "not-found" });
    await assert.rejects(operator.sessions.end("none"), { code: "not-found" });
  });

  test("a key that is wrong is refused, and what was wanted goes on when it is right", async () => {
    const late = createWorkspace({ baseUrl: server.url, apiKey: "a-later-one", reconnectFor: Infinity });
    const [links, specs] = [heard(late, "link"), watched(late, { surfaceId: "loaded-extensions" })];
    const { error } = await links.until(({ state }) => state === "refused");
    assert.deepEqual([error.code, error.status], ["unauthorized", 401]);
    await assert.rejects(late.conversations.watch("tour").next(), { code: "unauthorized" });
    assert.equal(late.link.state, "refused");
    await server.kill();
    await writeFile(join(server.folder, "dispatch.toml"), `${config("an-operator", "a-later-one")}[realtime]\nudp = ["127.0.0.1:0"]\n`);
    await server.run();
    late.retry();
    await specs.until(() => true);
    assert.deepEqual(late.link, { state: "open" });
    // The server goes away and comes back: nobody has to do anything.
    links.forget();
    specs.forget();
    await server.kill();
    await links.until(({ state }) => state === "waiting");
    await server.run();
    await specs.until(() => true);
  });
});
