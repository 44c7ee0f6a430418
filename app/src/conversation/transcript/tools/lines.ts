/** The last lines of a text, and how many were left out before them. */
export function lastLines(text: string, most: number): { readonly text: string; readonly left: number } {
  let from = text.endsWith("\n") ? text.length - 1 : text.length;
  for (let count = 0; count < most; count += 1) {
    from = text.lastIndexOf("\n", from - 1);
    if (from <= 0) return { text, left: 0 };
  }
  let left = 1;
  for (let at = text.indexOf("\n"); at !== -1 && at < from; at = text.indexOf("\n", at + 1)) left += 1;
  return { text: text.slice(from + 1), left };
}
