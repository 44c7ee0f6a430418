// Does what the machine says, with the browser's WebSocket and RTCPeerConnection.

import { DispatchError, fromFault } from "../error.js";
import { Emitter, guarded } from "../emitter.js";
import { Connection, type Input, type Output, type State } from "./connection.js";
import type { Update } from "./look.js";
import type { Fault } from "./error.js";
import type { Options } from "./options.js";
import { Peer } from "./peer.js";

/** A second was generated, and billed. */
export interface GenerationTick {
  /** How many so far, in this connection. Begins with 1 again after a reconnect. */
  readonly seconds: number;
  /** The credits that are left, if the server says so: a decimal number. */
  readonly credits?: string;
}

/** What a session tells, and what comes with it. */
export interface RealtimeEvents {
  /** The state is another one. */
  connectionChange: State;
  /** Something is wrong. Says nothing about the state. */
  error: DispatchError;
  /** A second was generated, and billed. */
  generationTick: GenerationTick;
}

/** What the driver has to know besides the machine's options. */
export interface Setting {
  /** The address of the WebSocket, which has the key in it. */
  readonly url: (session: string | undefined) => string;
  readonly WebSocket: typeof WebSocket;
  readonly stream: MediaStream | undefined;
  readonly rtc?: RTCConfiguration;
  readonly customizeOffer?: (offer: RTCSessionDescriptionInit) => void | Promise<void>;
  readonly onRemoteStream?: (stream: MediaStream) => void;
  readonly onPeerConnection?: (connection: RTCPeerConnection) => void;
  readonly onRetry?: (error: DispatchError) => void;
}

/** What belongs to one attempt. */
interface Line {
  socket?: WebSocket;
  peer?: Peer;
}

/** What a timer can wait, in milliseconds. To be told the time too early does no harm. */
const LONGEST = 2 ** 31 - 1;

type Call = readonly [resolve: () => void, reject: (error: DispatchError) => void];

export class Driver {
  readonly events = new Emitter<RealtimeEvents>("generationTick");
  /** Called whenever there is no session and nobody tries to have one. */
  onEnd: (() => void) | undefined;
  /** To be looked at: only the driver tells it anything. */
  readonly machine: Connection;
  readonly #setting: Setting;
  readonly #calls = new Map<number, Call>();
  #lastCall = 0;
  #line: Line | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lost = new AbortController();
  #isDraining = false;
  /** The last failure that the application was told of. */
  #failure: Fault | undefined;

  constructor(options: Options, setting: Setting) {
    this.machine = new Connection(options);
    this.#setting = setting;
  }

  /** Aborted, with the error to fail with, when the session that there is now is lost. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  connect(): Promise<void> {
    return this.#call((call) => ({ type: "connect", call }));
  }

  update(update: Update): Promise<void> {
    return this.#call((call) => ({ type: "update", call, update }));
  }

  disconnect(): void {
    this.#take({ type: "disconnect" });
  }

  #call(input: (call: number) => Input): Promise<void> {
    const call = (this.#lastCall += 1);
    return new Promise((resolve, reject) => {
      this.#calls.set(call, [resolve, reject]);
      this.#take(input(call));
    });
  }

  #take(input: Input): void {
    this.machine.handle(now(), input);
    // What is done here can be heard at once, by a handler that disconnects for example: its outputs come after these.
    if (this.#isDraining) return;
    this.#isDraining = true;
    for (let output = this.machine.poll(); output; output = this.machine.poll()) this.#do(output);
    this.#isDraining = false;
    this.#tellFailure();
    clearTimeout(this.#timer);
    const deadline = this.machine.deadline;
    if (deadline === undefined) return;
    this.#timer = setTimeout(() => this.#take({ type: "time" }), Math.min(deadline - now(), LONGEST));
  }

  #do(output: Output): void {
    switch (output.type) {
      case "open":
        return this.#open(output.attempt, output.session);
      case "send":
        if (this.#line?.socket?.readyState === 1) this.#line.socket.send(JSON.stringify(output.message));
        return;
      case "offer":
        return this.#offer(output.attempt);
      case "answer":
        this.#line?.peer?.answer(output.sdp).catch((error) => this.#failed(output.attempt, error));
        return;
      case "add_candidate":
        return void this.#line?.peer?.add(output.candidate);
      case "close":
        return this.#close();
      case "event":
        return this.#tell(output.event);
      case "done": {
        const [resolve, reject] = this.#calls.get(output.call)!;
        this.#calls.delete(output.call);
        return output.error ? reject(fromFault(output.error)) : resolve();
      }
    }
  }

  #open(attempt: number, session: string | undefined): void {
    const line: Line = (this.#line = {});
    let socket: WebSocket;
    try {
      socket = new this.#setting.WebSocket(this.#setting.url(session));
    } catch {
      // What it says has the address in it, and so the key.
      return this.#take({ type: "refused", attempt, status: null, reason: "" });
    }
    line.socket = socket;
    let isOpen = false;
    socket.onopen = () => {
      isOpen = true;
      this.#take({ type: "opened", attempt });
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") this.#take({ type: "message", attempt, text: data });
    };
    socket.onclose = ({ code, reason }) => {
      if (isOpen) this.#take({ type: "closed", attempt, code, reason });
      else this.#take({ type: "refused", attempt, status: null, reason });
    };
  }

  #offer(attempt: number): void {
    const line = this.#line!;
    const { stream, rtc, customizeOffer, onRemoteStream, onPeerConnection } = this.#setting;
    try {
      line.peer = new Peer(rtc, {
        onCandidate: (candidate) => this.#take({ type: "candidate", attempt, candidate }),
        onState: (state) => this.#take({ type: "media", attempt, state }),
        onRemoteStream: (stream) => guarded(onRemoteStream, stream),
        onPeerConnection: (connection) => guarded(onPeerConnection, connection),
      });
    } catch (error) {
      return this.#failed(attempt, error);
    }
    line.peer.offer(stream, customizeOffer).then(
      (sdp) => this.#take({ type: "offer", attempt, sdp }),
      (error) => this.#failed(attempt, error),
    );
  }

  /** The browser does not make a peer connection, and says why. */
  #failed(attempt: number, error: unknown): void {
    this.#take({ type: "media", attempt, state: "failed", reason: String((error as Error | undefined)?.message) });
  }

  #close(): void {
    const { socket, peer } = this.#line ?? {};
    this.#line = undefined;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.close(1000);
    }
    peer?.close();
  }

  #tellFailure(): void {
    const { failure } = this.machine;
    if (failure && failure !== this.#failure) void guarded(this.#setting.onRetry, fromFault(failure));
    this.#failure = failure;
  }

  #tell(event: Extract<Output, { type: "event" }>["event"]): void {
    switch (event.name) {
      case "connection_change":
        if (event.state === "reconnecting" || event.state === "disconnected") {
          this.#lost.abort(new DispatchError("not_connected", "the connection was lost"));
          this.#lost = new AbortController();
        }
        if (event.state === "disconnected") this.onEnd?.();
        return this.events.emit("connectionChange", event.state);
      case "error":
        return this.events.emit("error", fromFault(event.error));
      case "generation_tick": {
        const { name: _, ...tick } = event;
        return this.events.emit("generationTick", tick);
      }
    }
  }
}

function now(): number {
  return Math.floor(performance.now());
}
