// Realtime sessions: live video to a server, changed by a model, and back.

import { DispatchError } from "../error.js";
import type { RealtimeModel, RealtimeModelsResponse } from "../extensions.js";
import { type Http, type Query, segment } from "../http.js";
import { Driver } from "./driver.js";
import { type ImageSource, base64 } from "./image.js";
import { worded } from "./look.js";
import type { Mirror } from "./mirror.js";
import type { Options, Retry, Timeouts } from "./options.js";
import { RealtimeClient, RealtimeViewer } from "./session.js";
import { untoken } from "./token.js";

const USER_AGENT = "dispatch-client lang/js";

/** What sessions and viewers have in common. */
export interface ViewOptions {
  /** Called with what the server sends, once for each connection; after a reconnect again. */
  readonly onRemoteStream?: (stream: MediaStream) => void;
  /** Called with each peer connection that is made: for its statistics, or to send another track in the place of one. */
  readonly onPeerConnection?: (connection: RTCPeerConnection) => void;
  /** Called when an attempt to connect, for the first time or again, has failed and another one follows: with why. */
  readonly onRetry?: (error: DispatchError) => void;
  /** Whether a session that is lost is set up again; true if nothing is said. */
  readonly reconnect?: boolean;
  /** When what is missing is given up, in milliseconds. */
  readonly timeouts?: Partial<Timeouts>;
  /** When what has failed is tried again, in milliseconds. */
  readonly retry?: Partial<Retry>;
  /** Of the peer connection. Nothing is needed where the server can be reached. */
  readonly rtc?: RTCConfiguration;
  /** Gives up connecting. Later it does nothing. */
  readonly signal?: AbortSignal;
}

export interface ConnectOptions extends ViewOptions {
  /** The model, by name, or as `client.realtime.models()` has it. */
  readonly model: string | { readonly name: string };
  /** What the session begins with. Without it, pictures come back as they are. */
  readonly initialState?: {
    readonly prompt?: { readonly text: string; readonly enhance?: boolean };
    readonly image?: ImageSource | null;
  };
  /** An earlier session to go on with: its prompt and image are restored by the server, and the receipt adds up. */
  readonly session?: string;
  /** Exchanges left and right of what is sent; `auto` does where the camera looks at the user. */
  readonly mirror?: Mirror;
  readonly resolution?: "720p" | "1080p";
  /** May change the offer before it is used. */
  readonly customizeOffer?: (offer: RTCSessionDescriptionInit) => void | Promise<void>;
}

export interface SubscribeOptions extends ViewOptions {
  /** The `subscribeToken` of a session. */
  readonly token: string;
}

export class Realtime {
  readonly #http: Http;
  readonly #base: string;
  readonly #WebSocket: typeof WebSocket | null;

  /** @internal */
  constructor(http: Http, base: string, socket: typeof WebSocket | null) {
    this.#http = http;
    this.#base = base;
    this.#WebSocket = socket;
  }

  /** What can be asked for, and what a second of it costs. */
  async models(): Promise<readonly RealtimeModel[]> {
    return (await this.#http.json<RealtimeModelsResponse>("GET", "/v1/realtime/models")).models;
  }

  /** Sends a stream to a model. Resolves when media flow; rejects when that cannot be. */
  async connect(stream: MediaStream, options: ConnectOptions): Promise<RealtimeClient> {
    this.#socket();
    const { model, initialState, session, resolution } = options;
    if (!stream || stream.getVideoTracks().length === 0) {
      throw new DispatchError("invalid_input", "a stream with a video track is needed");
    }
    const { prompt, image } = initialState ?? {};
    const look = initialState && {
      prompt: prompt && worded(prompt.text, prompt.enhance),
      image: image ? await base64(image, options.signal) : null,
    };
    const query = { model: typeof model === "string" ? model : model.name, resolution };
    const url = (session: string | undefined) => this.#url("/v1/stream", { ...query, session });
    const { mirror } = options;
    // Few want it: it is loaded by those who do.
    const mirroring = mirror ? await (await import("./mirror.js")).mirrored(stream, mirror) : undefined;
    const driver = this.#driver(url, options, { look, session }, mirroring?.stream ?? stream);
    driver.onEnd = mirroring?.release;
    await begin(driver, options.signal);
    return new RealtimeClient(driver, this.#http);
  }

  /** Watches a session of somebody else. Resolves when media flow; rejects when that cannot be. */
  async subscribe(options: SubscribeOptions): Promise<RealtimeViewer> {
    const { id, ip, port } = untoken(options.token);
    const url = this.#url(`/subscribe/${segment(id)}`, { IP: ip, port });
    const driver = this.#driver(() => url, options, { produces: false });
    await begin(driver, options.signal);
    return new RealtimeViewer(driver);
  }

  /** The browser's WebSocket; where there is none, there are no sessions. */
  #socket(): typeof WebSocket {
    if (this.#WebSocket && typeof RTCPeerConnection !== "undefined") return this.#WebSocket;
    throw new DispatchError("invalid_state", "realtime sessions need WebRTC");
  }

  #url(path: string, query: Query): string {
    return this.#http.socket(path, { ...query, user_agent: USER_AGENT }, this.#base);
  }

  #driver(
    url: (session: string | undefined) => string,
    given: ViewOptions & Pick<ConnectOptions, "customizeOffer">,
    options: Options,
    stream?: MediaStream,
  ): Driver {
    return new Driver(
      { ...given, ...options, reconnects: given.reconnect },
      { ...given, url, WebSocket: this.#socket(), stream },
    );
  }
}

async function begin(driver: Driver, signal: AbortSignal | undefined): Promise<void> {
  const abort = () => driver.disconnect();
  signal?.addEventListener("abort", abort);
  try {
    const connected = driver.connect();
    if (signal?.aborted) abort();
    await connected;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
