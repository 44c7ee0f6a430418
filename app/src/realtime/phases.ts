// Where a session is, in words.

/** Where a session is, for people. */
export type Phase =
  /** There was none yet. */
  | "idle"
  | "connecting"
  /** Media flow, and no picture came back yet. */
  | "connected"
  | "generating"
  /** It was lost, and is being set up again. */
  | "reconnecting"
  | "ended";

export interface Words {
  readonly title: string;
  /** What stands where the pictures will be. Nothing where they are. */
  readonly empty: string;
  readonly tone: "plain" | "good" | "warn" | "accent";
}

const PHASES: Readonly<Record<Phase, Words>> = {
  idle: { title: "Not started", empty: "The result appears here.", tone: "plain" },
  connecting: { title: "Connecting", empty: "Connecting…", tone: "accent" },
  connected: { title: "Connected", empty: "Waiting for the first picture…", tone: "accent" },
  generating: { title: "Generating", empty: "", tone: "good" },
  reconnecting: { title: "Reconnecting", empty: "The connection was lost. Connecting again…", tone: "warn" },
  ended: { title: "Ended", empty: "The session is over.", tone: "plain" },
};

/** A session that generates, and whose pictures stand still. */
const STALLED: Words = { title: "No pictures", empty: "", tone: "warn" };

/** What is known of a session besides its phase. */
interface More {
  readonly isStalled?: boolean;
  /** Why it could not be set up so far, while that is tried again. */
  readonly trouble?: string | undefined;
}

export function wordsOf(phase: Phase, { isStalled = false, trouble }: More = {}): Words {
  if (phase === "generating" && isStalled) return STALLED;
  return trouble === undefined ? PHASES[phase] : { ...PHASES[phase], empty: `${trouble} Trying again…` };
}

/** Whether a session is there, or on its way. */
export function isRunning(phase: Phase): boolean {
  return phase !== "idle" && phase !== "ended";
}
