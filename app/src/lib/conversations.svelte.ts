// The list of conversations: read once, then as it changes, on whichever device that happens.

import type { ConversationMeta } from "@dispatch/client";
import type { LinkState, Workspace, WorkspaceEvents } from "@dispatch/client/workspace";
import { clock } from "./clock.svelte";
import { explain } from "./errors";
import { server } from "./server.svelte";

/** What the list needs of a workspace. */
export type Source = Pick<Workspace, "on"> & {
  readonly conversations: Pick<Workspace["conversations"], "list" | "setTitle" | "close" | "reopen" | "delete">;
};

/** Changes close to one another are read together: milliseconds. */
const TOGETHER = 150;

/** More changed conversations than these are read with the whole list. */
const ONE_BY_ONE = 4;

/** A change that was heard of: it also holds for a list that was being read meanwhile. */
type Change = (known: Map<string, ConversationMeta>) => void;

export class ConversationList {
  #known = $state.raw<ReadonlyMap<string, ConversationMeta>>(new Map());
  #state = $state<"loading" | "ready" | "failed">("loading");
  #error = $state<unknown>();
  readonly #all = $derived([...this.#known.values()].sort((a, b) => b.lastActivityAt - a.lastActivityAt));
  readonly #archives = $derived(new Set(this.#all.flatMap(({ compactedFrom }) => compactedFrom ?? [])));

  #source: Source | undefined;
  /** What was heard since each list that is still being read was asked for. */
  readonly #reading = new Set<Change[]>();
  readonly #changed = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #listeners = new Set<(gone: string) => void>();

  /** Whether it is being read for the first time, was read, or could not be. Reactive, as all of it. */
  get state(): "loading" | "ready" | "failed" {
    return this.#state;
  }

  /** Why it could not be read. */
  get error(): unknown {
    return this.#error;
  }

  /** The last active first. */
  get all(): readonly ConversationMeta[] {
    return this.#all;
  }

  get(id: string): ConversationMeta | undefined {
    return this.#known.get(id);
  }

  /** Whether it keeps the history of another one from before a compaction. */
  isArchive(id: string): boolean {
    return this.#archives.has(id);
  }

