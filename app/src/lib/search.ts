// Finding by a few letters.

/** How well a text has been found: the more, the better. */
export interface Found {
  readonly score: number;
  /** Where the letters are, ascending. */
  readonly at: readonly number[];
}

/**
 * Whether the letters of the query are in the text, in their order: `ncv` finds "New conversation". Letters at the beginnings
 * of words count for more, and so do those side by side. Each word of the query is looked for by itself.
 */
export function find(query: string, text: string): Found | undefined {
  const lower = text.toLowerCase();
  let score = 0;
  const at = new Set<number>();
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const found = findWord(word, lower);
    if (!found) return undefined;
    score += found.score;
    for (const index of found.at) at.add(index);
  }
  // Of two that have it, the shorter one is meant.
  return { score: score - text.length / 100, at: [...at].sort((a, b) => a - b) };
}

function findWord(word: string, text: string): Found | undefined {
  const whole = text.indexOf(word);
  if (whole >= 0) {
    // The best place is where a word begins.
    let place = whole;
    for (let next = whole; next >= 0; next = text.indexOf(word, next + 1)) {
      if (!begins(text, next)) continue;
      place = next;
      break;
    }
    const score = word.length * 3 + (begins(text, place) ? 8 : 2) + (place === 0 ? 4 : 0);
    return { score, at: Array.from(word, (_, index) => place + index) };
  }
  return initials(word, text);
}

/** Letters that are not side by side: each at the beginning of a word, or next to the one before. */
function initials(word: string, text: string): Found | undefined {
  const at: number[] = [];
  let from = 0;
  for (const letter of word) {
    let index = text.indexOf(letter, from);
    while (index >= 0 && !(begins(text, index) || index === from)) index = text.indexOf(letter, index + 1);
    if (index < 0) return undefined;
    at.push(index);
    from = index + 1;
  }
  return { score: word.length, at };
}

function begins(text: string, index: number): boolean {
  return index === 0 || !/[\p{L}\p{N}]/u.test(text.charAt(index - 1));
}
