// What a browser says of the page and its network. Elsewhere nobody says it.

/** Calls `back` when there is a network, or the page is looked at, again, and `away` when there is no network any more. */
export function heed(back: () => void, away: () => void): () => void {
  const heeding = new AbortController();
  const { signal } = heeding;
  globalThis.addEventListener?.("online", back, { signal });
  globalThis.addEventListener?.("offline", away, { signal });
  globalThis.document?.addEventListener(
    "visibilitychange",
    () => {
      if (document.visibilityState === "visible") back();
    },
    { signal },
  );
  return () => heeding.abort();
}
