// What a workspace asks by requests.

import assert from "node:assert/strict";
import test from "node:test";
import { createWorkspace } from "../../dist/workspace.js";

const KEY = "dsp_a-key";
const ID = "a key/of ours";

/** A workspace whose server answers with that, after so many answers that are lost; and what it was asked. */
function asking(answer = {}, lost = 0) {
  const asked = [];
  const workspace = createWorkspace({
    baseUrl: "https://dispatch.example/below/",
    apiKey: KEY,
    WebSocket: class {},
    fetch: async (url, { method, headers, body }) => {
      assert.equal(headers.authorization, `Bearer ${KEY}`);
      assert.ok(!url.includes(KEY), "the key is in an address");
      asked.push([method, url.replace("https://dispatch.example/below", ""), ...(body ? [JSON.parse(body)] : [])]);
      if (asked.length <= lost) throw new TypeError("fetch failed");
      return answer instanceof Blob ? new Response(answer) : Response.json(answer);
    },
  });
  return { workspace, asked };
}

const requests = {
  "the keys": [(it) => it.keys.list(), { keys: [1] }, [1], ["GET", "/v1/keys"]],
  "the key in use": [(it) => it.keys.self(), { id: ID }, { id: ID }, ["GET", "/v1/keys/self"]],
  "a new key": [(it) => it.keys.create({ name: "shop" }), { secret: "s" }, { secret: "s" }, ["POST", "/v1/keys", { name: "shop" }]],
  "a new key of no name": [(it) => it.keys.create(), {}, {}, ["POST", "/v1/keys", {}]],
  "a deposit": [
    (it) => it.keys.credit(ID, { credits: "5", depositId: "d" }),
    { id: ID },
    { id: ID },
    ["POST", "/v1/keys/a%20key%2Fof%20ours/credit", { credits: "5", depositId: "d" }],
  ],
  "what was used": [(it) => it.usage(), { usage: [] }, { usage: [] }, ["GET", "/v1/usage"]],
  "a part of what was used": [
    (it) => it.usage({ from: "2026-11-01", to: "2026-11-21", key: "k" }),
    {},
    {},
    ["GET", "/v1/usage?from=2026-11-01&to=2026-11-21&key=k"],
  ],
  "how fast models were": [
    (it) => it.throughput("week", "2026-11-21"),
    {},
    {},
    ["GET", "/metrics/throughput?period=week&date=2026-11-21"],
  ],
  "how fast models were in a month": [
    (it) => it.throughput("month", "2026-11-21"),
    {},
    {},
    ["GET", "/metrics/throughput?period=month&date=2026-11"],
  ],
  "the sessions": [(it) => it.sessions.list({ limit: 5 }), { sessions: [1] }, [1], ["GET", "/v1/sessions?limit=5"]],
  "the sessions of a key": [(it) => it.sessions.list({ key: "k" }), { sessions: [1] }, [1], ["GET", "/v1/sessions?key=k"]],
  "a session": [(it) => it.sessions.receipt("s-1"), { seconds: 1 }, { seconds: 1 }, ["GET", "/v1/sessions/s-1"]],
  "the models of sessions": [(it) => it.realtimeModels(), { models: [1] }, [1], ["GET", "/v1/realtime/models"]],
  "the prompt": [(it) => it.systemPrompt(), { template: "" }, { template: "" }, ["GET", "/system-prompt"]],
  "another prompt": [(it) => it.setSystemPrompt("a"), {}, {}, ["PUT", "/system-prompt", { template: "a" }]],
  "what a prompt can name": [
    (it) => it.systemPromptVariables(),
    { variables: [1] },
    [1],
    ["GET", "/system-prompt/variables"],
  ],
  "servers of tools": [(it) => it.mcp("a/b"), {}, {}, ["GET", "/conversations/a%2Fb/mcp"]],
  "servers of languages": [(it) => it.lsp("tour"), {}, {}, ["GET", "/conversations/tour/lsp"]],
  "what a client has": [(it) => it.models(), { models: [] }, { models: [] }, ["GET", "/models"]],
};
for (const [name, [call, answer, given, ...expected]] of Object.entries(requests)) {
  test(`it asks for ${name}`, async () => {
    const { workspace, asked } = asking(answer);
    assert.deepEqual(await call(workspace), given);
    assert.deepEqual(asked, expected);
  });
}

test("it asks how fast models are today", async (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: new Date(2026, 1, 3, 4) });
  const { workspace, asked } = asking();
  await workspace.throughput("day");
  await workspace.throughput("month");
  assert.deepEqual(
    asked.map(([, path]) => path.replace("/metrics/throughput?", "")),
    ["period=day&date=2026-02-03", "period=month&date=2026-02"],
  );
});

const twice = {
  "a deposit, which has a name": (it) => it.keys.credit("k", { credits: "5" }),
  "to revoke a key": (it) => it.keys.revoke("k"),
  "to end a session": (it) => it.sessions.end("s"),
  "an image": (it) => it.image("/images/tour/a.png"),
};
for (const [name, call] of Object.entries(twice)) {
  test(`when an answer is lost, ${name}, is asked again`, async () => {
    const { workspace, asked } = asking({}, 1);
    await call(workspace);
    assert.equal(asked.length, 2);
    assert.deepEqual(asked[0], asked[1]);
  });
}

test("two deposits are two", async () => {
  const { workspace, asked } = asking();
  for (let deposits = 0; deposits < 2; deposits += 1) await workspace.keys.credit("k", { credits: "5" });
  assert.notEqual(asked[0][2].depositId, asked[1][2].depositId);
});

test("when its answer is lost, a key is not made again: there would be two", async () => {
  const { workspace, asked } = asking({}, 1);
  await assert.rejects(workspace.keys.create(), { code: "unreachable" });
  assert.equal(asked.length, 1);
});

test("an image comes with its type", async () => {
  const { workspace, asked } = asking(new Blob(["bytes"], { type: "image/png" }));
  const image = await workspace.image("/images/a%2Fb/1.png");
  assert.deepEqual([image.type, await image.text()], ["image/png", "bytes"]);
  assert.deepEqual(asked, [["GET", "/images/a%2Fb/1.png"]]);
});

test("the key goes nowhere else for the sake of an image", async () => {
  const { workspace, asked } = asking();
  const others = [
    "https://elsewhere.example/images/tour/a.png",
    "//elsewhere.example/images/tour/a.png",
    "\\\\elsewhere.example\\images\\tour\\a.png",
    "/images/../v1/keys",
    "/images/%2e%2e/keys",
    "/images/tour/../../v1/keys",
    "/images/tour",
    "/images/tour/",
    "/v1/keys",
    "data:image/png;base64,AAAA",
    "http://",
    "",
  ];
  for (const url of others) await assert.rejects(workspace.image(url), { code: "invalid_input" }, url);
  assert.deepEqual(asked, []);
});

test("an image that nobody waits for any more is given up", async () => {
  const { workspace } = asking({}, Infinity);
  const controller = new AbortController();
  const image = workspace.image("/images/tour/a.png", controller.signal);
  controller.abort(new Error("enough"));
  await assert.rejects(image, { message: "enough" });
});
