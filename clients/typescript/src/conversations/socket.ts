// The WebSocket that all watched conversations of a client share.

import { DispatchError, mayPass } from "../error.js";
import type { ExtensionServerMessage } from "../extensions.js";
import type { ServerMessage } from "../transport.js";
import { Backoff, orAborted, sleep } from "../wait.js";
import { type TurnEvent, from } from "./events.js";
import type { Feed } from "./feed.js";

/** What comes over the socket. */
export type Frame = ServerMessage | ExtensionServerMessage;

/** How long nothing may be heard before the server is asked for a word, and again until it is given up. In milliseconds. */
const SILENCE = 20_000;

/** How long a socket may be in the making, and the server may take to say why there is none. In milliseconds. */
const PATIENCE = 10_000;

/** A surface that there is not. Every server has a word to say about it. */
export const NO_SURFACE = "none";

/** How conversations are watched. */
export interface Line {
  open(feed: Feed): void;
  close(feed: Feed): void;
}

/** Who uses the socket beside the conversations. */
export interface Companion {
  /** Whether anybody wants to hear of it now, and so of the socket. */
  readonly isWatched: boolean;
  /** A socket is being made. */
  connecting(): void;
  /** There is none, for that reason, and one is made in so many milliseconds. */
  waiting(delay: number, error: DispatchError): void;
  /** There is none, and none is made until somebody asks for it. */
  refused(error: DispatchError): void;
  /** Nobody needs it any more. */
  closed(): void;
  take(frame: Frame): void;
}

export class Socket implements Line {
  companion: Companion | undefined;
  readonly #make: () => WebSocket;
  /** Rejects if a request with the same key is refused. Browsers do not say why a WebSocket was. */
  readonly #probe: (signal: AbortSignal) => Promise<unknown>;
  readonly #feeds = new Map<string, Feed>();
  readonly #backoff: Backoff;
  #socket: WebSocket | undefined;
  #isOpen = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** While another one is to be made, in a moment: what ends the moment. */
  #pause: AbortController | undefined;

  constructor(make: () => WebSocket, patience: number, probe: (signal: AbortSignal) => Promise<unknown>) {
    this.#make = make;
    this.#backoff = new Backoff(patience);
    this.#probe = probe;
  }

  open(feed: Feed): void {
    this.#feeds.set(feed.id, feed);
    if (this.#isOpen) this.#subscribe(feed);
    else this.start();
  }

  close(feed: Feed): void {
    this.#feeds.delete(feed.id);
    this.send({ type: "chat.unsubscribe", conversationId: feed.id });
    this.leave();
  }

  /** Makes one, unless there is one, or will be in a moment. */
  start(): void {
    if (!this.#socket && !this.#pause) this.#connect();
  }

  /** Closes it, unless somebody needs it. */
  leave(): void {
    if (this.#isNeeded) return;
    this.#drop();
    this.companion?.closed();
  }

  /** Makes one now, and not in a moment. One that is open has to show that it is still there. */
  retry(): void {
    if (this.#isOpen) this.#listen(0);
    else if (this.#isNeeded) this.#connect();
  }

  /** It is gone, whether or not it says so. Another one is made in a moment. Without a reason the server is asked for one. */
  lose(error = this.#isOpen ? unreachable("the connection to the server was lost") : undefined): void {
    if (!this.#socket) return;
    this.#drop();
    for (const feed of this.#feeds.values()) feed.wasLost = true;
    void this.#again(error);
  }

  /** Sends it, if there is a socket that is open. */
  send(frame: object): void {
    if (this.#isOpen) this.#socket!.send(JSON.stringify(frame));
  }

  get #isNeeded(): boolean | undefined {
    return this.#feeds.size > 0 || this.companion?.isWatched;
  }

  #connect(): void {
    this.#drop();
    let socket: WebSocket;
    try {
      socket = this.#make();
    } catch {
      // What it says has the address in it, and so the key.
      return this.#fail(unreachable("the server cannot be reached"));
    }
    this.#socket = socket;
    // Where nothing is answered, a browser waits for minutes.
    this.#timer = setTimeout(() => this.lose(unreachable("the server does not answer")), PATIENCE);
    socket.onopen = () => {
      this.#isOpen = true;
      this.#listen();
      for (const feed of this.#feeds.values()) this.#subscribe(feed);
    };
    socket.onmessage = ({ data }) => {
      // Each begins with a frame that says what surfaces there are.
      this.#backoff.reset();
      this.#listen();
      this.#take(String(data));
    };
    // Not all say both when it was refused.
    socket.onclose = socket.onerror = () => this.lose();
    this.companion?.connecting();
  }

  /** Sockets can be gone without a word. */
  #listen(silence = SILENCE): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.send({ type: "subscribe", surfaceId: NO_SURFACE });
      this.#timer = setTimeout(() => this.lose(), SILENCE);
    }, silence);
  }

  async #again(known: DispatchError | undefined): Promise<void> {
    const { signal } = (this.#pause = new AbortController());
    try {
      const error = known ?? (await this.#why(signal));
      const delay = this.#backoff.next(error);
      this.companion?.waiting(delay, error);
      await sleep(delay, signal);
      this.#connect();
    } catch (error) {
      // Or nobody waits for it any more.
      if (!signal.aborted) this.#fail(error as DispatchError);
    }
  }

  /** Why there is no socket, if that may pass; else it rejects. */
  async #why(signal: AbortSignal): Promise<DispatchError> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(unreachable("the server does not answer")), PATIENCE);
    try {
      await orAborted(this.#probe(signal), late.signal);
      return new DispatchError("refused", "the server answers, but no WebSocket gets through");
    } catch (error) {
      if (signal.aborted || !mayPass(error)) throw error;
      return error as DispatchError;
    } finally {
      clearTimeout(timer);
    }
  }

  #subscribe(feed: Feed): void {
    this.send({ type: "chat.subscribe", conversationId: feed.id, ...from(feed.position) });
    feed.opened();
  }

  #take(text: string): void {
    const frame = JSON.parse(text) as Frame;
    this.companion?.take(frame);
    switch (frame.type) {
      case "chat.delta":
        return this.#feeds.get(frame.event.conversationId)?.take(frame.event as TurnEvent);
      case "conversation.compacted":
      case "conversation.deleted":
        return this.#feeds.get(frame.conversationId)?.tell(frame);
      case "chat.error": {
        const feed = this.#feeds.get(frame.conversationId!);
        if (feed) {
          feed.fail(new DispatchError(frame.code ?? "invalid-request", frame.message, { permanent: true }));
          this.close(feed);
        }
      }
    }
  }

  #fail(error: DispatchError): void {
    this.#drop();
    this.#backoff.reset();
    for (const feed of this.#feeds.values()) feed.fail(error);
    this.#feeds.clear();
    this.companion?.refused(error);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#pause?.abort();
    this.#socket = this.#pause = undefined;
    this.#isOpen = false;
    clearTimeout(this.#timer);
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
    socket.close();
  }
}

function unreachable(message: string): DispatchError {
  return new DispatchError("unreachable", message);
}
