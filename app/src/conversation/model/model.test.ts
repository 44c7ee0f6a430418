import { type ConversationEvent, DispatchError, type TurnEvent, type Usage } from "@dispatch/client";
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

  test("is read anew when its log was replaced while there was no connection", async () => {
    const random = new Random(5);
    server.chunks = [...turn(random, "turn-0", 1).chunks];
    server.chunks = [...server.chunks, ...turn(random, "turn-1", server.chunks.length + 1).chunks];
    const shown = await open();
    expect(shown.turns).toHaveLength(2);
    server.tell("link", { state: "waiting", until: 0, attempt: 1 });
    server.chunks = [{ seq: 1, role: "system", chunk: { type: "text", text: "They spoke." } }];
    server.tell("link", { state: "open" });
    await settle();
    expect(shown.generation).toBe(1);
    expect(shown.turns).toMatchObject([{ items: [{ kind: "note", text: "They spoke." }] }]);
  });

  test("says what the steps of a turn that goes on have taken, and nothing twice", async () => {
    server.metrics = [{ turnId: "turn-9", usage: { inputTokens: 1, outputTokens: 1 }, steps: [] }];
    const shown = await open();
    const step = (number: number, usage: Usage): ConversationEvent[] => {
      const stepId = `turn-0#${number}` as never;
      return [{ type: "usage", ...ids, stepId, usage }, { type: "step-complete", ...ids, stepId, genTotalMs: 4 }];
    };
    server.say(userMessage("hello"));
    await settle();
    expect(shown.metrics.map(({ turnId }) => turnId)).toEqual(["turn-9"]);
    server.say(...step(0, { inputTokens: 10, outputTokens: 2 }), ...step(1, { inputTokens: 20, outputTokens: 3, cacheReadTokens: 9 }));
    await settle();
    expect(shown.metrics[1]).toMatchObject({
      turnId: "turn-0",
      usage: { inputTokens: 30, outputTokens: 5, cacheReadTokens: 9 },
      contextSize: 23,
      steps: [{ genTotalMs: 4 }, { genTotalMs: 4 }],
    });
    const before = shown.metrics;
    server.say({ type: "text-delta", ...ids, delta: "more" });
    await settle();
    expect(shown.metrics).toBe(before);

    server.say({ type: "done", ...ids, reason: "stop", durationMs: 7, usage: { inputTokens: 30, outputTokens: 5 }, contextSize: 23 });
    await settle();
    expect(shown.metrics[1]).toMatchObject({ turnId: "turn-0", durationMs: 7 });
    server.metrics = [...server.metrics, { turnId: "turn-0", usage: { inputTokens: 30, outputTokens: 5 }, steps: [], durationMs: 8 }];
    server.say({ type: "turn-sealed", ...ids });
    await settle();
    expect(shown.metrics.map(({ turnId, durationMs }) => [turnId, durationMs])).toEqual([["turn-9", undefined], ["turn-0", 8]]);
  });

  test("knows when it was compacted, and that it is closed", async () => {
    const known = {
      c: { title: "One", status: "closed", lastActivityAt: 9, compactedFrom: "a" },
      a: { title: "One", status: "closed", lastActivityAt: 5 },
    } as const;
    model = new ConversationModel(server.workspace, "c", { ...register, get: (id) => known[id as keyof typeof known] });
    expect([model.archive, model.compactedAt, model.isClosed]).toEqual(["a", 5, true]);
    model.leave();
    const other = await open();
    expect([other.archive, other.compactedAt, other.isClosed]).toEqual([undefined, undefined, false]);
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
    const kept = { url: "/images/c/1.png" };
    server.say({ ...(userMessage("look", server.sent[0]!.clientMessageId) as TurnEvent & { type: "user-message" }), images: [kept] });
    await settle();
    const said = shown.live[0]!.items[0]!;
    expect(said.kind === "said" && shown.picturesOf(said)).toEqual([{ url }]);
    // To another device they come with the message.
    expect(said.kind === "said" && shown.picturesOf({ ...said, messageIds: ["from elsewhere"] })).toEqual([kept]);
  });

  test("makes a conversation, with what was chosen for it", async () => {
    const begun = vi.fn();
    const shown = await open({ isNew: true, begun });
    expect(server.asked).toEqual([]);
    await shown.setModel("scripted/small");
    await shown.setEffort("low");
    await shown.setCwd("/srv");
    expect(server.asked).toEqual([]);
    const { onSend } = server;
    server.onSend = () => {
      throw away;
    };
    await expect(shown.send("hello", [])).rejects.toBe(away);
    expect(shown.isBegun).toBe(false);
    expect(begun).not.toHaveBeenCalled();
    server.sent.length = 0;
    server.onSend = onSend;
    // It is one also if nobody looks any more when its message arrives.
    const sending = shown.send("hello", []);
    shown.leave();
    await sending;
    expect(shown.isBegun).toBe(true);
    expect(begun).toHaveBeenCalled();
    expect(server.sent[0]).toMatchObject({ model: "scripted/small", reasoningEffort: "low", cwd: "/srv", whenActive: "queue" });
    await settle();
    expect(server.settings["reasoningEffort"]).toBe("low");
    await shown.send("more", []);
    expect(server.sent[1]).not.toHaveProperty("model");
  });
});
