// Why a turn ended, where it did not just come to its end.

import type { IconName } from "../../ui/icons";

export interface Reason {
  readonly words: string;
  readonly icon: IconName;
  readonly tone: "plain" | "warn" | "bad";
}

const REASONS: Readonly<Record<string, Reason>> = {
  aborted: { words: "Stopped.", icon: "stop", tone: "plain" },
  length: { words: "The answer is cut off: the model may not write more at once. Send “go on”.", icon: "alert", tone: "warn" },
  content_filter: { words: "The provider's content filter ended the answer.", icon: "alert", tone: "warn" },
  "max-steps": { words: "Ended after as many steps as a turn may have. Send “go on”.", icon: "alert", tone: "warn" },
  interrupted: { words: "The server ended in the middle of this turn. Send “go on”.", icon: "alert", tone: "warn" },
  error: { words: "The turn failed.", icon: "alert", tone: "bad" },
};

/** None for one that just stopped, or of which nothing is known. */
export function endOf(reason: string | undefined): Reason | undefined {
  if (reason === undefined || reason === "stop") return undefined;
  return REASONS[reason] ?? { words: `Ended: ${reason}.`, icon: "info", tone: "plain" };
}