  /** Reads it and listens, until the returned function is called. */
  follow(source: Source): () => void {
    this.#source = source;
    this.#known = new Map();
    this.#state = "loading";
    this.#error = undefined;
    let wasOpen = false;
    const heard: readonly (() => void)[] = [
      source.on("link", ({ state }: LinkState) => {
        // What happened before is not told.
        if (state === "open" && !wasOpen) void this.read();
        wasOpen = state === "open";
      }),
      source.on("conversation.statusChanged", (event) => this.#statusChanged(event)),
      source.on("conversation.titleChanged", (event) => this.#titleChanged(event)),
      source.on("conversation.compacted", ({ conversationId, newConversationId }) =>
        this.#readSoon(conversationId, newConversationId),
      ),
      source.on("conversation.deleted", ({ conversationId }) => this.#deleted(conversationId)),
    ];
    void this.read();
    return () => {
      for (const leave of heard) leave();
      clearTimeout(this.#timer);
      this.#timer = undefined;
      this.#changed.clear();
      this.#reading.clear();
      if (this.#source === source) this.#source = undefined;
    };
  }

  /** Reads all of it anew. */
  async read(): Promise<void> {
    const source = this.#source;
    if (!source) return;
    const meanwhile: Change[] = [];
    this.#reading.add(meanwhile);
    try {
      const list = await source.conversations.list();
      if (!this.#reading.has(meanwhile)) return;
      // What was asked for before and comes later is older.
      for (const older of this.#reading) {
        if (older === meanwhile) break;
        this.#reading.delete(older);
      }
      const known = new Map(list.map((meta) => [meta.id, meta]));
      for (const change of meanwhile) change(known);
      const before = this.#known;
      this.#known = known;
      this.#state = "ready";
      this.#error = undefined;
      for (const id of before.keys()) if (!known.has(id)) this.#tellGone(id);
    } catch (error) {
      if (!this.#reading.has(meanwhile)) return;
      this.#error = error;
      // What was read before is better than nothing.
      if (this.#state === "loading") this.#state = "failed";
    } finally {
      this.#reading.delete(meanwhile);
    }
  }

  /** Reads it again after it could not be read. */
  retry(): void {
    this.#state = "loading";
    void this.read();
  }

  async rename(id: string, title: string): Promise<void> {
    const kept = await this.#asked().conversations.setTitle(id, title);
    if (this.#known.has(id)) this.#patch(id, { title: kept });
    else this.#readSoon(id);
  }

  async close(id: string): Promise<void> {
    await this.#asked().conversations.close(id);
    this.#patch(id, { status: "closed" });
  }

  /** Opens one again that was closed. */
  async reopen(id: string): Promise<void> {
    const { status } = await this.#asked().conversations.reopen(id);
    this.#patch(id, { status });
  }

  /** Deletes it for good; with `force` also while something runs in it. */
  async remove(id: string, { force = false }: { readonly force?: boolean } = {}): Promise<void> {
    await this.#asked().conversations.delete(id, { force });
    this.#deleted(id);
  }

  /** Tells when one is gone, wherever it was deleted. */
  onGone(listener: (id: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #asked(): Source {
    return this.#source ?? server.workspace;
  }

  #statusChanged({ conversationId: id, status }: WorkspaceEvents["conversation.statusChanged"]): void {
    // On top, whatever the clock of this device says.
    const lastActivityAt = Math.max(clock.now(), (this.#all[0]?.lastActivityAt ?? 0) + 1);
    this.#patch(id, { status, ...(status === "active" && { lastActivityAt }) });
    // Its times, and the title that its first message gives it, are not told.
    this.#readSoon(id);
  }

  #titleChanged({ conversationId: id, title }: WorkspaceEvents["conversation.titleChanged"]): void {
    if (this.#known.has(id)) this.#patch(id, { title });
    else this.#readSoon(id);
  }

  #deleted(id: string): void {
    const wasKnown = this.#known.has(id);
    this.#change((known) => known.delete(id));
    if (wasKnown) this.#tellGone(id);
  }

  #patch(id: string, part: Partial<ConversationMeta>): void {
    this.#change((known) => {
      const meta = known.get(id);
      if (meta) known.set(id, { ...meta, ...part });
    });
  }

  #change(change: Change): void {
    for (const meanwhile of this.#reading) meanwhile.push(change);
    const known = new Map(this.#known);
    change(known);
    this.#known = known;
  }

  #readSoon(...ids: readonly string[]): void {
    for (const id of ids) this.#changed.add(id);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const changed = [...this.#changed];
      this.#changed.clear();
      if (changed.length > ONE_BY_ONE) void this.read();
      else for (const id of changed) void this.#readOne(id);
    }, TOGETHER);
  }

  async #readOne(id: string): Promise<void> {
    const meanwhile: Change[] = [];
    this.#reading.add(meanwhile);
    try {
      const list = await this.#source?.conversations.list({ idPrefix: id });
      const meta = list?.find((entry) => entry.id === id);
      if (!meta || !this.#reading.delete(meanwhile)) return;
      const known = new Map([[id, meta]]);
      for (const change of meanwhile) change(known);
      const now = known.get(id);
      if (now) this.#change((all) => all.set(id, now));
    } catch {
      // The next change, or the next connection, reads it again.
    } finally {
      this.#reading.delete(meanwhile);
    }
  }

  #tellGone(id: string): void {
    for (const listener of this.#listeners) listener(id);
  }
}

/** What it is called where it is listed. */
export function titleOf(meta: Pick<ConversationMeta, "title"> | undefined): string {
  return meta?.title.trim() || "Untitled";
}

/** Those whose title has all the words of the query, or whose id begins with it. */
export function filtered(all: readonly ConversationMeta[], query: string): readonly ConversationMeta[] {
  const text = query.trim().toLowerCase();
  if (!text) return all;
  const words = text.split(/\s+/);
  return all.filter(({ id, title }) => {
    const lower = title.toLowerCase();
    return id.toLowerCase().startsWith(text) || words.every((word) => lower.includes(word));
  });
}

export const conversations = new ConversationList();

/** What to say where the list could not be read. */
export function whyUnread(): string {
  const { text, hint } = explain(conversations.error);
  return hint ? `${text} ${hint}` : text;
}
