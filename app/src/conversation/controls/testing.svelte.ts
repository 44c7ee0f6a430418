// A conversation for the tests of what is made of one: it does what it is told, and remembers what it was asked.

import type { ImageInput, QueuedMessage, ReasoningEffort, StepMetrics } from "@dispatch/client";
import type { ConversationView } from "../view";
import type { Metered } from "./figures";

export class FakeView implements ConversationView {
  id = $state("c1");
  state = $state<ConversationView["state"]>("ready");
  error = $state<string>();
  isEmpty = $state(false);
  activeTurn = $state<string>();
  metrics = $state.raw<readonly Metered[]>([]);
  archive = $state<string>();
  compactedAt = $state<number>();
  isClosed = $state(false);
  title = $state("A tour");
  model = $state<string | null>(null);
  effort = $state<ReasoningEffort | null>(null);
  cwd = $state<string | null>(null);
  queue = $state.raw<readonly QueuedMessage[]>([]);

  /** What was asked of it: the name of the method, and what it was given. */
  readonly asked: (readonly unknown[])[] = [];
  /** What the next request fails with. */
  failure: unknown;
  /** What all requests wait for. */
  gate: Promise<void> = Promise.resolve();
  /** Whether a message that is cancelled is still in the queue. */
  isQueued = true;

  send(text: string, images: readonly ImageInput[]): Promise<void> {
    return this.#ask("send", text, images);
  }

  stop(): Promise<void> {
    return this.#ask("stop");
  }

  async cancelQueued(messageId: string): Promise<boolean> {
    await this.#ask("cancelQueued", messageId);
    this.queue = this.queue.filter(({ id }) => id !== messageId);
    return this.isQueued;
  }

  async setTitle(title: string): Promise<void> {
    await this.#ask("setTitle", title);
    this.title = title;
  }

  async setModel(model: string | null): Promise<void> {
    await this.#ask("setModel", model);
    this.model = model;
  }

  async setEffort(effort: ReasoningEffort): Promise<void> {
    await this.#ask("setEffort", effort);
    this.effort = effort;
  }

  async setCwd(cwd: string | null): Promise<void> {
    await this.#ask("setCwd", cwd);
    this.cwd = cwd;
  }

  compact(): Promise<void> {
    return this.#ask("compact");
  }

  leave(): void {}

  async #ask(...what: readonly unknown[]): Promise<void> {
    this.asked.push(what);
    await this.gate;
    const { failure } = this;
    this.failure = undefined;
    if (failure !== undefined) throw failure;
  }
}

/** A promise that is kept when somebody says so. */
export function gate(): { readonly shut: Promise<void>; readonly open: () => void } {
  let open!: () => void;
  const shut = new Promise<void>((resolve) => (open = resolve));
  return { shut, open };
}

/** A turn of so many tokens. */
export function turn(turnId: string, more: Partial<Metered> = {}): Metered {
  return { turnId, usage: { inputTokens: 1_000, outputTokens: 200 }, steps: [step()], ...more };
}

export function step(more: Partial<StepMetrics> = {}): StepMetrics {
  return { stepId: "s1" as StepMetrics["stepId"], usage: { inputTokens: 1_000, outputTokens: 200 }, ...more };
}
