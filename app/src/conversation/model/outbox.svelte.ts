// What was sent and is not in the transcript yet. Each message has a name that the server knows it by, so that none is sent twice.

import { DispatchError, type ImageInput, type Sent } from "@dispatch/client";
import type { Picture, Turn } from "./items.js";

/** A message that is shown before the server tells of it. */
export interface Echo {
  readonly messageId: string;
  readonly text: string;
  readonly images: readonly Picture[];
  /** The server has it. */
  readonly isSent: boolean;
  /** The turn that it started, as far as that is known. */
  readonly turnId: string | undefined;
}

export class Outbox {
  #echoes = $state.raw<readonly Echo[]>([]);
  /** The images of what was sent from here. */
  readonly #pictures = new Map<string, readonly Picture[]>();
  /** What may have arrived or not. */
  #unsure: { readonly content: string; readonly messageId: string } | undefined;
  readonly #heard = new Map<string, () => void>();

  /** In the order in which they were sent. Reactive. */
  get echoes(): readonly Echo[] {
    return this.#echoes;
  }

  /** Sends it. The same text and images after a failure are the same message. */
  async send(
    text: string,
    images: readonly ImageInput[],
    post: (messageId: string) => Promise<Sent>,
  ): Promise<Sent | undefined> {
    const content = JSON.stringify([text, images]);
    const messageId = this.#unsure?.content === content ? this.#unsure.messageId : unique();
    this.#unsure = undefined;
    if (images.length > 0) this.#pictures.set(messageId, images);
    this.#echoes = [...this.#echoes, { messageId, text: text.trim(), images, isSent: false, turnId: undefined }];
    // A request can fail when its message has arrived: then the message is heard.
    const heard = new Promise<undefined>((resolve) => this.#heard.set(messageId, () => resolve(undefined)));
    try {
      const sent = await Promise.race([post(messageId), heard]);
      // What is queued is shown with the queue.
      if (!sent || sent.queue) this.#drop(messageId);
      else this.#update(messageId, { isSent: true, turnId: sent.turnId });
      return sent;
    } catch (error) {
      this.#drop(messageId);
      if (!(error instanceof DispatchError && error.permanent)) this.#unsure = { content, messageId };
      throw error;
    } finally {
      this.#heard.delete(messageId);
    }
  }

  /** Takes away what is shown elsewhere: in a turn, or in the queue. */
  settle(live: readonly Turn[], written: readonly Turn[], queue: readonly { readonly clientMessageId?: string }[]): void {
    if (this.#echoes.length === 0) return;
    const known = new Set<string | undefined>(queue.map(({ clientMessageId }) => clientMessageId));
    for (const { items } of live) {
      for (const item of items) if (item.kind === "said") for (const id of item.messageIds) known.add(id);
    }
    const turns = new Set<string | undefined>([...live, ...written].map(({ turnId }) => turnId));
    turns.delete(undefined);
    const isShown = ({ messageId, turnId }: Echo) => known.has(messageId) || turns.has(turnId);
    for (const echo of this.#echoes.filter(isShown)) this.#heard.get(echo.messageId)?.();
    if (this.#echoes.some(isShown)) this.#echoes = this.#echoes.filter((echo) => !isShown(echo));
  }

  /** The images of messages that were sent from here. */
  picturesOf(messageIds: readonly string[]): readonly Picture[] {
    return messageIds.flatMap((id) => this.#pictures.get(id) ?? []);
  }

  #update(messageId: string, change: Partial<Echo>): void {
    this.#echoes = this.#echoes.map((echo) => (echo.messageId === messageId ? { ...echo, ...change } : echo));
  }

  #drop(messageId: string): void {
    this.#echoes = this.#echoes.filter((echo) => echo.messageId !== messageId);
  }
}

/** A name that nobody else has. Pages that did not come over a secure connection may not use `randomUUID`. */
export function unique(): string {
  const bytes = [...crypto.getRandomValues(new Uint8Array(16))];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
