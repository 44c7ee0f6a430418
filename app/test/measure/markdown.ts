// An answer of any length, with everything that answers have in them.

const PARTS: readonly ((number: number) => string)[] = [
  (number) => `## Part ${number}\n\nThe queue keeps **what was acknowledged**, and \`seq\` says *where* it is; see [the notes](https://example.org/${number}).\n\n`,
  (number) => `- first of ${number}\n- second, with \`code\`\n  - nested, and **bold**\n- third\n\n`,
  (number) => `\`\`\`ts\nexport function step${number}(state: State, input: Input): State {\n  // Each input is handled once.\n  return input.seq > state.seq ? { ...state, seq: input.seq } : state;\n}\n\`\`\`\n\n`,
  (number) => `| what | before | after |\n| --- | ---: | ---: |\n| reads | ${number} | ${number * 2} |\n| writes | 7 | 3 |\n\n`,
  (number) => `> It was said ${number} times, and it holds.\n\nA paragraph goes on for a while, as paragraphs do, until it has said what it came to say, and some more.\n\n`,
];

/** At least so many characters of it. */
export function markdown(length: number): string {
  let text = "";
  for (let number = 1; text.length < length; number += 1) text += PARTS[number % PARTS.length]!(number);
  return text;
}
