// Why sessions end, or do not begin, and what to do about it.

import { DispatchError } from "@dispatch/client";

const REASONS: Readonly<Record<string, string>> = {
  disconnect: "It was stopped, or its page was left or not heard any more.",
  timeout: "Something did not come in time: the offer, a picture, or the end of the time that a token permits.",
  error: "Something failed on the server, the key was revoked, or the server stopped.",
  insufficient_credits: "The credits were used up.",
  moderation_violation: "What was asked for, or shown, is not permitted.",
  deleted_by_operator: "It was ended from elsewhere: by the operator, or by whoever pays.",
  interrupted: "The server was killed. The second that was in flight is not charged.",
};

/** Why a connection ended, by the word of its receipt. */
export function reasonOf(reason: string): string {
  return REASONS[reason] ?? reason;
}

/** What is wrong, and what to do about it. */
export interface Problem {
  readonly text: string;
  readonly hint?: string;
  /** Whether another key would help. */
  readonly isAboutKey?: true;
}

const KINDS: Readonly<Record<string, (message: string) => Problem>> = {
  invalid_api_key: aboutKey,
  unauthorized: aboutKey,
  origin_not_allowed: () => ({
    text: "The key is not for pages of this address.",
    hint: "Enter another one.",
    isAboutKey: true,
  }),
  invalid_model: () => ({
    text: "The server has no such model, or not for this key.",
    hint: "Choose another model and start again.",
  }),
  removed_model: () => ({ text: "This model was removed from the server.", hint: "Choose another model and start again." }),
  insufficient_credits: () => ({
    text: "The credits of this key are used up.",
    hint: "Nothing more is charged. Add credits to the key, or enter another one, and go on with the session.",
    isAboutKey: true,
  }),
  session_duration_limit: () => ({
    text: "The session lasted as long as its token permits.",
    hint: "Enter another key or token and start again.",
    isAboutKey: true,
  }),
  session_not_found: (message) => ({
    text: /producer ended/.test(message)
      ? "The session is over."
      : "There is nothing to watch: the session is over, or never was.",
    hint: "Ask for a new link. A session that was interrupted has another one.",
  }),
  moderation_violation: () => ({
    text: "What was asked for, or shown, is not permitted here.",
    hint: "Change it and start again.",
  }),
  session_deleted: () => ({ text: "The session was ended from elsewhere.", hint: "Start again if that was not meant." }),
  upstream_timeout: (message) => {
    if (/no media/i.test(message)) return blocked();
    return /no video/i.test(message) ? idle() : late();
  },
  upstream_capacity: (message) => ({ text: sentence(message), hint: "All places are taken. Try again in a moment." }),
  server_shutdown: () => ({ text: "The server was stopped.", hint: "Go on with the session when it is back." }),
  refused: () => unreachable(),
  unreachable: () => unreachable(),
  closed: () => ({
    text: "The connection to the server was lost.",
    hint: "It could not be made again. Look whether the server runs and you are online, then go on with the session.",
  }),
  media: blocked,
  timeout: late,
  invalid_state: (message) => ({ text: sentence(message), hint: "Use a browser that has WebRTC." }),
};

/** What ended a session, or kept it from beginning. */
export function problemOf(error: unknown): Problem {
  if (!(error instanceof DispatchError)) return { text: sentence(error instanceof Error ? error.message : String(error)) };
  const known = KINDS[error.type ?? ""] ?? KINDS[error.code];
  return known ? known(error.message) : { text: sentence(error.message) };
}

/** Why another attempt to connect is made. Video that got through before is not blocked. */
export function troubleOf(error: DispatchError, hadSession: boolean): string {
  return hadSession && error.code === "media" ? "The video was interrupted." : problemOf(error).text;
}

function aboutKey(message: string): Problem {
  const text = [
    [/none was given/, "The server wants a key."] as const,
    [/expired/, "The token has expired."] as const,
    [/revoked/, "The key was revoked."] as const,
  ].find(([words]) => words.test(message))?.[1];
  return { text: text ?? "The server does not take the key.", hint: "Enter one that it takes.", isAboutKey: true };
}

function unreachable(): Problem {
  return { text: "The server cannot be reached.", hint: "Look whether it runs and you are online, then try again." };
}

function blocked(): Problem {
  return {
    text: "The video does not get through to the server: its UDP port may be blocked.",
    hint: "A firewall may be in the way, or the port is not forwarded. The server's documentation names the ports.",
  };
}

function idle(): Problem {
  return {
    text: "The server saw no video for a minute.",
    hint: "What is sent has ended, or its tab was hidden. Choose a source, then go on with the session.",
  };
}

function late(): Problem {
  return { text: "The server did not answer in time.", hint: "Try again. If it stays so, look at the server's log." };
}

/** With a capital letter and a full stop. */
export function sentence(words: string): string {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
