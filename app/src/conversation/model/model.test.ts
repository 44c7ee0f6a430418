import { type ConversationEvent, DispatchError } from "@dispatch/client";
import { flushSync } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ConversationModel } from "./model.svelte.js";
import { Random } from "./testing/random.js";
import { turn } from "./testing/turns.js";
import { FakeServer, register } from "./testing/workspace.js";

const away = new DispatchError("unreachable", "the server cannot be reached");
const ids = { conversationId: "c", turnId: "turn-0" };

let server: FakeServer;
let model: ConversationModel | undefined;

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
});

afterEach(() => {
  model?.leave();
  vi.useRealTimers();
});

/** Lets everything happen that is under way. */
async function settle(milliseconds = 50): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
  flushSync();
}

async function open(options = {}): Promise<ConversationModel> {
  model = new ConversationModel(server.workspace, "c", register, options);
  await settle();
  return model;
}

const userMessage = (text: string, clientMessageId?: string): ConversationEvent => {
  return { type: "user-message", ...ids, text, ...(clientMessageId !== undefined && { clientMessageId }) };
};

describe("a conversation that is shown", () => {
  test("is read, and then heard", async () => {
    const made = turn(new Random(1), "turn-9", 1);
    server.chunks = made.chunks;
    const shown = await open();
    expect(shown.state).toBe("ready");
    expect(shown.turns.map(({ turnId }) => turnId)).toEqual(["turn-9"]);
    expect(shown.isEmpty).toBe(false);

    server.say(userMessage("hello"), { type: "turn-start", ...ids });
    await settle();
    expect(shown.activeTurn).toBe("turn-0");
    server.say({ type: "done", ...ids, reason: "stop" });
    await settle();
    expect(shown.activeTurn).toBeUndefined();
    const seq = made.chunks.length + 1;
    server.chunks = [...made.chunks, { seq, role: "user", chunk: { type: "text", text: "hello" }, turnId: "turn-0" }];
    server.metrics = [{ turnId: "turn-0", usage: { inputTokens: 1, outputTokens: 1 }, steps: [] }];
    server.say({ type: "turn-sealed", ...ids });
    await settle();
    expect(shown.turns).toHaveLength(2);
    expect(shown.live).toEqual([]);
    expect(shown.metricsOf(shown.turns[1]!)).toMatchObject({ reason: "stop", usage: { inputTokens: 1 } });
  });

  test("is read in pages, from the end", async () => {
    const random = new Random(2);
    const chunks = [];
    for (let index = 0; chunks.length < 450; index += 1) chunks.push(...turn(random, `t${index}`, chunks.length + 1).chunks);
    server.chunks = chunks;
    const shown = await open();
    expect(server.asked.filter((what) => what.startsWith("history"))).toEqual(['history {"limit":200}']);
    expect(shown.hasOlder).toBe(true);
    await shown.older();
    await shown.older();
    expect(shown.hasOlder).toBe(false);
    expect(shown.turns[0]).toMatchObject({ firstSeq: 1 });
    await shown.older();
    expect(server.asked.filter((what) => what.startsWith("history"))).toHaveLength(3);
  });

  test("that cannot be read says why, and is read again", async () => {
    server.failures = [away];
    const shown = await open();
    expect(shown.state).toBe("failed");
    expect(shown.error).toContain("The server cannot be reached");
    shown.retry();
    await settle();
    expect(shown.state).toBe("ready");
  });

  test("is read anew when the connection is there again", async () => {
    server.link = { state: "connecting" };
    const shown = await open();
    server.chunks = turn(new Random(3), "turn-0", 1).chunks;
    server.tell("link", { state: "open" });
    await settle();
    expect(shown.turns).toHaveLength(1);
    server.tell("link", { state: "waiting", until: 0, attempt: 1 });
    server.chunks = [...server.chunks, ...turn(new Random(4), "turn-1", server.chunks.length + 1).chunks];
    server.tell("link", { state: "open" });
    await settle();
    expect(shown.turns).toHaveLength(2);
  });

  test("is read when a turn was over before it was heard", async () => {
    const shown = await open();
    server.tell("conversation.statusChanged", { conversationId: "c", status: "active" });
    server.chunks = turn(new Random(3), "turn-0", 1).chunks;
    server.tell("conversation.statusChanged", { conversationId: "c", status: "idle" });
    await settle();
    expect(shown.turns).toHaveLength(1);
  });

  test("is watched again after its watch has failed", async () => {
    const shown = await open();
    server.fail(away);
    await settle();
    expect(server.watchers).toBe(0);
    await settle(10_000);
    expect(server.watchers).toBe(1);
    server.say(userMessage("hello"));
    await settle();
    expect(shown.live).toHaveLength(1);
  });

  test("is not asked for any more when it is left", async () => {
    const shown = await open();
    shown.leave();
    await settle();
    expect(server.watchers).toBe(0);
    const { length } = server.asked;
    server.tell("link", { state: "waiting", until: 0, attempt: 1 });
    server.tell("link", { state: "open" });
    server.tell("conversation", {});
    await settle(60_000);
    expect(server.asked).toHaveLength(length);
  });

  test("shows the queue and the settings as they are set anywhere", async () => {
    const shown = await open();
    const message = { id: "q", text: "later", queuedAt: 1 };
    server.tell("message-queue", { fields: [{ kind: "custom", rendererId: "message-queue", payload: { messages: [message] } }] });
    server.settings["model"] = "scripted/small";
    server.tell("conversation", { fields: [] });
    await settle();
    expect(shown.queue).toEqual([message]);
    expect(shown.model).toBe("scripted/small");
    expect(await shown.cancelQueued("q")).toBe(true);
    expect(shown.queue).toEqual([]);
  });
});

