// The connection of a client to a realtime session, as a machine: no socket, no media, no clock.
//
// Whoever drives it tells it what happened (`Input`) and does what it says (`Output`), in order. It owns everything that
// is easy to get wrong in three languages: the public state, when an attempt has failed for good, the one loop that
// connects again, which acknowledgement belongs to which call, what is restored afterwards. The cases in
// `clients/cases/connection` fix what it does; every client of this project passes them.
//
// Each attempt to connect has a number, and what happens in it comes with that number. Of an attempt that is over,
// nothing counts any more, however late it comes.

import {
  type Fault,
  closed,
  endedBy,
  fault,
  mediaFault,
  notConnected,
  refused,
  rejected,
  serverFault,
} from "./error.js";
import { type Look, type Update, applied, message, mistake, opening } from "./look.js";
import { type Options, RETRY, type Retry, TIMEOUTS, type Timeouts } from "./options.js";
import { type Candidate, type ClientFrame, candidate as normal, parse } from "./protocol.js";
import { type Ack, type Over, Updates, isCalled } from "./updates.js";

/** The public state. */
export type State =
  /** There is no session and nobody tries to have one. */
  | "disconnected"
  /** The first session is being set up. */
  | "connecting"
  /** Media flow. */
  | "connected"
  /** Pictures are generated, and seconds count. */
  | "generating"
  /** The session was lost and another one is being set up. */
  | "reconnecting";

/** What happened. Times are milliseconds of a clock that never goes back. */
export type Input =
  /** The application wants a session. Answered by `done` of that call. */
  | { readonly type: "connect"; readonly call: number }
  /** The application wants another look. Answered by `done` of that call. */
  | { readonly type: "update"; readonly call: number; readonly update: Update }
  /** The application wants no session any more. */
  | { readonly type: "disconnect" }
  /** The WebSocket is open. */
  | { readonly type: "opened"; readonly attempt: number }
  /** The WebSocket was refused, or could not be opened; the reason without the URL, which has the key in it. */
  | { readonly type: "refused"; readonly attempt: number; readonly status: number | null; readonly reason: string }
  /** A text frame came. */
  | { readonly type: "message"; readonly attempt: number; readonly text: string }
  /** The WebSocket is closed, or was lost. */
  | { readonly type: "closed"; readonly attempt: number; readonly code: number | null; readonly reason: string }
  /** The offer that was asked for is made. */
  | { readonly type: "offer"; readonly attempt: number; readonly sdp: string }
  /** The client can be reached at one more address; `null` when there are no more. */
  | { readonly type: "candidate"; readonly attempt: number; readonly candidate: RTCIceCandidateInit | null }
  /** The peer connection is in another state: media flow; they do not, and may again; they will not any more. */
  | {
      readonly type: "media";
      readonly attempt: number;
      readonly state: "connected" | "interrupted" | "failed";
      readonly reason?: string;
    }
  /** The clock has reached `deadline`. */
  | { readonly type: "time" };

/** What is to be done. */
export type Output =
  /** Open a WebSocket; with the parameter `session`, to go on with that one. */
  | { readonly type: "open"; readonly attempt: number; readonly session?: string }
  /** Send a text frame. */
  | { readonly type: "send"; readonly attempt: number; readonly message: ClientFrame }
  /** Make a peer connection, and an offer. */
  | { readonly type: "offer"; readonly attempt: number }
  /** Give the peer connection its answer. */
  | { readonly type: "answer"; readonly attempt: number; readonly sdp: string }
  /** Give the peer connection one more address of the server. */
  | { readonly type: "add_candidate"; readonly attempt: number; readonly candidate: Candidate }
  /**
   * Let go of everything of an attempt: close the WebSocket with code 1000 if it is open, and the peer connection. What
   * the application gave (its camera, say) stays as it is.
   */
  | { readonly type: "close"; readonly attempt: number }
  /** Tell the application. */
  | { readonly type: "event"; readonly event: Event }
  /** A call is over, with an error if it failed. */
  | { readonly type: "done"; readonly call: number; readonly error?: Fault };

type OfAttempt = Extract<Output, { readonly attempt: number }>;
type WithoutAttempt = OfAttempt extends infer Each ? (Each extends OfAttempt ? Omit<Each, "attempt"> : never) : never;

/** What an application is told. */
export type Event =
  | { readonly name: "connection_change"; readonly state: State }
  | { readonly name: "error"; readonly error: Fault }
  | { readonly name: "generation_tick"; readonly seconds: number; readonly credits?: string };

/** What the server calls the session. */
export interface SessionName {
  readonly id: string;
  /** For viewers. */
  readonly ip: string;
  /** For viewers. */
  readonly port: number;
}

