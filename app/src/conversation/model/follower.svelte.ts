// The transcript of a conversation, kept up to date: read at first, then heard, and read again where something may be missing.

import { type ConversationEvent, DispatchError } from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";
import { clock } from "../../lib/clock.svelte";
import { explain } from "../../lib/errors";
import { Frames } from "./frames.js";
import { EMPTY, type State, asked, hasOlder, isStale, since, withEvents, withHistory, withOlder } from "./transcript.js";

/** How many chunks are read at first, and how many more at a time. */
const PAGE = 200;

/** When to try again what could not be read, if the connection says nothing meanwhile: milliseconds. */
const AGAIN = 5_000;

export interface Listener {
  /** There is more of it. */
  changed(): void;
  /** The history has been brought up to date. */
  read(): void;
}

export class Follower {
  readonly #workspace: Workspace;
  readonly #id: string;
  readonly #listener: Listener;
  readonly #frames = new Frames(() => this.#flush());
  readonly #leaving = new AbortController();

  #transcript = $state.raw<State>(EMPTY);
  #state = $state<"loading" | "ready" | "failed">("loading");
  #error = $state<string>();
  #isReadingOlder = $state(false);
  readonly #generation = $derived(this.#transcript.generation);

  /** Events that were heard since the last frame. */
  #heard: ConversationEvent[] = [];
  #isReading = false;
  #isWatching = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Whether a turn was heard since the conversation became active. */
  #wasHeard = false;

  constructor(workspace: Workspace, id: string, listener: Listener) {
    this.#workspace = workspace;
    this.#id = id;
    this.#listener = listener;
  }

  /** Reactive, as all of it. */
  get transcript(): State {
    return this.#transcript;
  }

  get state(): "loading" | "ready" | "failed" {
    return this.#state;
  }

  /** Why it could not be read. */
  get error(): string | undefined {
    return this.#error;
  }

  get isReadingOlder(): boolean {
    return this.#isReadingOlder;
  }

  /** How often its log was replaced. */
  get generation(): number {
    return this.#generation;
  }

  get hasLeft(): AbortSignal {
    return this.#leaving.signal;
  }

  /** There is nothing of it to be read. */
  isNew(): void {
    this.#state = "ready";
  }

  /** Hears everything from now on, and reads what was before. False if it does already. */
  start(): boolean {
    if (this.#isWatching) return false;
    this.#isWatching = true;
    let wasOpen = this.#workspace.link.state === "open";
    const left = [
      this.#workspace.on("link", ({ state }) => {
        const isOpen = state === "open";
        // What happened before the connection was there is only in the history: also that the log was replaced.
        if (isOpen && !wasOpen) this.#isDue();
        wasOpen = isOpen;
      }),
      this.#workspace.on("conversation.statusChanged", ({ conversationId, status }) => {
        if (conversationId !== this.#id) return;
        if (status === "active") this.#wasHeard = false;
        else if (!this.#wasHeard) this.#isDue();
      }),
    ];
    this.hasLeft.addEventListener("abort", () => left.forEach((leave) => leave()));
    void this.#listen();
    void this.#read();
    return true;
  }

  /** Reads it again after it could not be read. */
  retry(): void {
    this.#state = "loading";
    this.#error = undefined;
    void this.#read();
  }

  /** Reads a page of what was before; with `sinceSeq` all from there. */
  async older(sinceSeq?: number): Promise<void> {
    const beforeSeq = this.#transcript.chunks[0]?.seq;
    if (this.#isReadingOlder || beforeSeq === undefined || !hasOlder(this.#transcript)) return;
    this.#isReadingOlder = true;
    try {
      const ask = asked(this.#transcript);
      const part = sinceSeq === undefined ? { limit: PAGE } : { sinceSeq: sinceSeq - 1 };
      const query = { beforeSeq, ...part, signal: this.hasLeft };
      this.#transcript = withOlder(this.#transcript, await this.#workspace.conversations.history(this.#id, query), ask);
    } catch (error) {
      if (!this.hasLeft.aborted) throw error;
    } finally {
      this.#isReadingOlder = false;
    }
  }

  leave(): void {
    this.#leaving.abort();
    this.#frames.leave();
    clearTimeout(this.#timer);
  }

  async #listen(): Promise<void> {
    const signal = this.hasLeft;
    while (!signal.aborted) {
      try {
        for await (const event of this.#workspace.conversations.watch(this.#id, { signal })) {
          this.#heard.push(event);
          this.#frames.ask();
        }
      } catch {
        if (signal.aborted) return;
        // The connection says why. It may be there again at some time.
        await this.#untilOpen();
        this.#isDue();
      }
    }
  }

  /** Until the connection is there again, or some time has gone by. */
  #untilOpen(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        leave();
        resolve();
      };
      let last = this.#workspace.link.state;
      // A server that refuses is not asked again before something has changed.
      const timer = last === "refused" ? undefined : setTimeout(done, AGAIN);
      const leave = this.#workspace.on("link", ({ state }) => {
        if (state === "open" && last !== "open") done();
        last = state;
      });
      this.hasLeft.addEventListener("abort", done, { once: true });
    });
  }

  #flush(): void {
    const heard = this.#heard.splice(0);
    if (heard.some((event) => "turnId" in event)) this.#wasHeard = true;
    this.#transcript = withEvents(this.#transcript, heard, clock.now());
    this.#listener.changed();
    if (isStale(this.#transcript)) void this.#read();
  }

  #isDue(): void {
    this.#transcript = { ...this.#transcript, due: this.#transcript.due + 1 };
    void this.#read();
  }

  /** Brings the history up to date, as often as that is needed. */
  async #read(): Promise<void> {
    const signal = this.hasLeft;
    if (this.#isReading || signal.aborted) return;
    this.#isReading = true;
    clearTimeout(this.#timer);
    try {
      while (isStale(this.#transcript) && !signal.aborted) {
        const ask = asked(this.#transcript);
        const sinceSeq = since(this.#transcript);
        const part = sinceSeq > 0 ? { sinceSeq } : { limit: PAGE };
        const page = await this.#workspace.conversations.history(this.#id, { ...part, signal });
        this.#transcript = withHistory(this.#transcript, page, ask);
        this.#state = "ready";
        this.#error = undefined;
        this.#listener.changed();
      }
      this.#listener.read();
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    } finally {
      this.#isReading = false;
    }
  }

  #failed(error: unknown): void {
    const { text, hint } = explain(error);
    this.#error = hint ? `${text} ${hint}` : text;
    if (this.#state === "loading") this.#state = "failed";
    const isFinal = error instanceof DispatchError && error.permanent;
    if (!isFinal) this.#timer = setTimeout(() => void this.#read(), AGAIN);
  }
}
