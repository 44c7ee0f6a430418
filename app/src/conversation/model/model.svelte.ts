// A conversation that is shown, brought up to date as long as it is.

import type {
  ConversationMeta,
  ImageInput,
  QueuedMessage,
  QueuedMessageExtras,
  ReasoningEffort,
  StepMetrics,
} from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";
import { toasts } from "../../lib/toasts.svelte";
import type { ConversationView } from "../view";
import { Follower } from "./follower.svelte.js";
import type { Metrics, Picture, Said, Turn } from "./items.js";
import { type Echo, Outbox } from "./outbox.svelte.js";
import { Settings } from "./settings.svelte.js";
import { hasOlder } from "./transcript.js";

/** What the list of conversations knows of one, and does for it. */
export interface Register {
  get(id: string): Pick<ConversationMeta, "title" | "status" | "lastActivityAt" | "compactedFrom"> | undefined;
  rename(id: string, title: string): Promise<void>;
}

type Queued = QueuedMessage & QueuedMessageExtras;

interface Options {
  /** Its first message makes it. */
  readonly isNew?: boolean;
  /** The server has a message of it, whether or not anybody still looks. */
  readonly begun?: () => void;
}

export class ConversationModel implements ConversationView {
  readonly id: string;
  /** What it is asked of. */
  readonly workspace: Workspace;
  readonly #register: Register;
  readonly #begun: () => void;
  readonly #settings: Settings;
  readonly #outbox = new Outbox();
  readonly #follower: Follower;

