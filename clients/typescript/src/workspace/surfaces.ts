// The surfaces that are watched: each is subscribed to once, however many watch it.

import { type Handler, guarded } from "../emitter.js";
import type { SurfaceSpec } from "../surface.js";

/** Which surface, and of which conversation if there is one for each. */
export interface SurfaceName {
  readonly surfaceId: string;
  readonly conversationId?: string | undefined;
}

interface Watcher {
  readonly handler: Handler<SurfaceSpec>;
}

interface Panel {
  readonly name: SurfaceName;
  readonly watchers: Set<Watcher>;
  /** As the server gave it last. */
  spec?: SurfaceSpec;
}

export class Surfaces {
  readonly #say: (type: "subscribe" | "unsubscribe", name: SurfaceName) => void;
  readonly #panels = new Map<string, Panel>();

  /** Says to the server what is wanted from now on, and what no longer. */
  constructor(say: (type: "subscribe" | "unsubscribe", name: SurfaceName) => void) {
    this.#say = say;
  }

  get isWatched(): boolean {
    return this.#panels.size > 0;
  }

  /** Says all that is wanted: the server knows nothing of it yet. */
  subscribe(): void {
    for (const { name } of this.#panels.values()) this.#say("subscribe", name);
  }

  watch({ surfaceId, conversationId }: SurfaceName, handler: Handler<SurfaceSpec>): () => void {
    const key = JSON.stringify([surfaceId, conversationId]);
    const known = this.#panels.get(key);
    const panel: Panel = known ?? { name: { surfaceId, conversationId }, watchers: new Set() };
    const watcher = { handler };
    panel.watchers.add(watcher);
    if (!known) {
      this.#panels.set(key, panel);
      this.#say("subscribe", panel.name);
    }
    const { spec } = panel;
    // Not before the caller knows how to leave.
    if (spec) queueMicrotask(() => panel.watchers.has(watcher) && guarded(handler, spec));
    return () => {
      if (!panel.watchers.delete(watcher) || panel.watchers.size > 0) return;
      this.#panels.delete(key);
      this.#say("unsubscribe", panel.name);
    };
  }

  /** As it is now. One that is the same for all conversations is for whoever watches it, of whatever conversation. */
  show(spec: SurfaceSpec, conversationId: string | undefined, isForAll: boolean): void {
    for (const panel of this.#panels.values()) {
      if (panel.name.surfaceId !== spec.id) continue;
      if (panel.name.conversationId !== conversationId && !isForAll) continue;
      panel.spec = spec;
      for (const watcher of [...panel.watchers]) {
        if (panel.watchers.has(watcher)) guarded(watcher.handler, spec);
      }
    }
  }
}
