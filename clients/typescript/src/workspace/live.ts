// What is heard of a server beside its conversations, and how the connection does.

import { type Companion, type Frame, NO_SURFACE, type Socket } from "../conversations/socket.js";
import { type Handler, guarded } from "../emitter.js";
import { DispatchError, mayPass } from "../error.js";
import type { SurfaceCatalogEntry, SurfaceSpec } from "../surface.js";
import type { SurfaceErrorMessage } from "../transport.js";
import { unique } from "../wait.js";
import type { LinkState, SurfaceAction, WorkspaceEvents } from "../workspace.js";
import { heed } from "./page.js";
import { type SurfaceName, Surfaces } from "./surfaces.js";

interface Listener {
  readonly name: keyof WorkspaceEvents;
  readonly handler: Handler<never>;
}

export class Live implements Companion {
  link: LinkState = { state: "connecting" };
  catalog: readonly SurfaceCatalogEntry[] = [];
  readonly #socket: Socket;
  readonly #listeners = new Set<Listener>();
  readonly #surfaces = new Surfaces((type, name) => {
    if (this.link.state === "open") this.#socket.send({ type, ...name });
  });
  #attempt = 0;
  /** Why there is none, while one is looked for. */
  #error: DispatchError | undefined;
  /** Ends heeding the browser. */
  #ignore: (() => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.companion = this;
  }

  get isWatched(): boolean {
    return this.#listeners.size > 0 || this.#surfaces.isWatched;
  }

  retry(): void {
    this.#socket.retry();
  }

  on<Name extends keyof WorkspaceEvents>(name: Name, handler: Handler<WorkspaceEvents[Name]>): () => void {
    const listener = { name, handler };
    this.#listeners.add(listener);
    this.#start();
    // Not before the caller knows how to leave.
    if (name === "link") queueMicrotask(() => this.#tell(listener, this.link));
    return () => {
      if (this.#listeners.delete(listener)) this.#socket.leave();
    };
  }

  watchSurface(name: SurfaceName, handler: Handler<SurfaceSpec>): () => void {
    const leave = this.#surfaces.watch(name, handler);
    this.#start();
    return () => {
      leave();
      this.#socket.leave();
    };
  }

  invoke({ surfaceId, actionId, conversationId, payload }: SurfaceAction): void {
    if (this.link.state === "open") {
      return this.#socket.send({ type: "invoke", surfaceId, actionId, conversationId, payload });
    }
    const error = new DispatchError("unreachable", "there is no connection to the server: nothing was done");
    this.#emit("refused", { error, surfaceId });
  }

  connecting(): void {
    this.#ignore ??= heed(
      () => this.#back(),
      () => this.#socket.lose(),
    );
    const error = this.#error;
    if (this.link.state !== "connecting") this.#change({ state: "connecting", ...(error && { error }) });
  }

  waiting(delay: number, error: DispatchError): void {
    this.#attempt += 1;
    this.#error = error;
    this.#change({ state: "waiting", until: Date.now() + delay, attempt: this.#attempt, error });
  }

  refused(error: DispatchError): void {
    this.#settled();
    this.#change({ state: "refused", error });
  }

  closed(): void {
    this.#ignore?.();
    this.#ignore = undefined;
    this.#error = undefined;
    if (this.link.state !== "refused") this.link = { state: "connecting" };
  }

  take(frame: Frame): void {
    switch (frame.type) {
      case "catalog":
        this.catalog = frame.catalog;
        return this.#opened();
      case "surface":
        return this.#show(frame.spec, frame.conversationId);
      case "update":
        return this.#show(frame.update.spec, frame.update.conversationId);
      case "error":
        return this.#failed(frame);
      case "conversation.open":
      case "conversation.statusChanged":
      case "conversation.titleChanged":
      case "conversation.compacted":
      case "conversation.deleted":
        return this.#emit(frame.type, frame);
    }
  }

  /** One that was refused is made when somebody asks for it. */
  #start(): void {
    if (this.link.state !== "refused") this.#socket.start();
  }

  #back(): void {
    if (this.link.state !== "refused" || mayPass(this.link.error)) this.retry();
  }

  #opened(): void {
    this.#settled();
    this.link = { state: "open" };
    // Asks for frames beyond the contract, and does nothing else: nobody watches a conversation of that name.
    this.#socket.send({ type: "chat.unsubscribe", conversationId: unique(), extensions: true });
    this.#surfaces.subscribe();
    this.#emit("link", this.link);
    this.#emit("catalog", this.catalog);
  }

  #show(spec: SurfaceSpec, conversationId: string | undefined): void {
    const isForAll = this.catalog.some(({ id, scope }) => id === spec.id && scope === "global");
    this.#surfaces.show(spec, conversationId, isForAll);
  }

  #failed({ code = "invalid-request", message, surfaceId }: SurfaceErrorMessage): void {
    // With that one, the server says that it is still there.
    if (surfaceId === NO_SURFACE) return;
    const error = new DispatchError(code, message, { permanent: true });
    this.#emit("refused", { error, ...(surfaceId !== undefined && { surfaceId }) });
  }

  /** None is looked for any more. */
  #settled(): void {
    this.#attempt = 0;
    this.#error = undefined;
  }

  #change(link: LinkState): void {
    this.link = link;
    this.#emit("link", link);
  }

  #emit<Name extends keyof WorkspaceEvents>(name: Name, event: WorkspaceEvents[Name]): void {
    for (const listener of [...this.#listeners]) if (listener.name === name) this.#tell(listener, event);
  }

  #tell(listener: Listener, event: unknown): void {
    if (this.#listeners.has(listener)) guarded(listener.handler, event as never);
  }
}
