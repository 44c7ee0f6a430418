// The session that runs, for whoever shows that one does without knowing more of it.

import type { Words } from "./phases";

export interface Running {
  /** How it does. Reactive. */
  readonly words: Words;
  /** What it costs. Reactive. */
  readonly bill: {
    readonly seconds: number;
    readonly cost: string;
    readonly left: string | undefined;
    readonly isLow: boolean;
  };
  stop(): void;
}

class Current {
  /** None, if no session runs. Reactive. */
  session = $state.raw<Running>();
}

export const current = new Current();
