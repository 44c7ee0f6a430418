// A workspace whose server is a few lines of the test.

import type { ConversationEvent, DispatchError, Message, Sent, TurnMetrics } from "@dispatch/client";
import type { LinkState, Workspace } from "@dispatch/client/workspace";
import type { Register } from "../model.svelte.js";
import type { Logged } from "../history.js";

type Handler = (event: never) => void;

export class FakeServer {
  chunks: readonly Logged[] = [];
  metrics: readonly TurnMetrics[] = [];
  /** What the next requests fail with. */
  failures: (DispatchError | Error)[] = [];
  readonly sent: Message[] = [];
  readonly asked: string[] = [];
  readonly settings: Record<string, unknown> = { model: null, reasoningEffort: null, cwd: null };
  onSend: (message: Message) => Sent | Promise<Sent> = ({ conversationId = "", clientMessageId = "" }) => {
    return { conversationId, clientMessageId, turnId: "turn-0" };
  };
  readonly #handlers = new Map<string, Set<Handler>>();
  readonly #watchers = new Set<(event: ConversationEvent | Error) => void>();
  link: LinkState = { state: "open" };

  /** Tells everybody who watches. */
  say(...events: readonly ConversationEvent[]): void {
    for (const event of events) for (const tell of this.#watchers) tell(event);
  }

  /** Watchers fail. */
  fail(error: Error): void {
    for (const tell of this.#watchers) tell(error);
  }

  tell(name: string, event: unknown): void {
    if (name === "link") this.link = event as LinkState;
    for (const handler of this.#handlers.get(name) ?? []) handler(event as never);
  }

  get watchers(): number {
    return this.#watchers.size;
  }

  get workspace(): Workspace {
    const server = this;
    const workspace = {
      get link() {
        return server.link;
      },
      on: (name: string, handler: Handler) => this.#on(name, handler),
      watchSurface: ({ surfaceId }: { surfaceId: string }, handler: Handler) => this.#on(surfaceId, handler),
      conversations: {
        watch: (_: string, { signal }: { signal: AbortSignal }) => this.#watch(signal),
        history: async (_: string, query: Query) => this.#answer(`history ${parts(query)}`, () => this.#history(query)),
        metrics: async () => this.#answer("metrics", () => this.metrics),
        send: (message: Message) => {
          this.sent.push(message);
          return this.#answer("send", () => this.onSend(message));
        },
        stop: () => this.#answer("stop", () => ({ abortedTurn: true })),
        cancelQueued: (_: string, id: string) => this.#answer(`cancel ${id}`, () => ({ cancelled: true, queue: [] })),
        compact: () => this.#answer("compact", () => ({})),
        model: () => this.#answer("model", () => this.settings["model"]),
        reasoningEffort: () => this.#answer("effort", () => this.settings["reasoningEffort"]),
        cwd: () => this.#answer("cwd", () => this.settings["cwd"]),
        setModel: (_: string, model: string) => this.#answer("set model", () => (this.settings["model"] = model)),
        setReasoningEffort: (_: string, effort: string) =>
          this.#answer("set effort", () => (this.settings["reasoningEffort"] = effort)),
        setCwd: (_: string, cwd: string) => this.#answer("set cwd", () => (this.settings["cwd"] = cwd)),
      },
    };
    return workspace as unknown as Workspace;
  }

  async #answer<T>(what: string, answer: () => T | Promise<T>): Promise<T> {
    this.asked.push(what);
    const failure = this.failures.shift();
    if (failure) throw failure;
    return answer();
  }

  #history({ sinceSeq = 0, beforeSeq = Infinity, limit = Infinity }: Query) {
    const chosen = this.chunks.filter(({ seq }) => seq > sinceSeq && seq < beforeSeq);
    const chunks = chosen.slice(-Math.min(limit, chosen.length) || chosen.length);
    return { chunks, latestSeq: chunks.at(-1)?.seq ?? sinceSeq };
  }

  #on(name: string, handler: Handler): () => void {
    const all = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, all.add(handler));
    return () => void all.delete(handler);
  }

  async *#watch(signal: AbortSignal): AsyncGenerator<ConversationEvent> {
    const heard: (ConversationEvent | Error)[] = [];
    let wake = () => {};
    const tell = (event: ConversationEvent | Error) => {
      heard.push(event);
      wake();
    };
    this.#watchers.add(tell);
    signal.addEventListener("abort", () => wake());
    try {
      while (!signal.aborted) {
        const event = heard.shift();
        if (event instanceof Error) throw event;
        if (event) yield event;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.#watchers.delete(tell);
    }
  }
}

interface Query {
  readonly sinceSeq?: number;
  readonly beforeSeq?: number;
  readonly limit?: number;
}

function parts({ sinceSeq, beforeSeq, limit }: Query): string {
  return JSON.stringify({ sinceSeq, beforeSeq, limit });
}

export const register: Register = { get: () => undefined, rename: async () => undefined };
