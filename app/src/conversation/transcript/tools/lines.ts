export interface Cut {
  readonly text: string;
  /** Whether something was left out before it, and how many whole lines. */
  readonly isCut: boolean;
  readonly left: number;
}

/** The last lines of a text, and of those no more than so many characters. */
export function lastLines(text: string, mostLines: number, mostCharacters = Infinity): Cut {
  const from = Math.max(beginOf(text, mostLines), text.length - mostCharacters);
  if (from <= 0) return { text, isCut: false, left: 0 };
  let left = 0;
  for (let at = text.indexOf("\n"); at !== -1 && at < from; at = text.indexOf("\n", at + 1)) left += 1;
  return { text: text.slice(from), isCut: true, left };
}

/** Where the last lines begin. */
function beginOf(text: string, lines: number): number {
  let from = text.endsWith("\n") ? text.length - 1 : text.length;
  for (let count = 0; count < lines; count += 1) {
    if (from <= 0) return 0;
    from = text.lastIndexOf("\n", from - 1);
  }
  return from + 1;
}