describe("a message", () => {
  test("is shown at once, and never twice", async () => {
    const shown = await open();
    let arrive = () => {};
    server.onSend = ({ conversationId = "", clientMessageId = "" }) =>
      new Promise((resolve) => (arrive = () => resolve({ conversationId, clientMessageId, turnId: "turn-0" })));
    const sending = shown.send("hello", []);
    expect(shown.echoes).toMatchObject([{ text: "hello", isSent: false }]);
    server.say(userMessage("hello", server.sent[0]!.clientMessageId));
    await settle();
    expect(shown.echoes).toEqual([]);
    expect(shown.live).toMatchObject([{ items: [{ text: "hello" }] }]);
    arrive();
    await sending;
    expect(shown.echoes).toEqual([]);
  });

  test("that the server has stays until its turn is heard or read", async () => {
    const shown = await open();
    await shown.send("hello", []);
    expect(shown.echoes).toMatchObject([{ text: "hello", isSent: true }]);
    server.chunks = [{ seq: 1, role: "user", chunk: { type: "text", text: "hello" }, turnId: "turn-0" }];
    server.say({ type: "gap", conversationId: "c" });
    await settle();
    expect(shown.echoes).toEqual([]);
    expect(shown.turns).toHaveLength(1);
  });

  test("that is queued is shown with the queue alone", async () => {
    const shown = await open();
    server.onSend = ({ conversationId = "", clientMessageId = "" }) => ({ conversationId, clientMessageId, queue: [] });
    await shown.send("later", []);
    expect(shown.echoes).toEqual([]);
  });

  test("that could not be sent is the same message when it is sent again", async () => {
    const shown = await open();
    server.failures = [away];
    await expect(shown.send("hello", [])).rejects.toBe(away);
    expect(shown.echoes).toEqual([]);
    await shown.send("hello", []);
    expect(server.sent[1]!.clientMessageId).toBe(server.sent[0]!.clientMessageId);
    await shown.send("hello", []);
    expect(server.sent[2]!.clientMessageId).not.toBe(server.sent[1]!.clientMessageId);
  });

  test("whose answer was lost has been sent when it is heard", async () => {
    const shown = await open();
    server.onSend = () => new Promise(() => {});
    const sending = shown.send("hello", []);
    server.say(userMessage("hello", server.sent[0]!.clientMessageId));
    await settle();
    await sending;
  });

  test("has its images until the history has them", async () => {
    const shown = await open();
    const url = "data:image/png;base64,AAAA";
    await shown.send("look", [{ url }]);
    server.say(userMessage("look", server.sent[0]!.clientMessageId));
    await settle();
    const said = shown.live[0]!.items[0]!;
    expect(said.kind === "said" && shown.picturesOf(said)).toEqual([{ url }]);
  });

  test("makes a conversation, with what was chosen for it", async () => {
    const shown = await open({ isNew: true });
    expect(server.asked).toEqual([]);
    await shown.setModel("scripted/small");
    await shown.setEffort("low");
    await shown.setCwd("/srv");
    expect(server.asked).toEqual([]);
    expect(shown.isBegun).toBe(false);
    await shown.send("hello", []);
    expect(shown.isBegun).toBe(true);
    expect(server.sent[0]).toMatchObject({ model: "scripted/small", reasoningEffort: "low", cwd: "/srv", whenActive: "queue" });
    await settle();
    expect(server.settings["reasoningEffort"]).toBe("low");
    await shown.send("more", []);
    expect(server.sent[1]).not.toHaveProperty("model");
  });
});
