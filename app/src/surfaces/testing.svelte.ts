// What the tests of components are made of: mounting them, and a workspace that only remembers.

import type { SurfaceCatalogEntry, SurfaceSpec } from "@dispatch/client";
import type { LinkState, Workspace, WorkspaceEvents } from "@dispatch/client/workspace";
import { type Component, flushSync, mount, unmount } from "svelte";

type Handler<Name extends keyof WorkspaceEvents> = (event: WorkspaceEvents[Name]) => void;
type Asked = Parameters<Workspace["invoke"]>[0];

/** A component in a page, until it is taken away. */
export interface Rendered<Props> {
  readonly target: HTMLElement;
  /** They can be changed. */
  readonly props: Props;
  /** The first element that a selector finds; fails without one. */
  get<Found extends HTMLElement = HTMLElement>(selector: string): Found;
  all(selector: string): readonly HTMLElement[];
  text(selector?: string): string;
  done(): Promise<void>;
}

export function render<Props extends Record<string, unknown>>(
  component: Component<Props>,
  given: Props,
): Rendered<Props> {
  const props = $state(given);
  const target = document.createElement("div");
  document.body.append(target);
  const mounted = mount(component, { target, props });
  flushSync();
  const all = (selector: string) => [...target.querySelectorAll<HTMLElement>(selector)];
  const get = <Found extends HTMLElement>(selector: string) => {
    const found = target.querySelector<Found>(selector);
    if (!found) throw new Error(`nothing is ${selector} in ${target.innerHTML}`);
    return found;
  };
  return {
    target,
    props,
    get,
    all,
    text: (selector) => (selector ? get(selector) : target).textContent!.replace(/\s+/g, " ").trim(),
    done: async () => {
      await unmount(mounted);
      target.remove();
    },
  };
}

/** Waits until everything that was begun has come to its end, as far as nobody holds it. */
export async function settled(): Promise<void> {
  for (let round = 0; round < 20; round += 1) await Promise.resolve();
  flushSync();
}

export function press(on: Element, key: string, more: KeyboardEventInit = {}): KeyboardEvent {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more });
  on.dispatchEvent(event);
  flushSync();
  return event;
}

export function click(on: HTMLElement): void {
  on.click();
  flushSync();
}

/** Types as a person does: the value changes, and the field says so. */
export function type(field: HTMLInputElement | HTMLTextAreaElement, value: string): void {
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  flushSync();
}

/** As much of a workspace as surfaces need. */
export class FakeWorkspace {
  link: LinkState = { state: "open" };
  catalog: readonly SurfaceCatalogEntry[] = [];
  /** What was asked of surfaces. */
  readonly asked: Asked[] = [];
  readonly #handlers = new Map<keyof WorkspaceEvents, Set<(event: never) => void>>();
  readonly #watchers = new Map<string, Set<(spec: SurfaceSpec) => void>>();

  on<Name extends keyof WorkspaceEvents>(name: Name, handler: Handler<Name>): () => void {
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers.add(handler));
    return () => handlers.delete(handler);
  }

  watchSurface(
    { surfaceId, conversationId }: { readonly surfaceId: string; readonly conversationId?: string | undefined },
    handler: (spec: SurfaceSpec) => void,
  ): () => void {
    const key = `${surfaceId} ${conversationId ?? ""}`;
    const watchers = this.#watchers.get(key) ?? new Set();
    this.#watchers.set(key, watchers.add(handler));
    return () => watchers.delete(handler);
  }

  invoke(action: Asked): void {
    this.asked.push(action);
  }

  /** Tells everybody who listens. */
  emit<Name extends keyof WorkspaceEvents>(name: Name, event: WorkspaceEvents[Name]): void {
    for (const handler of this.#handlers.get(name) ?? []) (handler as Handler<Name>)(event);
    flushSync();
  }

  /** Gives a surface to those who watch it. */
  show(spec: SurfaceSpec, conversationId = ""): void {
    for (const watcher of this.#watchers.get(`${spec.id} ${conversationId}`) ?? []) watcher(spec);
    flushSync();
  }

  /** What is watched now: the surface, and the conversation. */
  get watched(): readonly string[] {
    return [...this.#watchers].filter(([, watchers]) => watchers.size > 0).map(([key]) => key.trim());
  }
}

/** As a whole one, for what takes one. */
export function whole(workspace: FakeWorkspace): Workspace {
  return workspace as unknown as Workspace;
}
