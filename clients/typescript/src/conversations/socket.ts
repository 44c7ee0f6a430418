// The WebSocket that all watched conversations of a client share.

import { DispatchError, mayPass } from "../error.js";
import type { ConversationDeletedMessage } from "../extensions.js";
import type {
  ChatDeltaMessage,
  ChatErrorMessage,
  ChatSubscribeMessage,
  ConversationCompactedMessage,
  SurfaceSubscribeMessage,
} from "../transport.js";
import { Backoff } from "../wait.js";
import { type TurnEvent, from } from "./events.js";
import type { Feed } from "./feed.js";

type Frame = ChatDeltaMessage | ChatErrorMessage | ConversationCompactedMessage | ConversationDeletedMessage;

/** How long nothing may be heard before the server is asked for a word, and again until it is given up. In milliseconds. */
const SILENCE = 20_000;

/** How conversations are watched. */
export interface Line {
  open(feed: Feed): void;
  close(feed: Feed): void;
}

export class Socket implements Line {
  readonly #url: string;
  readonly #WebSocket: typeof WebSocket;
  /** Rejects if a request with the same key is refused. Browsers do not say why a WebSocket was. */
  readonly #probe: () => Promise<unknown>;
  readonly #feeds = new Map<string, Feed>();
  readonly #backoff: Backoff;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Another one is to be made, in a moment. */
  #isWaiting = false;

  /** With an address that has the key in it. */
  constructor(url: string, socket: typeof WebSocket, patience: number, probe: () => Promise<unknown>) {
    this.#url = url;
    this.#WebSocket = socket;
    this.#backoff = new Backoff(patience);
    this.#probe = probe;
  }

  open(feed: Feed): void {
    this.#feeds.set(feed.id, feed);
    if (this.#socket?.readyState === 1) this.#subscribe(feed);
    else if (!this.#socket && !this.#isWaiting) this.#connect();
  }

  close(feed: Feed): void {
    this.#feeds.delete(feed.id);
    this.#send({ type: "chat.unsubscribe", conversationId: feed.id });
    if (this.#feeds.size === 0) this.#drop();
  }

  #connect(): void {
    let socket: WebSocket;
    try {
      socket = new this.#WebSocket(this.#url);
    } catch {
      // What it says has the address in it, and so the key.
      return this.#fail(new DispatchError("unreachable", "this address is not one of a WebSocket"));
    }
    this.#socket = socket;
    let isOpen = false;
    const gone = () => {
      if (this.#socket !== socket) return;
      this.#drop();
      for (const feed of this.#feeds.values()) feed.wasLost = true;
      this.#again(isOpen).catch((error) => this.#fail(error));
    };
    this.#listen(gone);
    socket.onopen = () => {
      isOpen = true;
      for (const feed of this.#feeds.values()) this.#subscribe(feed);
    };
    socket.onmessage = ({ data }) => {
      // Each begins with a frame that says what surfaces there are.
      this.#backoff.reset();
      this.#listen(gone);
      this.#take(String(data));
    };
    // Not all say both when it was refused.
    socket.onclose = socket.onerror = gone;
  }

  /** Sockets can be gone without a word. Every server has one to say about a surface that there is not. */
  #listen(gone: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#send({ type: "subscribe", surfaceId: "none" } satisfies SurfaceSubscribeMessage);
      this.#timer = setTimeout(gone, SILENCE);
    }, SILENCE);
  }

  async #again(wasOpen: boolean): Promise<void> {
    this.#isWaiting = true;
    try {
      if (!wasOpen) await this.#probe();
    } catch (error) {
      if (!mayPass(error)) throw error;
    }
    await this.#backoff.wait();
    this.#isWaiting = false;
    if (this.#feeds.size > 0) this.#connect();
  }

  #subscribe(feed: Feed): void {
    const subscribe: ChatSubscribeMessage = { type: "chat.subscribe", conversationId: feed.id };
    this.#send({ ...subscribe, ...from(feed.position) });
    feed.opened();
  }

  #take(text: string): void {
    const frame = JSON.parse(text) as Frame;
    switch (frame.type) {
      case "chat.delta":
        return this.#feeds.get(frame.event.conversationId)?.take(frame.event as TurnEvent);
      case "conversation.compacted":
      case "conversation.deleted":
        return this.#feeds.get(frame.conversationId)?.tell(frame);
      case "chat.error": {
        const feed = this.#feeds.get(frame.conversationId ?? "");
        if (!feed) return;
        feed.fail(new DispatchError(frame.code ?? "invalid-request", frame.message, { permanent: true }));
        return this.close(feed);
      }
    }
  }

  #send(frame: object): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame));
  }

  #fail(error: unknown): void {
    const feeds = [...this.#feeds.values()];
    this.#feeds.clear();
    this.#backoff.reset();
    this.#isWaiting = false;
    for (const feed of feeds) feed.fail(error);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    clearTimeout(this.#timer);
    if (socket) socket.onopen = socket.onmessage = null;
    socket?.close();
  }
}
