// What is said of the connection while it is not as it should be.

import type { LinkState } from "@dispatch/client/workspace";
import { explain, wantsKey } from "../lib/errors";

export interface LinkNotice {
  readonly text: string;
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
      return { text: "Connecting…", tone: "plain" };
    case "waiting": {
      if (!isOnline) return { text: "This device is offline. What is shown may be old.", tone: "warn", action: "retry" };
      const left = Math.ceil((link.until - now) / 1_000);
      const again = left > 0 ? `Trying again in ${left} s.` : "Trying again.";
      return { text: `The server cannot be reached. ${again}`, tone: "warn", action: "retry" };
    }
  }
}
