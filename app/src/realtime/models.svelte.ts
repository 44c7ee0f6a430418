// The models there are, and the one that is chosen.

import type { RealtimeModel } from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";
import { local } from "../lib/storage";

const KEY = "dispatch.realtime.model";

/** What is chosen until something else is: the name that clients have asked for the longest. */
const USUAL = "mirage";

export class Models {
  #state = $state<"loading" | "ready" | "failed">("loading");
  #all = $state.raw<readonly RealtimeModel[]>([]);
  #name = $state(local.get(KEY) ?? USUAL);
  #error = $state.raw<unknown>();
  #reading = 0;
  /** Whose they are: another key may have others. */
  #owner: unknown;

  get state(): "loading" | "ready" | "failed" {
    return this.#state;
  }

  get all(): readonly RealtimeModel[] {
    return this.#all;
  }

  get error(): unknown {
    return this.#error;
  }

  /** None, as long as there is none. Reactive. */
  get chosen(): RealtimeModel | undefined {
    return this.#all.find(({ name }) => name === this.#name) ?? this.#all[0];
  }

  choose(name: string): void {
    this.#name = name;
    local.set(KEY, name);
  }

  async read(workspace: Pick<Workspace, "realtimeModels">): Promise<void> {
    this.#reading += 1;
    const reading = this.#reading;
    if (workspace !== this.#owner) this.#all = [];
    this.#owner = workspace;
    this.#state = "loading";
    try {
      const all = await workspace.realtimeModels();
      if (reading !== this.#reading) return;
      this.#all = all;
      this.#state = "ready";
    } catch (error) {
      if (reading !== this.#reading) return;
      this.#error = error;
      this.#state = "failed";
    }
  }
}
