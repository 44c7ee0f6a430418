// Tells handlers what happens, and keeps what happened before there was one.

/** How many events are kept for the first handler. Beyond that, the oldest of those that may be forgotten are. */
const KEPT = 1_000;

export type Handler<T> = (value: T) => void;

/**
 * Events by name. `Events` says what each carries.
 *
 * Until the first handler is attached, events are kept. They are delivered in order one turn of the event loop after
 * that, so that all handlers that are attached in the same go see everything; afterwards events are delivered as they
 * come. A handler that throws stops no other.
 */
export class Emitter<Events extends object> {
  #handlers = new Map<keyof Events, Set<Handler<never>>>();
  #queue: { readonly name: keyof Events; readonly value: unknown }[] = [];
  #forgettable: keyof Events | undefined;
  #phase: "kept" | "soon" | "live" = "kept";
  #isDelivering = false;

  /** Of events of that name, the oldest are forgotten when too many wait for the first handler. */
  constructor(forgettable?: keyof Events) {
    this.#forgettable = forgettable;
  }

  on<Name extends keyof Events>(name: Name, handler: Handler<Events[Name]>): void {
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(handler));
    if (this.#phase === "kept") {
      this.#phase = "soon";
      setTimeout(() => {
        // Whoever was attached is gone again: the next one is the first.
        this.#phase = [...this.#handlers.values()].some(({ size }) => size > 0) ? "live" : "kept";
        this.#deliver();
      });
    }
  }

  off<Name extends keyof Events>(name: Name, handler: Handler<Events[Name]>): void {
    this.#handlers.get(name)?.delete(handler);
  }

  emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    this.#queue.push({ name, value });
    if (this.#phase === "live") return this.#deliver();
    if (this.#queue.length > KEPT) {
      const oldest = this.#queue.findIndex((event) => event.name === this.#forgettable);
      if (oldest >= 0) this.#queue.splice(oldest, 1);
    }
  }

  /** What a handler causes to happen is delivered after what all are being told now. */
  #deliver(): void {
    if (this.#isDelivering || this.#phase !== "live") return;
    this.#isDelivering = true;
    for (let event = this.#queue.shift(); event; event = this.#queue.shift()) {
      const handlers = this.#handlers.get(event.name);
      for (const handler of [...(handlers ?? [])]) {
        if (handlers?.has(handler)) guarded(handler, event.value as never);
      }
    }
    this.#isDelivering = false;
  }
}

/** Calls back into the application: its mistakes are its own, also those that it makes later. */
export async function guarded<T>(callback: Handler<T> | undefined, value: T): Promise<void> {
  try {
    await callback?.(value);
  } catch (error) {
    console.error("a callback failed:", error);
  }
}
