import type { ConversationMeta } from "@dispatch/client";
import { DispatchError } from "@dispatch/client";
import type { WorkspaceEvents } from "@dispatch/client/workspace";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ConversationList, type Source, filtered, titleOf } from "./conversations.svelte";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function meta(id: string, lastActivityAt: number, more: Partial<ConversationMeta> = {}): ConversationMeta & { workspaceId: string } {
  return { id, createdAt: 1, lastActivityAt, title: `Title of ${id}`, status: "idle", workspaceId: "default", ...more };
}

/** A server, as far as the list sees it. Reads are answered when the test says so. */
class FakeServer {
  conversations = [meta("a", 3), meta("b", 2), meta("c", 1)];
  readonly calls: unknown[] = [];
  #handlers = new Map<string, Set<(event: never) => void>>();
  #held: (() => void)[] | undefined;
  failure: Error | undefined;

  readonly source: Source = {
    on: (name, handler) => {
      const handlers = this.#handlers.get(name) ?? new Set();
      this.#handlers.set(name, handlers.add(handler as (event: never) => void));
      return () => void handlers.delete(handler as (event: never) => void);
    },
    conversations: {
      list: async (query = {}) => {
        this.calls.push(["list", query.idPrefix ?? "all"]);
        const found = this.conversations.filter(({ id }) => id.startsWith(query.idPrefix ?? ""));
        if (this.#held) await new Promise<void>((resolve) => this.#held?.push(resolve));
        if (this.failure) throw this.failure;
        return found;
      },
      setTitle: async (id, title) => {
        this.calls.push(["setTitle", id, title]);
        return title.trim();
      },
      close: async (conversationId) => {
        this.calls.push(["close", conversationId]);
        return { conversationId, abortedTurn: false };
      },
      reopen: async (conversationId) => {
        this.calls.push(["reopen", conversationId]);
        return { conversationId, isActive: false, status: "idle" };
      },
      delete: async (conversationId, { force = false } = {}) => {
        if (this.failure) throw this.failure;
        this.calls.push(["delete", conversationId, force]);
        return { conversationId, deleted: true };
      },
    },
  };

  get listeners(): number {
    return [...this.#handlers.values()].reduce((sum, handlers) => sum + handlers.size, 0);
  }

  tell<Name extends keyof WorkspaceEvents>(name: Name, event: WorkspaceEvents[Name]): void {
    for (const handler of this.#handlers.get(name) ?? []) handler(event as never);
  }

  /** From now on answers wait. */
  hold(): void {
    this.#held ??= [];
  }

  /** From now on answers come at once. Those that wait come when the returned function is called. */
  answering(): () => void {
    const held = this.#held ?? [];
    this.#held = undefined;
    return () => held.forEach((resolve) => resolve());
  }

  async answer(): Promise<void> {
    this.answering()();
    await vi.advanceTimersByTimeAsync(0);
  }
}

async function followed(server = new FakeServer()): Promise<{ server: FakeServer; list: ConversationList; leave: () => void }> {
  const list = new ConversationList();
  const leave = list.follow(server.source);
  await vi.advanceTimersByTimeAsync(0);
  return { server, list, leave };
}

const ids = (list: ConversationList) => list.all.map(({ id }) => id);
const status = (conversationId: string, now: ConversationMeta["status"]) =>
  ({ type: "conversation.statusChanged", conversationId, status: now }) as const;
const deleted = (conversationId: string) => ({ type: "conversation.deleted", conversationId }) as const;

test("is read, the last active first", async () => {
  const server = new FakeServer();
  server.conversations.reverse();
  const { list } = await followed(server);
  expect([list.state, ids(list)]).toEqual(["ready", ["a", "b", "c"]]);
});

test("a status changes at once, and the rest is read for that one alone", async () => {
  const { server, list } = await followed();
  server.calls.length = 0;
  server.conversations[2] = meta("c", 9, { status: "active", title: "Another title" });
  server.tell("conversation.statusChanged", status("c", "active"));
  expect([list.get("c")?.status, ids(list)]).toEqual(["active", ["c", "a", "b"]]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.calls).toEqual([["list", "c"]]);
  expect(list.get("c")?.title).toBe("Another title");
});

test("what another device has begun is read in", async () => {
  const { server, list } = await followed();
  server.conversations.push(meta("new", 20, { status: "active" }));
  server.tell("conversation.statusChanged", status("new", "active"));
  await vi.advanceTimersByTimeAsync(1_000);
  expect(ids(list)).toEqual(["new", "a", "b", "c"]);
});

test("many changes are read with the whole list, once", async () => {
  const { server, list } = await followed();
  server.calls.length = 0;
  for (let n = 0; n < 20; n += 1) {
    server.conversations.push(meta(`n${n}`, 100 + n, { status: "active" }));
    server.tell("conversation.statusChanged", status(`n${n}`, "active"));
  }
  await vi.advanceTimersByTimeAsync(1_000);
  expect(server.calls).toEqual([["list", "all"]]);
  expect(list.all.length).toBe(23);
});

test("what is heard while the list is read holds for what was read", async () => {
  const server = new FakeServer();
  server.hold();
  const list = new ConversationList();
  list.follow(server.source);
  server.tell("conversation.deleted", deleted("b"));
  server.tell("conversation.statusChanged", status("a", "active"));
  await server.answer();
  expect(list.all.map(({ id, status }) => [id, status])).toEqual([
    ["a", "active"],
    ["c", "idle"],
  ]);
});

test("one that is deleted while it is read does not come back", async () => {
  const { server, list } = await followed();
  server.hold();
  server.tell("conversation.statusChanged", status("b", "idle"));
  await vi.advanceTimersByTimeAsync(1_000);
  server.tell("conversation.deleted", deleted("b"));
  await server.answer();
  expect(ids(list)).toEqual(["a", "c"]);
});

test("a connection that is back reads everything, and says what is gone", async () => {
  const { server, list } = await followed();
  const gone: string[] = [];
  list.onGone((id) => gone.push(id));
  server.tell("link", { state: "open" });
  server.tell("link", { state: "waiting", until: 0, attempt: 1, error: new DispatchError("unreachable", "it is gone") });
  server.conversations = [meta("d", 30), meta("a", 3)];
  server.tell("link", { state: "connecting" });
  server.tell("link", { state: "open" });
  await vi.advanceTimersByTimeAsync(0);
  expect([ids(list), gone]).toEqual([["d", "a"], ["b", "c"]]);
});

test("says once that one is gone, whoever deleted it", async () => {
  const { server, list } = await followed();
  const gone: string[] = [];
  const leave = list.onGone((id) => gone.push(id));
  await list.remove("a", { force: true });
  server.tell("conversation.deleted", deleted("a"));
  expect([gone, ids(list), server.calls.at(-1)]).toEqual([["a"], ["b", "c"], ["delete", "a", true]]);
  leave();
  await list.remove("b");
  expect(gone).toEqual(["a"]);
});

test("what could not be deleted stays", async () => {
  const { server, list } = await followed();
  server.failure = new DispatchError("conversation-active", "it is active", { status: 409 });
  await expect(list.remove("a")).rejects.toThrow("it is active");
  expect(ids(list)).toEqual(["a", "b", "c"]);
});

test("titles, closing and opening again show at once", async () => {
  const { list } = await followed();
  await list.rename("a", " Mine ");
  await list.close("b");
  expect([list.get("a")?.title, list.get("b")?.status]).toEqual(["Mine", "closed"]);
  await list.reopen("b");
  expect(list.get("b")?.status).toBe("idle");
});

test("knows archives by those that were compacted", async () => {
  const { server, list } = await followed();
  server.conversations = [meta("a", 5, { compactedFrom: "old" }), meta("old", 4, { status: "closed" })];
  server.tell("conversation.compacted", {
    type: "conversation.compacted",
    conversationId: "a",
    newConversationId: "old",
    messagesSummarized: 4,
    messagesKept: 2,
  });
  await vi.advanceTimersByTimeAsync(1_000);
  expect([list.isArchive("old"), list.isArchive("a"), list.get("a")?.compactedFrom]).toEqual([true, false, "old"]);
});

test("a list that could not be read says so, and can be tried again", async () => {
  const server = new FakeServer();
  server.failure = new DispatchError("unreachable", "the server cannot be reached");
  const { list } = await followed(server);
  expect([list.state, list.error]).toEqual(["failed", server.failure]);
  server.failure = undefined;
  list.retry();
  expect(list.state).toBe("loading");
  await vi.advanceTimersByTimeAsync(0);
  expect([list.state, list.error, ids(list)]).toEqual(["ready", undefined, ["a", "b", "c"]]);
});

test("a title that is changed elsewhere shows at once, also one of a conversation that is new here", async () => {
  const { server, list } = await followed();
  server.calls.length = 0;
  const changed = (conversationId: string) =>
    server.tell("conversation.titleChanged", {
      type: "conversation.titleChanged",
      conversationId,
      title: "Changed elsewhere",
    });
  changed("a");
  expect([list.get("a")?.title, server.calls]).toEqual(["Changed elsewhere", []]);
  server.conversations.push(meta("new", 20, { title: "Changed elsewhere" }));
  changed("new");
  await vi.advanceTimersByTimeAsync(1_000);
  expect([list.get("new")?.title, server.calls]).toEqual(["Changed elsewhere", [["list", "new"]]]);
});

test("one that becomes active is on top, whatever the clock of this device says", async () => {
  const { server, list } = await followed();
  server.conversations[0] = meta("a", Date.now() + 3_600_000);
  await list.read();
  server.tell("conversation.statusChanged", status("c", "active"));
  expect(ids(list)).toEqual(["c", "a", "b"]);
});

test("a list that was asked for earlier and comes later changes nothing", async () => {
  const { server, list } = await followed();
  const gone: string[] = [];
  list.onGone((id) => gone.push(id));
  server.hold();
  const early = list.read();
  await vi.advanceTimersByTimeAsync(0);
  const answer = server.answering();
  server.conversations = [...server.conversations, meta("new", 20)];
  await list.read();
  answer();
  await early;
  expect([ids(list), gone]).toEqual([["new", "a", "b", "c"], []]);
});

test("what was read stays when it cannot be read again", async () => {
  const { server, list } = await followed();
  server.failure = new DispatchError("unreachable", "the server cannot be reached");
  await list.read();
  expect([list.state, ids(list)]).toEqual(["ready", ["a", "b", "c"]]);
});

test("another server's list takes the place of the first one, however late that answers", async () => {
  const first = new FakeServer();
  first.hold();
  const list = new ConversationList();
  list.follow(first.source)();
  const second = new FakeServer();
  second.conversations = [meta("z", 1)];
  list.follow(second.source);
  await vi.advanceTimersByTimeAsync(0);
  await first.answer();
  expect([ids(list), first.listeners]).toEqual([["z"], 0]);
});

test("filters by the words of titles, and the beginning of ids", () => {
  const all = [meta("3f2a", 1, { title: "Mend the tests" }), meta("b", 2, { title: "Tests of the parser" }), meta("c", 3, { title: "" })];
  const found = (query: string) => filtered(all, query).map(({ id }) => id);
  expect([found(""), found(" TESTS "), found("the mend"), found("3F2"), found("x"), found("2a")]).toEqual([
    ["3f2a", "b", "c"],
    ["3f2a", "b"],
    ["3f2a"],
    ["3f2a"],
    [],
    [],
  ]);
  expect(titleOf(all[2])).toBe("Untitled");
});