/** An attempt, and what becomes of it. */
interface Line {
  /** It goes on with an earlier session. */
  readonly goesOn: boolean;
  /** Nothing must be heard any later than that, until there is a session. */
  progress: number;
  isOpen?: true;
  /** The look is sent and not acknowledged. */
  isLooking?: boolean;
  /** The offer that is not sent yet. */
  offer?: string;
  isOffered?: true;
  isAnswered?: true;
  /** Addresses that came too early. */
  readonly ours: (Candidate | null)[];
  readonly theirs: Candidate[];
  /** Pictures are generated, as the server says. */
  isGenerating?: true;
  /** Media have flowed. */
  hasFlowed?: true;
  /** When it became a session. */
  established?: number;
  /** When it is given up because media do not flow. */
  interrupted?: number | undefined;
  /** What the server has said is wrong. If it is over by then, that is why. */
  fault?: { readonly error: Fault; readonly until: number };
}

/** How long a server may take to close what it has said is wrong. */
const FAREWELL = 2_000;

export class Connection {
  #produces: boolean;
  #reconnects: boolean;
  #opening: Look | null;
  #predecessor: string | null;
  #timeouts: Timeouts;
  #retry: Retry;
  #state: State = "disconnected";
  /** When the next attempt begins. At most one of this and the line is there. */
  #until: number | undefined;
  #line: Line | undefined;
  /** The number of the newest attempt. */
  #attempt = 0;
  /** How many attempts, or sessions that did not last, there were in a row. */
  #failures = 0;
  /** The call that waits for the first session. */
  #connecting: number | undefined;
  /** The look that the server has acknowledged, or is to begin with. None if only the server knows it. */
  #look: Look | null = null;
  #updates: Updates;
  #session: SessionName | undefined;
  #failure: Fault | undefined;
  #outputs: Output[] = [];

  /** A connection that does nothing until `connect`. */
  constructor({ produces = true, reconnects = true, look = null, session = null, timeouts, retry }: Options = {}) {
    this.#produces = produces;
    this.#reconnects = reconnects;
    this.#opening = look;
    this.#predecessor = session;
    this.#timeouts = { ...TIMEOUTS, ...timeouts };
    this.#retry = { ...RETRY, ...retry };
    this.#updates = new Updates(this.#timeouts);
  }

  get state(): State {
    return this.#state;
  }

  /** What the server calls the session; another one after each reconnect. */
  get session(): SessionName | undefined {
    return this.#session;
  }

  /** Why the attempt before failed, or the session before was lost, while there is to be another one. */
  get failure(): Fault | undefined {
    return this.#failure;
  }

  /** When `time` is wanted. */
  get deadline(): number | undefined {
    const phase = this.#line ? until(this.#line) : this.#until;
    const deadlines = [phase, this.#updates.deadline].filter((deadline) => deadline !== undefined);
    return deadlines.length > 0 ? Math.min(...deadlines) : undefined;
  }

  /** What is to be done next. To be drained after each `handle`. */
  poll(): Output | undefined {
    return this.#outputs.shift();
  }

  /** Takes an input. */
  handle(now: number, input: Input): void {
    // Of an attempt that is over.
    if ("attempt" in input && (input.attempt !== this.#attempt || !this.#line)) return;
    switch (input.type) {
      case "connect":
        return this.#connect(now, input.call);
      case "update":
        return this.#update(now, input.call, input.update);
      case "disconnect":
        return this.#disconnect();
      case "time":
        return this.#time(now);
      case "opened":
        return this.#opened(now);
      case "refused":
        return this.#lose(now, refused(input.status, input.reason));
      case "message":
        return this.#message(now, input.text);
      case "closed":
        return this.#lose(now, closed(input.code, input.reason));
      case "offer":
        this.#progress(now);
        this.#line!.offer = input.sdp;
        return this.#offer();
      case "candidate":
        return this.#candidate(input.candidate && normal(input.candidate));
      case "media":
        return this.#media(now, input.state, input.reason ?? "");
    }
  }

  #connect(now: number, call: number): void {
    if (this.#state !== "disconnected") {
      return this.#done(call, fault("invalid_state", "there is a connection already"));
    }
    const wrong = this.#opening?.prompt && mistake({ prompt: this.#opening.prompt });
    if (wrong) return this.#done(call, wrong);
    this.#connecting = call;
    // Only what was a session is tried again at once.
    this.#failures = 1;
    this.#session = undefined;
    this.#look = this.#opening ?? (this.#predecessor === null ? {} : null);
    this.#show("connecting");
    this.#begin(now);
  }

  /** Begins the next attempt. */
  #begin(now: number): void {
    this.#attempt += 1;
    this.#until = undefined;
    const session = this.#produces ? (this.#session?.id ?? this.#predecessor) : null;
    this.#line = { goesOn: session !== null, progress: now + this.#timeouts.attempt, ours: [], theirs: [] };
    this.#output({ type: "open", ...(session !== null && { session }) });
  }

  #opened(now: number): void {
    this.#progress(now);
    const line = this.#line!;
    if (line.isOpen) return;
    line.isOpen = true;
    if (this.#look && this.#produces) {
      line.isLooking = true;
      this.#send(message(opening(this.#look, line.goesOn)));
    }
    // The peer connection is made while the look is on its way.
    this.#output({ type: "offer" });
  }

