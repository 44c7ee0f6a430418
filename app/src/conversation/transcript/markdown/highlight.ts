// Colours for code. What does it is loaded when there is code for the first time.

/** Code that is longer is shown as it is. */
const MOST = 60_000;

/** How many pieces are kept: those that a reader scrolls back to. */
const KEPT = 200;

type Library = typeof import("./languages.js");

let library: Library | undefined;
let loading: Promise<Library | undefined> | undefined;
const known = new Map<string, string>();

/** The HTML of code whose language is known, if it was made before: to be shown without a flicker. */
export function highlightedBefore(text: string, language: string): string | undefined {
  return known.get(keyOf(text, language));
}

/** The HTML of the code; none if the language is not known, or the code too long. */
export async function highlighted(text: string, language: string): Promise<string | undefined> {
  if (!language || text.length > MOST) return undefined;
  const key = keyOf(text, language);
  const before = known.get(key);
  if (before !== undefined) return before;
  library ??= await (loading ??= load());
  const html = library?.highlight(text, language);
  if (html === undefined) return undefined;
  if (known.size >= KEPT) known.delete(known.keys().next().value!);
  known.set(key, html);
  return html;
}

async function load(): Promise<Library | undefined> {
  try {
    return await import("./languages.js");
  } catch {
    // The server is away: without colours for now.
    loading = undefined;
    return undefined;
  }
}

function keyOf(text: string, language: string): string {
  return `${language}\n${text}`;
}
