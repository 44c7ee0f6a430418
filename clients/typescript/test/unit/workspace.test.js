// A workspace and its connection, with a server that is none.

import assert from "node:assert/strict";
import test, { afterEach, beforeEach } from "node:test";
import { DispatchError } from "../../dist/client.js";
import { createWorkspace } from "../../dist/workspace.js";
import { Pretence, pretendBrowser } from "../pretence.js";

const browser = pretendBrowser();
const PANEL = { surfaceId: "panel", conversationId: "tour" };

let server;
let workspace;
let links;
let leaves;
beforeEach(() => {
  server = new Pretence();
  workspace = createWorkspace(server.options);
  links = [];
  leaves = [];
});
afterEach(() => {
  for (const leave of leaves) leave();
});

function on(name, handler) {
  const leave = workspace.on(name, handler);
  leaves.push(leave);
  return leave;
}

function watch(surface, handler) {
  const leave = workspace.watchSurface(surface, handler);
  leaves.push(leave);
  return leave;
}

/** The workspace is connected, and all about its connection is noted. */
async function connected() {
  const leave = on("link", ({ state }) => links.push(state));
  await server.settle();
  return leave;
}

/** What the server was told on the newest socket, without the frame that asks for extensions. */
function told() {
  return server.sockets.at(-1).sent.filter(({ extensions }) => !extensions);
}

const versions = (specs) => specs.map(({ fields }) => Number(fields[0].value));

test("there is a connection as long as somebody wants something", async () => {
  await server.settle();
  assert.equal(server.sockets.length, 0);
  assert.deepEqual(workspace.link, { state: "connecting" });
  on("link", () => {});
  on("refused", () => {});
  watch(PANEL, () => {});
  const events = workspace.conversations.watch("tour");
  await server.settle();
  assert.equal(server.sockets.length, 1);
  for (const leave of leaves) {
    assert.equal(server.sockets[0].readyState, 1);
    leave();
    leave();
  }
  assert.equal(server.sockets[0].readyState, 1, "a conversation is watched");
  assert.deepEqual(workspace.link, { state: "open" });
  await events.return();
  assert.equal(server.sockets[0].readyState, 3);
  assert.deepEqual(workspace.link, { state: "connecting" });
  on("catalog", () => {})();
  assert.equal(server.sockets.length, 2, "it can be wanted again");
});

test("what is beyond the contract is asked for, and nothing is watched for it", async () => {
  const heard = [];
  on("catalog", (catalog) => heard.push(catalog));
  await connected();
  assert.deepEqual(
    server.socket.sent.map(({ conversationId, ...frame }) => frame),
    [{ type: "chat.unsubscribe", extensions: true }],
  );
  assert.deepEqual([server.socket.isExtended, server.socket.conversations.size], [true, 0]);
  assert.deepEqual(heard, [server.catalog]);
  assert.deepEqual(workspace.catalog, server.catalog);
  assert.deepEqual(links, ["connecting", "open"]);
});

test("what every client is told is told, to those who listen", async () => {
  const frames = [
    { type: "conversation.open", conversationId: "tour" },
    { type: "conversation.statusChanged", conversationId: "tour", status: "active", workspaceId: "default" },
    { type: "conversation.titleChanged", conversationId: "tour", title: "A tour" },
    { type: "conversation.compacted", conversationId: "tour", newConversationId: "a", messagesSummarized: 2, messagesKept: 1 },
    { type: "conversation.deleted", conversationId: "tour" },
  ];
  const heard = [];
  const [leave] = frames.map(({ type }) => on(type, (frame) => heard.push(frame)));
  await server.settle();
  frames.forEach((frame) => server.tell(frame));
  server.tell({ type: "of.a.later.version" });
  await server.settle();
  assert.deepEqual(heard, frames);
  leave();
  server.tell(frames[0]);
  await server.settle();
  assert.equal(heard.length, frames.length);
});

test("a handler that fails stops nobody, and one that leaves is not told", async (context) => {
  const { mock } = context.mock.method(console, "error", () => {});
  const heard = [];
  on("conversation.open", () => {
    heard.push("first");
    leave();
    throw new Error("a mistake");
  });
  const leave = on("conversation.open", () => heard.push("second"));
  on("conversation.open", () => heard.push("third"));
  await server.settle();
  server.tell({ type: "conversation.open", conversationId: "tour" });
  await server.settle();
  assert.deepEqual(heard, ["first", "third"]);
  assert.equal(mock.callCount(), 1);
});

