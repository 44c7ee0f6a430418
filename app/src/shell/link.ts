// What is said of the connection while it is not as it should be.

import type { LinkState } from "@dispatch/client/workspace";
import { explain, wantsKey } from "../lib/errors";

export interface LinkNotice {
  readonly text: string;
  /** What is done about it, which changes while the text stays. */
  readonly more?: string;
  readonly tone: "plain" | "warn" | "bad";
  /** What can be done about it. */
  readonly action?: "retry" | "key";
}

/** What to say of it now, if anything. */
export function notice(link: LinkState, isOnline: boolean, now: number): LinkNotice | undefined {
  switch (link.state) {
    case "open":
      return undefined;
    case "refused": {
      if (wantsKey(link.error)) return { text: "This server asks for a key.", tone: "warn", action: "key" };
      const { text, hint } = explain(link.error);
      return { text: hint ? `${text} ${hint}` : text, tone: "bad", action: "retry" };
    }
    case "connecting":
      if (link.error === undefined) return { text: "Connecting…", tone: "plain" };
      return lost(link.error, isOnline, 0);
    case "waiting":
      return lost(link.error, isOnline, link.until - now);
  }
}

/** Why there is none, and when it is tried again: in so many milliseconds. */
function lost(error: unknown, isOnline: boolean, delay: number): LinkNotice {
  const shown = { tone: "warn", action: "retry" } as const;
  if (!isOnline) return { text: "This device is offline. What is shown may be old.", ...shown };
  const left = Math.ceil(delay / 1_000);
  return { text: explain(error).text, more: left > 0 ? `Trying again in ${left} s.` : "Trying again.", ...shown };
}
