// The session that runs, for whoever shows that one does without knowing more of it.

import type { Phase } from "./phases";

export interface Running {
  /** Reactive. */
  readonly phase: Phase;
  /** The seconds that are billed. Reactive. */
  readonly seconds: number;
  /** What they cost. Reactive. */
  readonly cost: string;
  stop(): void;
}

class Current {
  /** None, if no session runs. Reactive. */
  session = $state.raw<Running>();
}

export const current = new Current();