  /** Sends the offer, once there is one and the server has the look. */
  #offer(): void {
    const line = this.#line!;
    if (!line.isOpen || line.isLooking || line.isOffered || line.offer === undefined) return;
    line.isOffered = true;
    this.#send({ type: "offer", sdp: line.offer });
    for (const candidate of line.ours.splice(0)) this.#send({ type: "ice-candidate", candidate });
  }

  #candidate(candidate: Candidate | null): void {
    const line = this.#line!;
    if (line.isOffered) this.#send({ type: "ice-candidate", candidate });
    else line.ours.push(candidate);
  }

  #message(now: number, text: string): void {
    const frame = parse(text);
    if (!frame) return;
    this.#progress(now);
    switch (frame.type) {
      case "session_id":
        this.#session = { id: frame.session_id, ip: frame.server_ip, port: frame.server_port };
        return;
      case "answer":
        return this.#answer(frame.sdp);
      case "ice-candidate":
        return this.#theirs(frame.candidate);
      case "prompt_ack":
      case "set_image_ack":
        return this.#acknowledged(now, frame);
      case "generation_started":
        return this.#generating(now);
      case "generation_tick": {
        const { seconds, credits } = frame;
        this.#generating(now);
        // Seconds are whole; of a server that writes `7.9`, the whole ones count. Who writes an amount as a number is
        // understood; anything else is none, which costs nobody a tick.
        const isAmount = typeof credits === "string" || typeof credits === "number";
        return this.#event({
          name: "generation_tick",
          seconds: Math.trunc(seconds),
          ...(isAmount && { credits: String(credits) }),
        });
      }
      case "error":
        return this.#fault(now, serverFault(frame.error, frame.error_type));
    }
  }

  #answer(sdp: string): void {
    const line = this.#line!;
    if (!line.isOffered || line.isAnswered) return;
    line.isAnswered = true;
    this.#output({ type: "answer", sdp });
    for (const candidate of line.theirs.splice(0)) this.#output({ type: "add_candidate", candidate });
  }

  #theirs(given: RTCIceCandidateInit | null | undefined): void {
    if (!given) return;
    const candidate = normal(given);
    if (this.#line!.isAnswered) this.#output({ type: "add_candidate", candidate });
    else this.#line!.theirs.push(candidate);
  }

  #acknowledged(now: number, ack: Ack): void {
    const error = ack.success ? undefined : rejected(ack.error);
    const line = this.#line!;
    if (line.isLooking) {
      if (!this.#look || !isCalled(opening(this.#look, line.goesOn), ack)) return;
      line.isLooking = false;
      if (!error) return this.#offer();
      // What was never taken will not be; what was taken before may be again.
      return this.#lose(now, this.#connecting === undefined ? error : { ...error, permanent: true });
    }
    const over = this.#updates.acknowledged(now, ack, error);
    if (!over) return;
    this.#finish(over);
    this.#nextUpdate(now);
  }

  #finish({ call, update, error }: Over): void {
    if (!error) this.#look = applied(update, this.#look);
    if (call !== undefined) this.#done(call, error);
  }

  #update(now: number, call: number, update: Update): void {
    if (!this.#produces) return this.#done(call, fault("invalid_state", "only who sends the video can change it"));
    const wrong = mistake(update);
    if (wrong) return this.#done(call, wrong);
    if (this.#state !== "connected" && this.#state !== "generating") return this.#done(call, notConnected(this.#state));
    this.#updates.add(call, update);
    this.#nextUpdate(now);
  }

  #nextUpdate(now: number): void {
    const next = this.#updates.next(now);
    if (next) this.#send(next);
  }

  #media(now: number, state: "connected" | "interrupted" | "failed", reason: string): void {
    const line = this.#line!;
    if (state === "failed") return this.#lose(now, mediaFault(reason));
    if (state === "interrupted") {
      if (line.established !== undefined) line.interrupted ??= now + this.#timeouts.interruption;
    } else if (line.isAnswered) {
      // Before the answer there can be no media.
      line.interrupted = undefined;
      line.hasFlowed = true;
      this.#establish(now, line.isGenerating ? "generating" : "connected");
    }
  }

  #generating(now: number): void {
    this.#line!.isGenerating = true;
    // Before the answer there can be no media. It counts when there are.
    if (this.#line!.isAnswered) this.#establish(now, "generating");
  }

  /** There is a session. */
  #establish(now: number, state: State): void {
    const line = this.#line!;
    const told = line.established === undefined ? line.fault : undefined;
    line.established ??= now;
    // The server is ahead of the news that media flow, or they never will.
    if (!line.hasFlowed) line.interrupted ??= now + this.#timeouts.attempt;
    if (this.#state !== "generating") this.#show(state);
    this.#connected();
    // It was not the end.
    if (told) this.#event({ name: "error", error: told.error });
  }

  /** The server says that something is wrong. If that ends the session, it closes the WebSocket. */
  #fault(now: number, error: Fault): void {
    const line = this.#line!;
    if (line.established === undefined) {
      // Until there is a session, it is why the attempt fails.
      const isLess = line.fault?.error.permanent && !error.permanent;
      if (!isLess) line.fault = { error, until: line.fault?.until ?? now + FAREWELL };
      return;
    }
    line.fault = { error, until: now + FAREWELL };
    this.#event({ name: "error", error });
    // It can be said in the place of an acknowledgement.
    const call = this.#updates.failed();
    if (call === undefined) return;
    this.#done(call, error);
    this.#nextUpdate(now);
  }

  #time(now: number): void {
    const overdue = this.#updates.overdue(now);
    if (overdue) this.#finish(overdue);
    this.#nextUpdate(now);
    const line = this.#line;
    if (!line) {
      if (this.#until !== undefined && this.#until <= now) this.#begin(now);
      return;
    }
    const deadline = until(line);
    if (deadline === undefined || deadline > now) return;
    if (line.established === undefined) return this.#lose(now, fault("timeout", "the server did not go on in time"));
    this.#lose(now, mediaFault(line.hasFlowed ? "media do not flow any more" : "media do not flow"));
  }

  /** Something came of an attempt that goes on. */
  #progress(now: number): void {
    this.#line!.progress = now + this.#timeouts.attempt;
  }

  /** The attempt, or the session that it became, is over. If there is a reason to, another one follows. */
  #lose(now: number, error: Fault): void {
    const line = this.#line!;
    this.#line = undefined;
    this.#output({ type: "close" });
    this.#failUpdates(fault("not_connected", "the connection was lost"));
    // What was said long ago was not the end.
    const isWhy = line.fault && (line.established === undefined || now <= line.fault.until);
    const cause = line.fault && isWhy ? endedBy(line.fault.error, error) : error;
    if (line.established !== undefined && now - line.established >= this.#retry.stable) this.#failures = 0;
    const delay = this.#failures === 0 ? 0 : this.#retry.delays[this.#failures - 1];
    this.#failures += 1;
    const mayGoOn = this.#connecting !== undefined || this.#reconnects;
    if (delay === undefined || !mayGoOn || cause.permanent) {
      this.#show("disconnected");
      const isTold = line.established !== undefined && isWhy;
      if (!this.#connected(cause) && !isTold) this.#event({ name: "error", error: cause });
      return;
    }
    if (this.#connecting === undefined) this.#show("reconnecting");
    this.#failure = cause;
    this.#until = now + delay;
    if (delay === 0) this.#begin(now);
  }

  #disconnect(): void {
    if (this.#line) this.#output({ type: "close" });
    this.#line = undefined;
    this.#until = undefined;
    const error = fault("aborted", "the client has disconnected");
    this.#failUpdates(error);
    this.#show("disconnected");
    this.#connected(error);
  }

  #failUpdates(error: Fault): void {
    for (const call of this.#updates.clear()) this.#done(call, error);
  }

  #show(state: State): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#failure = undefined;
    this.#event({ name: "connection_change", state });
  }

  #event(event: Event): void {
    this.#outputs.push({ type: "event", event });
  }

  #send(message: ClientFrame): void {
    this.#output({ type: "send", message });
  }

  /** Says what is to be done in the attempt that there is. */
  #output(output: WithoutAttempt): void {
    this.#outputs.push({ ...output, attempt: this.#attempt });
  }

  /** The call that waits for the first session waits no more. Whether there was one. */
  #connected(error?: Fault): boolean {
    const call = this.#connecting;
    this.#connecting = undefined;
    if (call !== undefined) this.#done(call, error);
    return call !== undefined;
  }

  #done(call: number, error?: Fault): void {
    this.#outputs.push({ type: "done", call, ...(error && { error }) });
  }
}

/** When an attempt is given up. */
function until({ established, interrupted, progress, fault }: Line): number | undefined {
  if (established !== undefined) return interrupted;
  return fault ? Math.min(progress, fault.until) : progress;
}
