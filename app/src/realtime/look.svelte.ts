// What pictures shall become: as it is being written, as it was asked for last, and as the server has it.

import { DispatchError, type RealtimeClient } from "@dispatch/client";
import type { Picture } from "./picture";
import { sentence } from "./problems";

/** A prompt and a reference image that hold together. */
export interface Look {
  /** Without spaces around it. Empty: none. */
  readonly prompt: string;
  /** Whether the server may rewrite the prompt for the model. */
  readonly enhance: boolean;
  readonly image: Picture | undefined;
}

/** What a session can be told of looks. */
export type Changes = Pick<RealtimeClient, "set" | "setPrompt" | "setImage">;

/** How an applied change does. */
export type Progress = "none" | "applying" | "applied" | "failed";

export class LookModel {
  prompt = $state("");
  enhance = $state(true);
  image = $state.raw<Picture>();
  #asked = $state.raw<Look>();
  #held = $state.raw<Look>();
  #progress = $state<Progress>("none");
  #problem = $state.raw<{ readonly field: "prompt" | "image"; readonly text: string }>();
  #session: Changes | undefined;
  /** The server has another look than is written here: one that it kept. */
  #isKept = false;
  #isSending = false;

  /** As it is being written. Reactive. */
  get wanted(): Look {
    return { prompt: this.prompt.trim(), enhance: this.enhance, image: this.image };
  }

  /** Whether something was changed that was not asked for yet. Reactive. */
  get isNew(): boolean {
    return this.#asked !== undefined && !isSame(this.#asked, this.wanted);
  }

  get progress(): Progress {
    return this.#progress;
  }

  /** Why the last change was not taken, and where it belongs. Reactive. */
  get problem(): { readonly field: "prompt" | "image"; readonly text: string } | undefined {
    return this.#problem;
  }

  /** What a session begins with. */
  begin(): Look {
    this.#asked = this.wanted;
    this.#problem = undefined;
    this.#progress = "none";
    return this.#asked;
  }

  /** There is a session, and it has that look; or, if nothing was said, one that the server kept of an earlier connection. */
  attach(session: Changes, look: Look, { isKept = false }: { readonly isKept?: boolean } = {}): void {
    this.#session = session;
    this.#held = look;
    this.#isKept = isKept;
    if (look.prompt || look.image) this.#progress = "applied";
    void this.#send();
  }

  /** The session that was lost is there again, with the look that it had. What was asked for meanwhile follows. */
  again(): void {
    void this.#send();
  }

  /** There is no session any more. */
  detach(): void {
    this.#session = this.#asked = this.#held = undefined;
    this.#progress = "none";
    this.#problem = undefined;
  }

  /** Asks for what is written now. Without a session, the next one begins with it. */
  apply(): void {
    if (!this.#asked) return;
    this.#asked = this.wanted;
    this.#problem = undefined;
    void this.#send();
  }

  /** Tells the server what was asked for, one change at a time; what was asked meanwhile follows in one. */
  async #send(): Promise<void> {
    if (this.#isSending || !this.#session) return;
    this.#isSending = true;
    const session = this.#session;
    while (this.#asked && this.#held && !isSame(this.#held, this.#asked) && this.#session === session) {
      const [held, asked] = [this.#held, this.#asked];
      this.#progress = "applying";
      try {
        await (this.#isKept ? replace(session, asked) : change(session, held, asked));
        if (this.#session !== session) break;
        this.#held = asked;
        this.#isKept = false;
        this.#progress = "applied";
      } catch (error) {
        if (this.#session !== session) break;
        // It is still asked for, and follows when the session is there again.
        if (error instanceof DispatchError && error.code === "not_connected") break;
        // What was written stays, to be corrected.
        if (this.#asked === asked) this.#asked = held;
        this.#problem = { field: fieldOf(error, held, asked), text: sentence((error as Error).message) };
        this.#progress = "failed";
      }
    }
    this.#isSending = false;
    // Another session came while this one was being waited for.
    if (this.#session !== session) void this.#send();
  }
}

function isSame(one: Look, other: Look): boolean {
  return one.prompt === other.prompt && one.enhance === other.enhance && one.image === other.image;
}

/** Makes one look of another, and sends no image again that is there. */
function change(session: Changes, from: Look, to: Look): Promise<void> {
  const { prompt, enhance, image } = to;
  if (image === from.image && prompt) return session.setPrompt(prompt, { enhance });
  if (prompt === from.prompt && enhance === from.enhance) return session.setImage(image?.blob ?? null);
  return replace(session, to);
}

function replace(session: Changes, { prompt, enhance, image }: Look): Promise<void> {
  return session.set({ prompt: prompt || null, enhance, image: image?.blob ?? null });
}

function fieldOf(error: unknown, from: Look, to: Look): "prompt" | "image" {
  if (from.image === to.image) return "prompt";
  return from.prompt === to.prompt || /image/i.test((error as Error).message) ? "image" : "prompt";
}
