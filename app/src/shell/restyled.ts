// Style sheets of a part of the app that could not be fetched. The bundler asks for each of them once, and never again.

/** Asks again for those that failed. Rejects if one fails again. */
export async function restyled(): Promise<void> {
  const links = [...document.querySelectorAll<HTMLLinkElement>("link[rel=stylesheet]")];
  await Promise.all(links.filter(hasFailed).map(again));
}

/** Browsers give no sheet then, an empty one, or one that cannot be looked into. */
function hasFailed({ sheet }: HTMLLinkElement): boolean {
  try {
    return !sheet?.cssRules.length;
  } catch {
    return true;
  }
}

function again(failed: HTMLLinkElement): Promise<unknown> {
  const link = failed.cloneNode() as HTMLLinkElement;
  const loaded = new Promise((resolve, reject) => {
    link.onload = resolve;
    link.onerror = () => reject(new Error("a style sheet cannot be fetched"));
  });
  failed.replaceWith(link);
  return loaded;
}
