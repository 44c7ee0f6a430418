// Where the app is: its address says so, and a view is a function of it.

/** The views, with what their addresses have in them. */
export type Route =
  /** A conversation that does not exist yet. */
  | { readonly view: "new" }
  | { readonly view: "conversation"; readonly id: string }
  /** A realtime session of one's own. */
  | { readonly view: "realtime" }
  /** Somebody else's session, by the token that its producer gave away. */
  | { readonly view: "watch"; readonly token: string }
  /** What was used; which part of it, as a query: `days=7&key=key_1`. */
  | { readonly view: "usage"; readonly part?: string }
  | { readonly view: "keys" }
  | { readonly view: "settings" }
  | { readonly view: "unknown"; readonly path: string };

/** The view of an address: its path, and the fragment where something is not to be sent to servers. */
export function parse(path: string, fragment = ""): Route {
  const [first = "", second, ...more] = path.split("/").slice(1).map(decoded);
  if (more.length === 0) {
    switch (first) {
      case "":
        if (second === undefined) return { view: "new" };
        break;
      case "c":
        if (second) return { view: "conversation", id: second };
        break;
      case "watch":
        // The token is a secret of sorts: not for access logs.
        if (second === undefined && fragment.length > 1) return { view: "watch", token: decoded(fragment.slice(1)) };
        break;
      case "usage":
        // In the fragment, so that another part is no other page to the server.
        if (second === undefined) return { view: first, ...(fragment.length > 1 && { part: fragment.slice(1) }) };
        break;
      case "realtime":
      case "keys":
      case "settings":
        if (second === undefined) return { view: first };
    }
  }
  return { view: "unknown", path };
}

/** The address of a view. */
export function address(route: Route): string {
  switch (route.view) {
    case "new":
      return "/";
    case "conversation":
      return `/c/${encodeURIComponent(route.id)}`;
    case "watch":
      return `/watch#${encodeURIComponent(route.token)}`;
    case "usage":
      return route.part ? `/usage#${route.part}` : "/usage";
    case "unknown":
      return route.path;
    default:
      return `/${route.view}`;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Whether the app may leave its view for that one. */
export type Guard = (to: Route) => boolean;

class Router {
  #route = $state.raw<Route>(parse(location.pathname, location.hash));
  #guards = new Set<Guard>();

  constructor() {
    const read = () => this.#read();
    addEventListener("popstate", read);
    addEventListener("hashchange", read);
  }

  /** Where the app is. Reactive. */
  get route(): Route {
    return this.#route;
  }

  /** Goes there; with `replace` so that "back" does not come here again. */
  go(route: Route, { replace = false }: { readonly replace?: boolean } = {}): void {
    const path = address(route);
    if (path === location.pathname + location.hash || !this.#may(route)) return;
    history[replace ? "replaceState" : "pushState"](null, "", path);
    this.#route = route;
  }

  /** Asks before the view is left, until the returned function is called. Who answers no says why, and may go there later. */
  guard(guard: Guard): () => void {
    this.#guards.add(guard);
    return () => void this.#guards.delete(guard);
  }

  /** The browser has gone back or forward. */
  #read(): void {
    const route = parse(location.pathname, location.hash);
    const path = address(this.#route);
    if (address(route) === path) return;
    if (this.#may(route)) this.#route = route;
    else history.pushState(null, "", path);
  }

  #may(to: Route): boolean {
    return [...this.#guards].every((guard) => guard(to));
  }
}

export const router = new Router();

/** For links within the app: `<a href={address(route)} onclick={follow}>`. What opens another tab is left to the browser. */
export function follow(event: MouseEvent & { readonly currentTarget: HTMLAnchorElement }): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const { pathname, hash } = event.currentTarget;
  router.go(parse(pathname, hash));
}
