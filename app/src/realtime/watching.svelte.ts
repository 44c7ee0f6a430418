// Somebody else's session, watched.

import { type ConnectionState, DispatchError, type RealtimeViewer } from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";
import { Course } from "./course.svelte";
import { Meter } from "./meter.svelte";
import type { Phase, Words } from "./phases";
import { type Problem, problemOf } from "./problems";

/** What of a workspace is needed. */
export interface Watched {
  readonly realtime: Pick<Workspace["realtime"], "subscribe">;
}

/** Everything in it is reactive. */
export class Watching {
  readonly meter = new Meter();
  readonly #course = new Course(this.meter);
  #result = $state.raw<MediaStream>();
  #problem = $state.raw<Problem>();
  #viewer: RealtimeViewer | undefined;
  #abort: AbortController | undefined;
  #peer: RTCPeerConnection | undefined;
  #error: DispatchError | undefined;

  get phase(): Phase {
    return this.#course.phase;
  }

  get isRunning(): boolean {
    return this.#course.isRunning;
  }

  get words(): Words {
    return this.#course.words;
  }

  get result(): MediaStream | undefined {
    return this.#result;
  }

  /** Why there is nothing to watch any more. */
  get problem(): Problem | undefined {
    return this.#problem;
  }

  async start({ realtime }: Watched, token: string): Promise<void> {
    if (this.isRunning) return;
    const abort = (this.#abort = new AbortController());
    this.#viewer = this.#peer = this.#error = this.#problem = undefined;
    this.meter.reset();
    this.#course.to("connecting");
    try {
      const viewer = await realtime.subscribe({
        token,
        signal: abort.signal,
        onRemoteStream: (stream) => (this.#result = stream),
        onPeerConnection: (connection) => (this.#peer = connection),
        onRetry: (error) => this.#course.retries(error),
      });
      this.#viewer = viewer;
      const isCurrent = () => this.#viewer === viewer && this.isRunning;
      viewer.on("connectionChange", (state) => isCurrent() && this.#changed(state, viewer));
      viewer.on("error", (error) => (this.#error = error));
    } catch (error) {
      if (!abort.signal.aborted) this.#end(isUnreadable(error) ? UNREADABLE : problemOf(error));
    }
  }

  stop(): void {
    if (!this.isRunning) return;
    this.#abort?.abort();
    this.#viewer?.disconnect();
    this.#end();
  }

  /** A picture is shown. Viewers are not told that some are generated: they see it. */
  seen(): void {
    if (this.phase === "connected") this.#course.to("generating");
  }

  #changed(state: ConnectionState, viewer: RealtimeViewer): void {
    switch (state) {
      case "connecting":
        return;
      case "connected":
      case "generating":
        this.#error = undefined;
        if (this.#peer && this.phase !== "connected") this.meter.start(this.#peer);
        return this.#course.to(state);
      case "reconnecting":
        this.meter.stop();
        return this.#course.to(state);
      case "disconnected":
        // Why is said right after that, if it was not before.
        queueMicrotask(() => {
          if (this.#viewer === viewer && this.isRunning) this.#end(problemOf(this.#error));
        });
    }
  }

  #end(problem?: Problem): void {
    this.#problem = problem;
    this.#result = this.#peer = undefined;
    this.meter.stop();
    this.#course.to("ended");
  }
}

const UNREADABLE: Problem = { text: "This link cannot be read.", hint: "It may have been cut off. Ask for it again." };

function isUnreadable(error: unknown): boolean {
  return error instanceof DispatchError && error.code === "invalid_input";
}
