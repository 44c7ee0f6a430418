// What can be wrong with a session.

import { isPassing } from "../error.js";
import type { State } from "./connection.js";

/** The kinds of what can be wrong with a session. */
export type FaultCode =
  /** The server said so on the WebSocket. */
  | "server"
  /** The server refused the WebSocket, or cannot be reached. */
  | "refused"
  /** The WebSocket was closed. */
  | "closed"
  /** Media do not flow. */
  | "media"
  /** Something did not come in time. */
  | "timeout"
  /** The server did not take a prompt or an image. */
  | "rejected"
  /** There is no session at the moment. */
  | "not_connected"
  /** What was asked for cannot be. */
  | "invalid_input"
  /** Not now. */
  | "invalid_state"
  /** The application disconnected meanwhile. */
  | "aborted";

/** Something that is wrong with a session, or with a call. */
export interface Fault {
  readonly code: FaultCode;
  /** For people; if it is the server's, in its own words. */
  readonly message: string;
  /** What the server calls it, if it does. */
  readonly error_type?: string;
  /** Whether another attempt would end in the same way. */
  readonly permanent?: true;
}

/** Texts that servers of the contract refuse with for good. */
const PERMANENT = /permission denied|not allowed|invalid session|401|invalid api key|unauthorized/i;

/** Kinds of errors after which another attempt would end in the same way. */
const PERMANENT_TYPES = [
  "invalid_api_key",
  "origin_not_allowed",
  "invalid_model",
  "removed_model",
  "model_not_available_for_trial",
  "insufficient_credits",
  "session_duration_limit",
  "session_not_found",
  "session_deleted",
  "moderation_violation",
  "transport_not_supported",
  "upstream_rejected",
];

/** Kinds of errors that are about the moment, even if the server closes with `POLICY_VIOLATION` after them. */
const PASSING_TYPES = [
  "upstream_capacity",
  "upstream_timeout",
  "model_server_disconnected",
  "model_setup_timeout",
  "server_shutdown",
  "internal_error",
  "invalid_message",
];

/** The close code for what is against the rules. */
const POLICY_VIOLATION = 1008;

/** A close frame without a code, and no close frame at all, as browsers tell them. */
const NO_CODE = 1005;
const LOST = 1006;

export function fault(code: FaultCode, message: string, permanent = false): Fault {
  // A URL in a text of some library has the key in it.
  return { code, message: message.replace(/api_key=[^&"\s]*/g, "api_key=***"), ...(permanent && { permanent }) };
}

export function serverFault(message: string, type?: string | null): Fault {
  const permanent = PERMANENT.test(message) || PERMANENT_TYPES.includes(type ?? "");
  const told = fault("server", message || "the server says that something is wrong", permanent);
  return { ...told, ...(type != null && { error_type: type }) };
}

export function refused(status: number | null, reason: string): Fault {
  const message =
    reason ||
    (status === null ? "the server cannot be reached" : `the server refused the connection with status ${status}`);
  // The text does not count: it can be a proxy's page or a library's words with an address in them, and a port can be 8401.
  const permanent = status !== null && status >= 400 && !isPassing(status);
  return fault("refused", message, permanent);
}

export function closed(code: number | null, reason: string): Fault {
  const permanent = code === POLICY_VIOLATION || PERMANENT.test(reason);
  if (code === null || code === LOST) return fault("closed", "the connection to the server was lost", permanent);
  const how = code === NO_CODE ? "" : ` with code ${code}${reason && `: ${reason}`}`;
  return fault("closed", `the server closed the connection${how}`, permanent);
}

export function mediaFault(reason: string): Fault {
  return fault("media", reason || "media do not flow");
}

export function rejected(reason: string | null | undefined): Fault {
  const why = reason || "the server did not take it";
  return fault("rejected", why, PERMANENT.test(why));
}

/** An error of the server as why it ended what it ended in that way. */
export function endedBy(error: Fault, end: Fault): Fault {
  const passes = PASSING_TYPES.includes(error.error_type ?? "");
  return end.permanent && !passes ? { ...error, permanent: true } : error;
}

export function notConnected(state: State): Fault {
  return fault("not_connected", `there is no session now: the connection is ${state}`);
}
