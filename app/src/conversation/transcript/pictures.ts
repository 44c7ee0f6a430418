// Images of messages: those of this server are behind its key, and are fetched with it.

import type { Workspace } from "@dispatch/client/workspace";

/** How many stay in memory. */
const KEPT = 60;

const fetched = new Map<string, Promise<string>>();

/** Where a picture is shown from; none for one of another host, which would be told who reads. */
export function isNear(url: string): boolean {
  return url.startsWith("/images/") || url.startsWith("data:image/");
}

/** An address that an `<img>` can have. */
export function sourceOf(url: string, workspace: Pick<Workspace, "image">): Promise<string> {
  if (!url.startsWith("/images/")) return Promise.resolve(url);
  const known = fetched.get(url);
  if (known) return known;
  const source = workspace.image(url).then((blob) => URL.createObjectURL(blob));
  fetched.set(url, source);
  source.catch(() => fetched.delete(url));
  if (fetched.size > KEPT) forgetOldest();
  return source;
}

function forgetOldest(): void {
  const [url, source] = fetched.entries().next().value!;
  fetched.delete(url);
  source.then((address) => URL.revokeObjectURL(address)).catch(() => undefined);
}