  #metrics = $state.raw<readonly Metrics[]>([]);
  #queue = $state.raw<readonly Queued[]>([]);
  readonly #metricsByTurn = $derived(new Map(this.#metrics.map((metrics) => [metrics.turnId, metrics])));
  #isReadingMetrics = false;
  readonly #newest = $derived(this.live.at(-1) ?? this.turns.at(-1));
  /** The same for as long as no step ends. */
  readonly #told = $derived(this.#newest?.told);
  readonly #toldOf = $derived(this.#newest?.turnId);
  readonly #allMetrics = $derived.by(() => {
    const [told, turnId] = [this.#told, this.#toldOf];
    if (!told || turnId === undefined || told.steps.length === 0 || this.#metricsByTurn.has(turnId)) return this.#metrics;
    return [...this.#metrics, told.end ?? soFar(turnId, told.steps)];
  });

  constructor(workspace: Workspace, id: string, register: Register, { isNew = false, begun = () => {} }: Options = {}) {
    this.workspace = workspace;
    this.id = id;
    this.#register = register;
    this.#begun = begun;
    this.#settings = new Settings(workspace, id, !isNew);
    this.#follower = new Follower(workspace, id, {
      changed: () => this.#settle(),
      read: () => void this.#readMetrics(),
    });
    if (isNew) this.#follower.isNew();
    else this.#follow();
  }

  get state(): ConversationView["state"] {
    return this.#follower.state;
  }

  get error(): string | undefined {
    return this.#follower.error;
  }

  get isEmpty(): boolean {
    return this.turns.length + this.live.length + this.#outbox.echoes.length === 0;
  }

  /** The server has a message of it, at least. */
  get isBegun(): boolean {
    return this.turns.length + this.live.length > 0 || this.#outbox.echoes.some(({ isSent }) => isSent);
  }

  get isDeleted(): boolean {
    return this.#follower.transcript.isDeleted;
  }

  /** How often its log was replaced: by compactions, mostly. */
  get generation(): number {
    return this.#follower.generation;
  }

  /** Written turns, oldest first, as far as they were read. */
  get turns(): readonly Turn[] {
    return this.#follower.transcript.turns;
  }

  /** Turns that are not written yet: at most one of them runs. */
  get live(): readonly Turn[] {
    return this.#follower.transcript.live;
  }

  /** What was sent from here and is not heard of yet. */
  get echoes(): readonly Echo[] {
    return this.#outbox.echoes;
  }

  get hasOlder(): boolean {
    return hasOlder(this.#follower.transcript);
  }

  get isReadingOlder(): boolean {
    return this.#follower.isReadingOlder;
  }

  get activeTurn(): string | undefined {
    return this.live.find(({ state }) => state === "running")?.turnId;
  }

  get metrics(): readonly Metrics[] {
    return this.#allMetrics;
  }

  get archive(): string | undefined {
    return this.#register.get(this.id)?.compactedFrom;
  }

  get compactedAt(): number | undefined {
    // Nothing was written since into what it has become the archive of.
    return this.archive === undefined ? undefined : this.#register.get(this.archive)?.lastActivityAt;
  }

  get isClosed(): boolean {
    return this.#register.get(this.id)?.status === "closed";
  }

  get title(): string {
    return this.#register.get(this.id)?.title ?? "";
  }

  get model(): string | null {
    return this.#settings.model;
  }

  get effort(): ReasoningEffort | null {
    return this.#settings.effort;
  }

  get cwd(): string | null {
    return this.#settings.cwd;
  }

  get queue(): readonly QueuedMessage[] {
    return this.#queue;
  }

  /** What is known of a turn that is over. */
  metricsOf({ turnId, told }: Turn): Metrics | undefined {
    const kept = this.#metricsByTurn.get(turnId ?? "");
    return told?.end && kept ? { ...told.end, ...kept } : (kept ?? told?.end);
  }

  /** The images of a message: of one that was sent from here and is not written yet, those that are here. */
  picturesOf({ images, messageIds }: Pick<Said, "images" | "messageIds">): readonly Picture[] {
    const own = this.#outbox.picturesOf(messageIds);
    return own.length > 0 ? own : images;
  }

  async send(text: string, images: readonly ImageInput[]): Promise<void> {
    this.#follow();
    await this.#outbox.send(text, images, (clientMessageId) =>
      this.workspace.conversations.send({
        conversationId: this.id,
        clientMessageId,
        message: text,
        ...(images.length > 0 && { images }),
        whenActive: "queue",
        ...this.#settings.first,
      }),
    );
    this.#settle();
    this.#begun();
    // The message has arrived, whatever becomes of this.
    this.#settings.keep().catch((error: unknown) => toasts.fail(error, "keep the effort for later turns"));
  }

  async stop(): Promise<void> {
    await this.workspace.conversations.stop(this.id);
  }

  async cancelQueued(messageId: string): Promise<boolean> {
    const { cancelled, queue } = await this.workspace.conversations.cancelQueued(this.id, messageId);
    this.#queue = queue;
    return cancelled;
  }

  setTitle(title: string): Promise<void> {
    return this.#register.rename(this.id, title);
  }

  setModel(model: string | null): Promise<void> {
    return this.#settings.setModel(model);
  }

  setEffort(effort: ReasoningEffort): Promise<void> {
    return this.#settings.setEffort(effort);
  }

  setCwd(cwd: string | null): Promise<void> {
    return this.#settings.setCwd(cwd);
  }

  async compact(): Promise<void> {
    await this.workspace.conversations.compact(this.id);
  }

  leave(): void {
    this.#follower.leave();
  }

  /** Reads it again after it could not be read. */
  retry(): void {
    this.#follower.retry();
  }

  /** Reads a page of what was before; with `sinceSeq` all from there. */
  older(sinceSeq?: number): Promise<void> {
    return this.#follower.older(sinceSeq);
  }

  #follow(): void {
    if (!this.#follower.start()) return;
    const surface = { conversationId: this.id };
    const left = [
      this.workspace.watchSurface({ surfaceId: "message-queue", ...surface }, ({ fields }) => {
        const field = fields.find(({ kind }) => kind === "custom");
        this.#queue = (field?.kind === "custom" && (field.payload as { messages?: Queued[] }).messages) || [];
        this.#settle();
      }),
      // It changes with each of the settings, whoever sets them.
      this.workspace.watchSurface({ surfaceId: "conversation", ...surface }, () => this.#readSettings()),
    ];
    this.#follower.hasLeft.addEventListener("abort", () => left.forEach((leave) => leave()));
    this.#readSettings();
  }

  #settle(): void {
    this.#outbox.settle(this.live, this.turns, this.#queue);
  }

  async #readMetrics(): Promise<void> {
    if (this.#isReadingMetrics) return;
    this.#isReadingMetrics = true;
    try {
      // What was sealed meanwhile is in the next ones.
      for (let due = -1; due !== this.#follower.transcript.due; ) {
        due = this.#follower.transcript.due;
        this.#metrics = await this.workspace.conversations.metrics(this.id);
      }
    } catch {
      // They are read again with the next turn.
    } finally {
      this.#isReadingMetrics = false;
    }
  }

  #readSettings(): void {
    // What could not be read stays as it was: the next change, or the next connection, reads it again.
    this.#settings.read().catch(() => undefined);
  }
}

/** Of a turn that goes on: what its steps have said. */
function soFar(turnId: string, steps: readonly StepMetrics[]): Metrics {
  const sum = (of: (usage: StepMetrics["usage"]) => number | undefined) =>
    steps.reduce((all, { usage }) => all + (of(usage) ?? 0), 0);
  const { inputTokens, outputTokens } = steps.at(-1)!.usage;
  return {
    turnId,
    steps,
    usage: {
      inputTokens: sum((usage) => usage.inputTokens),
      outputTokens: sum((usage) => usage.outputTokens),
      cacheReadTokens: sum((usage) => usage.cacheReadTokens),
    },
    ...(inputTokens + outputTokens > 0 && { contextSize: inputTokens + outputTokens }),
  };
}