test("those who watch the same surface share it", async () => {
  const [first, second] = [[], []];
  const leave = watch(PANEL, (spec) => first.push(spec));
  await server.settle();
  const leaveToo = watch({ ...PANEL }, (spec) => second.push(spec));
  assert.deepEqual(second, [], "not before its caller knows how to leave");
  await server.settle();
  server.change("panel of tour");
  await server.settle();
  assert.deepEqual([versions(first), versions(second)], [[0, 1], [0, 1]]);
  leave();
  leave();
  assert.deepEqual(told(), [{ type: "subscribe", ...PANEL }]);
  server.change("panel of tour");
  await server.settle();
  assert.deepEqual([versions(first), versions(second)], [[0, 1], [0, 1, 2]]);
  on("link", () => {});
  leaveToo();
  assert.deepEqual(told().at(-1), { type: "unsubscribe", ...PANEL });
});

test("whoever leaves at once hears nothing, and the same handler can watch twice", async () => {
  const heard = [];
  const handler = (spec) => heard.push(spec);
  watch(PANEL, handler);
  await server.settle();
  watch(PANEL, handler)();
  await server.settle();
  assert.equal(heard.length, 1);
  watch(PANEL, handler);
  await server.settle();
  server.change("panel of tour");
  await server.settle();
  assert.deepEqual(versions(heard), [0, 0, 1, 1]);
});

test("surfaces are told apart by their conversation, except where they are the same for all", async () => {
  const heard = { one: [], two: [], none: [], all: [], allOfOne: [] };
  const hear = (name, surfaceId, conversationId) =>
    watch({ surfaceId, conversationId }, (spec) => heard[name].push(spec));
  hear("one", "panel", "one");
  hear("two", "panel", "two");
  hear("none", "panel");
  hear("all", "all");
  hear("allOfOne", "all", "one");
  await server.settle();
  for (const key of ["panel of one", "panel", "all"]) server.change(key);
  await server.settle();
  const last = Object.entries(heard).map(([name, specs]) => [name, versions(specs).at(-1)]);
  assert.deepEqual(Object.fromEntries(last), { one: 1, two: 0, none: 1, all: 1, allOfOne: 1 });
  assert.ok(heard.two.length === 1 && heard.one.length === 2);
});

test("a surface that is not there, and an action that fails, are refused", async () => {
  const refused = [];
  on("refused", ({ error, ...rest }) => refused.push([error.code, error.message, rest]));
  const specs = [];
  watch({ surfaceId: "later" }, (spec) => specs.push(spec));
  await server.settle();
  assert.deepEqual(refused.splice(0), [["unknown-surface", "Unknown surface: later", { surfaceId: "later" }]]);
  const action = { ...PANEL, actionId: "panel/do", payload: 7 };
  workspace.invoke({ ...action, note: "not the server's" });
  assert.deepEqual(told().at(-1), { type: "invoke", ...action });
  server.tell({ type: "error", surfaceId: "panel", code: "action-failed", message: "not like that" });
  server.tell({ type: "error", message: "what?" });
  await server.settle();
  assert.deepEqual(refused.splice(0), [
    ["action-failed", "not like that", { surfaceId: "panel" }],
    ["invalid-request", "what?", {}],
  ]);
  // A later server has it.
  server.catalog = [...server.catalog, { id: "later", region: "side", title: "Later", scope: "global" }];
  server.socket.end();
  workspace.retry();
  await server.settle();
  assert.equal(specs.length, 1);
  assert.deepEqual(refused, []);
});

test("without a connection an action is refused at once", async () => {
  const refused = [];
  on("refused", ({ error, surfaceId }) => refused.push([error.code, error.permanent, surfaceId]));
  workspace.invoke({ ...PANEL, actionId: "panel/do" });
  assert.deepEqual(refused, [["unreachable", undefined, "panel"]]);
});

test("a connection that is lost is made anew, and surfaces are given as they are then", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const specs = [];
  watch(PANEL, (spec) => specs.push(spec));
  const states = [];
  on("link", (link) => states.push(link));
  await server.settle();
  server.isThere = false;
  server.socket.end();
  server.change("panel of tour");
  const first = states.at(-1);
  assert.deepEqual([first.state, first.attempt], ["waiting", 1], "at once");
  assert.ok(first.until >= Date.now() + 100 && first.until <= Date.now() + 150);
  context.mock.timers.tick(150);
  await server.settle();
  assert.deepEqual(
    states.slice(3).map(({ state, attempt }) => [state, attempt]),
    [["connecting", undefined], ["waiting", 2]],
  );
  assert.ok(states.at(-1).until >= Date.now() + 200 && states.at(-1).until <= Date.now() + 300);
  server.isThere = true;
  context.mock.timers.tick(300);
  await server.settle();
  assert.deepEqual(workspace.link, { state: "open" });
  assert.deepEqual(versions(specs), [0, 1]);
  assert.equal(server.sockets.length, 3);
  server.socket.end();
  assert.equal(workspace.link.attempt, 1, "it is counted from the last time that there was one");
});

