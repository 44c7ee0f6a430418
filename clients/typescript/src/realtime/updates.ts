// Changes of the look on their way: one at a time, each with its own acknowledgement.

import { type Fault, fault } from "./error.js";
import { type Update, message } from "./look.js";
import type { Timeouts } from "./options.js";
import type { ClientFrame, ServerFrame } from "./protocol.js";

/** An acknowledgement. It says what it acknowledges, and not whose it is. */
export type Ack = Extract<ServerFrame, { type: "prompt_ack" | "set_image_ack" }>;

interface Sent {
  readonly call: number;
  readonly update: Update;
  readonly until: number;
  /** What was taken for the answer to one that was given up, and can be the answer to this one. */
  doubtful?: { readonly error: Fault | undefined };
}

/** An update that is over: it holds from now on, or there is an error. */
export interface Over {
  /** Its call, if that still waits. */
  readonly call: number | undefined;
  readonly update: Update;
  readonly error: Fault | undefined;
}

/**
 * The calls of an application, in their order.
 *
 * A server acknowledges what it got in the order in which it got it, and an acknowledgement does not say whose it is. So
 * an update goes out when the one before is acknowledged or given up; and of one that was given up, the acknowledgement is
 * still awaited for a while, so that it is taken for that of no other. Should the one in flight get none of its own then,
 * it was its own after all: a server that has left one out does not leave all behind it one short.
 */
export class Updates {
  readonly #timeouts: Timeouts;
  #waiting: { readonly call: number; readonly update: Update }[] = [];
  #sent: Sent | undefined;
  #givenUp: { readonly update: Update; readonly until: number }[] = [];

  constructor(timeouts: Timeouts) {
    this.#timeouts = timeouts;
  }

  get deadline(): number | undefined {
    return this.#sent?.until;
  }

  add(call: number, update: Update): void {
    this.#waiting.push({ call, update });
  }

  /** What to send now, if anything. */
  next(now: number): ClientFrame | undefined {
    const next = this.#sent ? undefined : this.#waiting.shift();
    if (!next) return undefined;
    this.#sent = { ...next, until: now + this.#patience(next.update) };
    return message(next.update);
  }

  /** The update that this acknowledges. */
  acknowledged(now: number, ack: Ack, error: Fault | undefined): Over | undefined {
    this.#forget(now);
    const sent = this.#sent;
    const isSent = sent !== undefined && isCalled(sent.update, ack);
    const position = this.#givenUp.findIndex(({ update }) => isCalled(update, ack));
    if (position >= 0) {
      if (isSent) sent.doubtful = { error };
      // Those before it will not be acknowledged any more.
      const { update } = this.#givenUp.splice(0, position + 1)[position]!;
      return { call: undefined, update, error };
    }
    if (!isSent) return undefined;
    this.#sent = undefined;
    this.#givenUp = [];
    return { ...sent, error };
  }

  /** The update that is over because the server said that something is wrong, instead of acknowledging it. */
  failed(): number | undefined {
    const call = this.#sent?.call;
    this.#sent = undefined;
    return call;
  }

  /** The update whose time is over now, if one's is. */
  overdue(now: number): Over | undefined {
    const sent = this.#sent;
    if (!sent || sent.until > now) return undefined;
    this.#sent = undefined;
    this.#forget(now);
    const { update, doubtful } = sent;
    if (doubtful) return { ...sent, ...doubtful };
    this.#givenUp.push({ update, until: now + this.#patience(update) });
    return { ...sent, error: fault("timeout", "the server did not acknowledge it in time") };
  }

  /** Forgets all of them, and says which calls there were. */
  clear(): number[] {
    const calls = [...(this.#sent ? [this.#sent] : []), ...this.#waiting].map(({ call }) => call);
    this.#sent = undefined;
    this.#waiting = [];
    this.#givenUp = [];
    return calls;
  }

  #forget(now: number): void {
    this.#givenUp = this.#givenUp.filter(({ until }) => until > now);
  }

  #patience(update: Update): number {
    return "prompt" in update ? this.#timeouts.prompt : this.#timeouts.image;
  }
}

/** Whether that is the acknowledgement of that update. */
export function isCalled(update: Update, ack: Ack): boolean {
  return "prompt" in update
    ? ack.type === "prompt_ack" && ack.prompt === update.prompt.prompt
    : ack.type === "set_image_ack";
}
