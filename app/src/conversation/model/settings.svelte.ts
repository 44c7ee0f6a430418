// What a conversation goes by. Of one that does not exist yet, what was chosen for it: it goes with the first message.

import type { Message, ReasoningEffort } from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";

/** What settings need of a workspace. */
export type Source = {
  readonly conversations: Pick<
    Workspace["conversations"],
    "model" | "setModel" | "reasoningEffort" | "setReasoningEffort" | "cwd" | "setCwd"
  >;
};

export class Settings {
  #model = $state<string | null>(null);
  #effort = $state<ReasoningEffort | null>(null);
  #cwd = $state<string | null>(null);
  readonly #source: Source;
  readonly #id: string;
  /** Whether there is a conversation to set them for. */
  #isKept: boolean;
  /** Counts changes made here: what was read before one is old. */
  #changes = 0;

  constructor(source: Source, id: string, isKept: boolean) {
    this.#source = source;
    this.#id = id;
    this.#isKept = isKept;
  }

  get model(): string | null {
    return this.#model;
  }

  get effort(): ReasoningEffort | null {
    return this.#effort;
  }

  get cwd(): string | null {
    return this.#cwd;
  }

  /** What goes with the first message. */
  get first(): Pick<Message, "model" | "cwd" | "reasoningEffort"> {
    if (this.#isKept) return {};
    return {
      ...(this.#model !== null && { model: this.#model }),
      ...(this.#cwd !== null && { cwd: this.#cwd }),
      ...(this.#effort !== null && { reasoningEffort: this.#effort }),
    };
  }

  /** The first message has arrived. The effort that goes with a message holds for its turn only. */
  async keep(): Promise<void> {
    if (this.#isKept) return;
    this.#isKept = true;
    if (this.#effort !== null) await this.#source.conversations.setReasoningEffort(this.#id, this.#effort);
  }

  async read(): Promise<void> {
    if (!this.#isKept) return;
    const changes = this.#changes;
    const { conversations } = this.#source;
    const [model, effort, cwd] = await Promise.all([
      conversations.model(this.#id),
      conversations.reasoningEffort(this.#id),
      conversations.cwd(this.#id),
    ]);
    if (changes !== this.#changes) return;
    this.#model = model;
    this.#effort = effort;
    this.#cwd = cwd;
  }

  async setModel(model: string | null): Promise<void> {
    const kept = this.#isKept ? await this.#source.conversations.setModel(this.#id, model) : model;
    this.#changes += 1;
    this.#model = kept;
  }

  async setEffort(effort: ReasoningEffort): Promise<void> {
    const kept = this.#isKept ? await this.#source.conversations.setReasoningEffort(this.#id, effort) : effort;
    this.#changes += 1;
    this.#effort = kept;
  }

  async setCwd(cwd: string | null): Promise<void> {
    const kept = this.#isKept ? await this.#source.conversations.setCwd(this.#id, cwd) : cwd;
    this.#changes += 1;
    this.#cwd = kept;
  }
}