test("a server that is away for ever is looked for for ever", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const events = workspace.conversations.watch("tour");
  await connected();
  server.isThere = false;
  server.socket.end();
  for (let tries = 0; tries < 60; tries += 1) {
    context.mock.timers.tick(12_000);
    await server.settle();
  }
  assert.deepEqual([workspace.link.state, server.sockets.length], ["waiting", 61]);
  server.isThere = true;
  context.mock.timers.tick(12_000);
  await server.settle();
  assert.equal(workspace.link.state, "open");
  assert.ok(server.socket.conversations.has("tour"));
  await events.return();
});

test("a wrong key is said, and what is wanted goes on when it is tried again", async () => {
  const specs = [];
  watch(PANEL, (spec) => specs.push(spec));
  const events = workspace.conversations.watch("tour");
  server.status = 401;
  await connected();
  assert.deepEqual(links, ["connecting", "refused"]);
  const { error } = workspace.link;
  assert.ok(error instanceof DispatchError);
  assert.deepEqual([error.code, error.status, error.permanent], ["unauthorized", 401, true]);
  await assert.rejects(events.next(), { code: "unauthorized" });
  // Nothing else asks for a connection then.
  watch({ surfaceId: "all" }, () => {});
  browser.online();
  await server.settle();
  assert.equal(server.sockets.length, 1);
  workspace.retry();
  await server.settle();
  assert.deepEqual(links, ["connecting", "refused", "connecting", "refused"]);
  server.status = 200;
  workspace.retry();
  await server.settle();
  assert.deepEqual(workspace.link, { state: "open" });
  assert.equal(specs.length, 1);
  assert.deepEqual([...server.socket.surfaces], ["panel of tour", "all"]);
});

test("a server that is given up is looked for when there is a network again", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  workspace = createWorkspace({ ...server.options, reconnectFor: 0 });
  server.isThere = false;
  await connected();
  assert.deepEqual([workspace.link.state, workspace.link.error.code], ["waiting", "unreachable"]);
  context.mock.timers.tick(150);
  await server.settle();
  assert.deepEqual([workspace.link.state, workspace.link.error.code], ["refused", "unreachable"]);
  browser.online();
  await server.settle();
  assert.equal(workspace.link.state, "waiting", "from now on, and not from when it was lost");
  server.isThere = true;
  browser.online();
  await server.settle();
  assert.equal(workspace.link.state, "open");
});

for (const [what, happens] of [
  ["retry is called", () => workspace.retry()],
  ["there is a network again", () => browser.online()],
  ["the page is looked at again", () => browser.look("visible")],
]) {
  test(`what is waited for is tried at once when ${what}`, async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    await connected();
    server.socket.end();
    assert.equal(workspace.link.state, "waiting");
    browser.look("hidden");
    await server.settle();
    assert.equal(server.sockets.length, 1);
    happens();
    await server.settle();
    assert.deepEqual(links, ["connecting", "open", "waiting", "connecting", "open"]);
    context.mock.timers.tick(20_000 - 1);
    await server.settle();
    assert.equal(server.sockets.length, 2, "the other attempt is none any more");
  });
}

/** How long a socket, and the server's word why there is none, are waited for. */
const PATIENCE = 10_000;

const why = ({ state, error }) => [state, error && `${error.code}: ${error.message}`];

test("a socket that nobody answers is given up, and why is said until there is one", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const heard = [];
  on("link", (link) => heard.push(why(link)));
  server.isMute = true;
  await server.settle();
  context.mock.timers.tick(PATIENCE - 1);
  assert.deepEqual([server.sockets.length, heard], [1, [["connecting", undefined]]]);
  context.mock.timers.tick(1);
  await server.settle();
  const reason = "unreachable: the server does not answer";
  assert.deepEqual(heard.splice(1), [["waiting", reason]]);
  assert.deepEqual([server.sockets[0].readyState, server.requests.length], [3, 0], "it is not asked what it does not answer");
  context.mock.timers.tick(150);
  await server.settle();
  assert.deepEqual(heard.splice(1), [["connecting", reason]]);
  server.isMute = false;
  workspace.retry();
  await server.settle();
  assert.deepEqual(workspace.link, { state: "open" });
  server.socket.end();
  assert.deepEqual(why(workspace.link), ["waiting", "unreachable: the connection to the server was lost"]);
});

