// What is being written, per conversation. It outlives the view, a reload, and a message that could not be sent.

import { type Explanation, explain } from "../../lib/errors";
import { session } from "../../lib/storage";
import type { ConversationView } from "../view";
import type { Attachment } from "./images";

/** A message that is not in the server's hands. */
export interface Message {
  readonly text: string;
  readonly images: readonly Attachment[];
}

const EMPTY: Message = { text: "", images: [] };

/** Two messages as one. */
export function joined(first: Message, second: Message): Message {
  const text = [first.text, second.text].filter((each) => each.trim() !== "").join("\n\n");
  return { text, images: [...first.images, ...second.images] };
}

export class Draft {
  readonly #key: string;
  #now = $state.raw<Message>(EMPTY);
  /** What is on its way. */
  #outgoing = $state.raw<Message>();
  /** What could not be sent while the next message was begun already. */
  #unsent = $state.raw<Message>();
  #problem = $state.raw<Explanation>();
  /** Which images are kept. */
  #kept: string;

  constructor(key: string) {
    this.#key = key;
    this.#now = read(key);
    this.#kept = this.#now.images.map(({ id }) => id).join(" ");
  }

  /** What is being written. Reactive, like everything here. */
  get text(): string {
    return this.#now.text;
  }

  set text(text: string) {
    this.#write({ ...this.#now, text });
  }

  get images(): readonly Attachment[] {
    return this.#now.images;
  }

  get isSending(): boolean {
    return this.#outgoing !== undefined;
  }

  get isEmpty(): boolean {
    return isEmpty(this.#now);
  }

  /** Why the last message could not be sent. */
  get problem(): Explanation | undefined {
    return this.#problem;
  }

  /** The message that could not be sent, if it is not what is being written. */
  get unsent(): Message | undefined {
    return this.#unsent;
  }

  attach(images: readonly Attachment[]): void {
    this.#write({ ...this.#now, images: [...this.#now.images, ...images] });
  }

  detach(id: string): void {
    this.#write({ ...this.#now, images: this.#now.images.filter((image) => image.id !== id) });
  }

  /** Sends what was written. Until the server has it, it is kept here. Says whether it was sent. */
  async send(view: Pick<ConversationView, "send">): Promise<boolean> {
    const message = { ...this.#now, text: this.#now.text.trim() };
    if (message.text === "" || this.#outgoing) return false;
    this.#outgoing = message;
    this.#problem = undefined;
    this.#write(EMPTY);
    try {
      await view.send(message.text, message.images.map(({ url, mimeType }) => ({ url, mimeType })));
      return true;
    } catch (error) {
      this.#problem = explain(error);
      if (this.isEmpty && !this.#unsent) this.#now = message;
      else this.#unsent = this.#unsent ? joined(this.#unsent, message) : message;
      return false;
    } finally {
      this.#outgoing = undefined;
      this.#keep();
    }
  }

  /** Puts what could not be sent before what is being written. */
  takeBack(): void {
    if (!this.#unsent) return;
    const whole = joined(this.#unsent, this.#now);
    this.#unsent = this.#problem = undefined;
    this.#write(whole);
  }

  /** Forgets what could not be sent, or that it could not. */
  dismiss(): void {
    this.#unsent = this.#problem = undefined;
    this.#keep();
  }

  /** Puts a text from the queue before what is being written. */
  takeFromQueue(text: string): void {
    this.#write(joined({ ...EMPTY, text }, this.#now));
  }

  #write(message: Message): void {
    this.#now = message;
    this.#keep();
  }

  #keep(): void {
    const rest = [this.#unsent, this.#outgoing].filter((message) => message !== undefined);
    const { text, images } = [...rest, this.#now].reduce(joined, EMPTY);
    keep(this.#key, text);
    // They are large, and change seldom.
    const ids = images.map(({ id }) => id).join(" ");
    if (ids !== this.#kept) keep(`${this.#key}.images`, images.length > 0 ? JSON.stringify(images) : "");
    this.#kept = ids;
  }
}

const drafts = new Map<string, Draft>();

/** What is being written in that conversation. */
export function draftOf(conversationId: string): Draft {
  let draft = drafts.get(conversationId);
  if (!draft) drafts.set(conversationId, (draft = new Draft(`dispatch.draft.${conversationId}`)));
  return draft;
}

function isEmpty({ text, images }: Message): boolean {
  return text.trim() === "" && images.length === 0;
}

function keep(key: string, value: string): void {
  if (value === "") return session.remove(key);
  // What does not fit is not kept: better nothing than what was before.
  if (!session.set(key, value)) session.remove(key);
}

function read(key: string): Message {
  return { text: session.get(key) ?? "", images: images(session.get(`${key}.images`)) };
}

function images(kept: string | undefined): readonly Attachment[] {
  try {
    const value: unknown = JSON.parse(kept ?? "[]");
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
