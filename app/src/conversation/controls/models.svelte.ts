// The models that a server offers for conversations. They are read once, and again when somebody asks for it.

import type { Client, Models } from "@dispatch/client";
import { type Explanation, explain } from "../../lib/errors";

export type ModelInfo = NonNullable<Models["modelInfo"]>[string];

type Reading =
  | { readonly state: "loading" }
  | { readonly state: "ready"; readonly models: Models }
  | { readonly state: "failed"; readonly problem: Explanation };

export class ModelList {
  #reading = $state.raw<Reading>({ state: "loading" });
  #from: Pick<Client, "models"> | undefined;
  /** Counts the reads, so that only the last one says anything. */
  #reads = 0;

  /** Reactive, like everything here. */
  get state(): Reading["state"] {
    return this.#reading.state;
  }

  /** Why they could not be read. */
  get problem(): Explanation | undefined {
    return this.#reading.state === "failed" ? this.#reading.problem : undefined;
  }

  /** Their names: `credential/model`. */
  get all(): readonly string[] {
    return this.#reading.state === "ready" ? this.#reading.models.models : [];
  }

  info(name: string | null | undefined): ModelInfo | undefined {
    if (name == null || this.#reading.state !== "ready") return undefined;
    return this.#reading.models.modelInfo?.[name];
  }

  /**
   * Whether a model may be sent images. One of which that is not known may, and so may the server's default if any can:
   * what a model cannot see, it is told of.
   */
  takesImages(name: string | null): boolean {
    if (name !== null) return this.info(name)?.vision !== false;
    return this.all.length === 0 || this.all.some((each) => this.info(each)?.vision !== false);
  }

  /** Reads those of that server, unless they are known. */
  use(server: Pick<Client, "models">): void {
    if (server !== this.#from) void this.read(server);
  }

  /** Reads them anew. */
  async read(server: Pick<Client, "models">): Promise<void> {
    // What is known of the same server stays until there is an answer.
    if (server !== this.#from || this.#reading.state === "failed") this.#reading = { state: "loading" };
    this.#from = server;
    this.#reads += 1;
    const read = this.#reads;
    const reading = await server.models().then(
      (models): Reading => ({ state: "ready", models }),
      (error: unknown): Reading => ({ state: "failed", problem: explain(error) }),
    );
    if (read === this.#reads) this.#reading = reading;
  }
}

export const models = new ModelList();
