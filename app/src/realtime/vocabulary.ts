// Words that the built-in generator knows, to begin with. docs/restyle.md has all of them.

export const SUGGESTIONS = [
  "sketch",
  "cartoon",
  "noir",
  "neon",
  "cyberpunk",
  "vintage",
  "sunset",
  "warm",
  "night",
  "pastel",
  "sepia",
  "edges",
  "pixelate",
  "blur",
  "invert",
  "mirror",
] as const;

/** Whether a prompt names it, as a phrase of its own. */
export function names(prompt: string, suggestion: string): boolean {
  return phrases(prompt).includes(suggestion);
}

/** The prompt with it, or without it if it is named. */
export function toggled(prompt: string, suggestion: string): string {
  if (names(prompt, suggestion)) {
    return prompt
      .split(",")
      .map((phrase) => phrase.trim())
      .filter((phrase) => phrase !== "" && phrase.toLowerCase() !== suggestion)
      .join(", ");
  }
  const before = prompt.trim().replace(/,$/, "");
  return before === "" ? suggestion : `${before}, ${suggestion}`;
}

function phrases(prompt: string): readonly string[] {
  return prompt.split(",").map((phrase) => phrase.trim().toLowerCase());
}
