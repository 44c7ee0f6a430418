// Coming to a view: what it is called, and where the focus goes.

import type { Route } from "../lib/router.svelte";

/** What tells one view from another: not which part of it is shown. */
export function place(route: Route): string {
  return route.view === "conversation" ? `conversation ${route.id}` : route.view;
}

/** The title of the window; that of the conversation is given if it is known. */
export function windowTitle(route: Route, conversation = "Conversation"): string {
  switch (route.view) {
    case "new":
      return "Dispatch";
    case "conversation":
      return `${conversation} – Dispatch`;
    case "watch":
      return "Watch – Dispatch";
    case "unknown":
      return "Not found – Dispatch";
    default:
      return `${route.view.charAt(0).toUpperCase()}${route.view.slice(1)} – Dispatch`;
  }
}

/** Puts the focus into the view: where one writes if it is new, else on its heading. Whether there was such a place. */
export function arrive(main: HTMLElement): boolean {
  // Somebody goes on with what they do there.
  if (main !== document.activeElement && main.contains(document.activeElement)) return true;
  const heading = main.querySelector<HTMLElement>("h1");
  // Where fingers write, a keyboard would come up and hide half of it.
  const isNew = location.pathname === "/" && !matchMedia("(pointer: coarse)").matches;
  const target = (isNew && main.querySelector<HTMLElement>("[data-composer]")) || heading;
  if (!target) return false;
  if (target === heading && !target.hasAttribute("tabindex")) target.tabIndex = -1;
  target.focus({ preventScroll: true });
  return true;
}
