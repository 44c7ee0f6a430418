// What went wrong, and what to do, for people.

import { DispatchError } from "@dispatch/client";

export interface Explanation {
  /** What happened, as a sentence. */
  readonly text: string;
  /** What to do about it. */
  readonly hint?: string;
}

/** What to do, by the code of the error. Where the message of the server says it already, nothing is added. */
const HINTS: Readonly<Record<string, string>> = {
  // Of requests.
  "body-too-large": "Send less at once: smaller images, or a shorter text.",
  "not-found": "It may have been removed meanwhile. Reload the page to see what there is.",
  "forbidden-origin":
    "Open the app under an address that the server allows: `allowed_hosts` and `allowed_origins` in its configuration.",
  "unauthorized": "Enter a key that this server knows, under Settings.",
  "operator-only": "Use a key of the server's configuration: only the operator may do this.",
  "insufficient_credits": "Ask the operator to add credits to the key, or do it under Keys.",
  "unknown-surface": "Reload the page: the server offers other controls now.",
  "unknown-action": "Reload the page: the server offers other controls now.",
  // Of conversations.
  "turn-active": "Queue the message, or stop the turn first.",
  "turn-mismatch": "That turn is over. Send the message again if it is still wanted.",
  "conversation-active": "Stop the turn first.",
  "unknown-model": "Choose another model.",
  "store-failed": "The server could not read or write its log. Look at its disk and its own log, then try again.",
  "shutting-down": "The server is stopping. Try again when it is back.",
  "internal": "This is a fault of the server. Its log says more. Try again.",
  // Of providers.
  "provider-unreachable":
    "Send the message again. If it fails again, check the provider's address and the server's network.",
  "provider-unauthorized": "Check the key of the credential in the server's configuration.",
  "provider-rate-limited": "Wait a moment, then send the message again, or choose another model.",
  "provider-failed": "Send the message again, or choose another model. If the conversation is too long, compact it.",
  "provider-protocol": "Send the message again. If it fails again, check the `kind` of the credential.",
  "provider-stream-ended": "Send a message such as “go on”.",
  "provider-stalled": "Send the message again.",
  // Of this client.
  "unreachable": "Check that the server runs and that this device is on its network, then try again.",
  "refused": "Check that the server runs, then try again.",
  "closed": "Try again.",
  "media": "Video could not get through. Check that no firewall is between this device and the server, then try again.",
  "timeout": "The server took too long. Try again.",
  "not_connected": "Start a session first.",
};

/** What the server calls a key that it does not take. */
export function wantsKey(error: unknown): boolean {
  return error instanceof DispatchError && (error.code === "unauthorized" || error.status === 401);
}

/** What went wrong and what to do. */
export function explain(error: unknown): Explanation {
  if (!(error instanceof DispatchError)) return { text: sentence(words(error)) };
  const hint = HINTS[error.type ?? ""] ?? HINTS[error.code] ?? (error.status ? byStatus(error.status) : undefined);
  return { text: sentence(error.message), ...(hint && { hint }) };
}

function byStatus(status: number): string | undefined {
  if (status === 429) return HINTS["provider-rate-limited"];
  if (status >= 500) return "Try again. If it fails again, the server's log says more.";
  return undefined;
}

function words(error: unknown): string {
  if (error instanceof Error) return error.message || error.name;
  return typeof error === "string" && error ? error : "something went wrong";
}

/** With a capital letter and a full stop. */
function sentence(text: string): string {
  const trimmed = text.trim();
  const capital = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?:…]$/.test(capital) ? capital : `${capital}.`;
}
