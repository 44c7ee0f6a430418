// What an application holds of a session.

import { DispatchError } from "../error.js";
import type { SessionReceipt } from "../extensions.js";
import type { Handler } from "../emitter.js";
import { type Http, segment } from "../http.js";
import { orAborted, sleep } from "../wait.js";
import type { State } from "./connection.js";
import type { Driver, RealtimeEvents } from "./driver.js";
import { type ImageSource, base64 } from "./image.js";
import { type Update, whole, worded } from "./look.js";
import { token } from "./token.js";

/** How often the server is asked whether a session is settled, and for how long if nothing is said. */
const RECEIPT_INTERVAL = 250;
const RECEIPT_TIMEOUT = 15_000;

/** A change of what pictures shall become. What is left out is taken away. */
export interface LookInput {
  readonly prompt?: string | null;
  /** Whether the server may rewrite the prompt for the model; true if nothing is said. */
  readonly enhance?: boolean;
  readonly image?: ImageSource | null;
}

export interface ImageOptions {
  /** The prompt along with it: absent leaves it, `null` takes it away. */
  readonly prompt?: string | null;
  readonly enhance?: boolean;
}

/** Someone who watches a session. Of the events, a viewer hears the state and errors. */
export class RealtimeViewer {
  /** @internal */
  protected readonly driver: Driver;

  /** @internal */
  constructor(driver: Driver) {
    this.driver = driver;
  }

  get connectionState(): State {
    return this.driver.machine.state;
  }

  /** Whether media flow. */
  isConnected(): boolean {
    return this.connectionState === "connected" || this.connectionState === "generating";
  }

  /** Attaches a handler. Those that are attached right after `connect` hear everything that happened before. */
  on<Name extends keyof RealtimeEvents>(event: Name, handler: Handler<RealtimeEvents[Name]>): void {
    this.driver.events.on(event, handler);
  }

  off<Name extends keyof RealtimeEvents>(event: Name, handler: Handler<RealtimeEvents[Name]>): void {
    this.driver.events.off(event, handler);
  }

  /** Ends it. The tracks of the caller go on. */
  disconnect(): void {
    this.driver.disconnect();
  }
}

/** A session: video goes to the server, a model changes it, and it comes back. */
export class RealtimeClient extends RealtimeViewer {
  readonly #http: Http;
  /** Changes go out in the order of the calls, also when an image has to be fetched first. */
  #order: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(driver: Driver, http: Http) {
    super(driver);
    this.#http = http;
  }

  /** What the server calls this connection; another one after each reconnect. */
  get sessionId(): string | null {
    return this.driver.machine.session?.id ?? null;
  }

  /** Whoever has it can watch. Another one after each reconnect. */
  get subscribeToken(): string | null {
    const session = this.driver.machine.session;
    return session ? token(session) : null;
  }

  /** Replaces everything at once: what is left out is taken away. Resolves when the server has taken it. */
  set({ prompt, enhance, image }: LookInput): Promise<void> {
    return this.#change(image, (image) =>
      whole({ prompt: prompt == null ? null : worded(prompt, enhance), image }),
    );
  }

  /** Sets the prompt and leaves the image. Resolves when the server has taken it. */
  setPrompt(prompt: string, { enhance }: { readonly enhance?: boolean } = {}): Promise<void> {
    return this.#change(undefined, () => ({ prompt: worded(prompt, enhance) }));
  }

  /** Sets the image, or takes it away with `null`. Resolves when the server has taken it. */
  setImage(image: ImageSource | null, { prompt, enhance }: ImageOptions = {}): Promise<void> {
    return this.#change(image, (image) => ({
      image: { image_data: image ?? null, prompt, enhance_prompt: enhance },
    }));
  }

  /**
   * What the session cost: all its connections, those before a reconnect included. To be asked when it has ended, in
   * whatever way: it waits until the server has settled the session, for so many milliseconds at most. A client token reads
   * the receipts of what it opened.
   */
  async receipt({ timeout = RECEIPT_TIMEOUT }: { readonly timeout?: number } = {}): Promise<SessionReceipt> {
    const id = this.sessionId;
    if (id === null) throw new DispatchError("invalid_state", "there was no session");
    const until = performance.now() + timeout;
    for (;;) {
      const receipt = await this.#http.json<SessionReceipt>("GET", `/v1/sessions/${segment(id)}`);
      if (receipt.settled) return receipt;
      if (performance.now() > until) throw new DispatchError("timeout", "the session is not settled yet");
      await sleep(RECEIPT_INTERVAL);
    }
  }

  #change(image: ImageSource | null | undefined, update: (image: string | null | undefined) => Update): Promise<void> {
    const { lost } = this.driver;
    const reading = image && this.isConnected() ? base64(image, lost) : image === null ? null : undefined;
    const handedOver = orAborted(Promise.all([reading, this.#order]), lost).then(([image]) => ({
      acknowledged: this.driver.update(update(image)),
    }));
    this.#order = handedOver.catch(() => {});
    return handedOver.then(({ acknowledged }) => acknowledged);
  }
}