test("why there is no socket is what the server answers to a request", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const next = async () => {
    context.mock.timers.tick(1_000);
    await server.settle();
    return why(workspace.link);
  };
  server.isThere = false;
  await connected();
  assert.deepEqual(why(workspace.link), ["waiting", "unreachable: the server cannot be reached"]);
  server.isThere = true;
  server.status = 503;
  assert.deepEqual(await next(), ["waiting", "unauthorized: no such key"], "whatever it calls it");
  server.status = 200;
  server.hasSockets = false;
  const blocked = "refused: the server answers, but no WebSocket gets through";
  assert.deepEqual(await next(), ["waiting", blocked]);
  server.hasSockets = true;
  assert.deepEqual(await next(), ["open", undefined]);
});

test("also a server that does not answer whether the key is good is tried again", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { fetch } = server.options;
  let asked = 0;
  let answer;
  const mute = (url, init) => {
    asked += 1;
    return new Promise((resolve) => (answer = () => resolve(fetch(url, init))));
  };
  workspace = createWorkspace({ ...server.options, fetch: mute });
  server.isThere = false;
  await connected();
  assert.deepEqual([asked, workspace.link.state], [1, "connecting"]);
  context.mock.timers.tick(PATIENCE);
  await server.settle();
  assert.deepEqual(why(workspace.link), ["waiting", "unreachable: the server does not answer"]);
  server.isThere = true;
  context.mock.timers.tick(150);
  await server.settle();
  assert.deepEqual([server.sockets.length, workspace.link.state], [2, "open"]);
  answer();
  await server.settle();
  assert.deepEqual(links, ["connecting", "waiting", "connecting", "open"], "an answer that comes too late is none");
});

test("without a network it is waited at once, whatever the socket says", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const events = workspace.conversations.watch("tour");
  await connected();
  browser.offline();
  assert.deepEqual(links, ["connecting", "open", "waiting"]);
  assert.equal(server.sockets[0].readyState, 3);
  browser.offline();
  browser.online();
  await server.settle();
  assert.deepEqual(links, ["connecting", "open", "waiting", "connecting", "open"]);
  assert.equal(server.sockets.length, 2);
  assert.ok(server.socket.conversations.has("tour"));
  await events.return();
});

test("a connection that seems to be there is asked when the page is looked at again", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const refused = [];
  on("refused", (refusal) => refused.push(refusal));
  await connected();
  browser.look("visible");
  context.mock.timers.tick(0);
  assert.deepEqual(told(), [{ type: "subscribe", surfaceId: "none" }]);
  await server.settle();
  assert.deepEqual(refused, [], "the answer is nobody's business");
  context.mock.timers.tick(20_000 - 1);
  assert.equal(workspace.link.state, "open", "it has answered");
  server.socket.isDeaf = true;
  browser.look("visible");
  context.mock.timers.tick(0);
  context.mock.timers.tick(20_000);
  assert.equal(workspace.link.state, "waiting");
});

test("a browser is not heeded by those whom nobody wants anything of", async (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const leave = await connected();
  server.socket.end();
  leave();
  browser.online();
  workspace.retry();
  context.mock.timers.tick(60_000);
  await server.settle();
  assert.equal(server.sockets.length, 1);
  on("link", () => {});
  await server.settle();
  assert.deepEqual([server.sockets.length, workspace.link.state], [2, "open"]);
});

test("whoever leaves while the connection is made leaves none", async () => {
  const leave = on("link", () => {});
  leave();
  await server.settle();
  assert.deepEqual([server.sockets.length, server.sockets[0].readyState], [1, 3]);
  const stop = on("link", ({ state }) => state === "open" && stop());
  await server.settle();
  assert.equal(server.sockets[1].readyState, 3);
});

test("no event has the key in it, and a workspace neither", async () => {
  const apiKey = "dsp_a-key";
  workspace = createWorkspace({ ...server.options, apiKey });
  server.status = 401;
  const heard = [];
  on("link", (link) => heard.push(link));
  await server.settle();
  const { error } = heard.at(-1);
  for (const text of [JSON.stringify([heard, workspace]), error.stack, String(error)]) assert.ok(!text.includes(apiKey));
  const broken = createWorkspace({
    apiKey,
    WebSocket: class {
      constructor(url) {
        throw new SyntaxError(url);
      }
    },
  });
  broken.on("link", (link) => heard.push(link));
  assert.deepEqual([heard.at(-1).state, heard.at(-1).error.code], ["refused", "unreachable"]);
  assert.ok(!String(heard.at(-1).error.stack).includes(apiKey));
});

test("without a WebSocket there is no workspace", () => {
  assert.throws(() => createWorkspace({ WebSocket: null }), { code: "invalid_state" });
});
