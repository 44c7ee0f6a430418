// What there is to choose as the model of a conversation.

export interface Choice {
  /** `credential/model`; null for what the server takes by itself. */
  readonly name: string | null;
  /** Without the credential. */
  readonly model: string;
  /** Beside it: the credential, or what there is to know. */
  readonly note: string;
}

/** All of them, with the one that holds even if it is not offered. */
export function choices(offered: readonly string[], chosen: string | null): readonly Choice[] {
  const isGone = chosen !== null && offered.length > 0 && !offered.includes(chosen);
  const isUnknown = chosen !== null && offered.length === 0;
  return [
    { name: null, model: "Default", note: "what the server takes by itself" },
    ...offered.map((name) => ({ name, model: named(name).model, note: named(name).credential })),
    ...(isGone || isUnknown
      ? [{ name: chosen, model: named(chosen).model, note: isGone ? "not offered any more" : named(chosen).credential }]
      : []),
  ];
}

/** Those that have all words of the query in them. */
export function found(all: readonly Choice[], query: string): readonly Choice[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return all.filter(({ name, model }) => words.every((word) => (name ?? model).toLowerCase().includes(word)));
}

/** The two parts of a model's name, which is split at its first slash. */
export function named(name: string): { readonly credential: string; readonly model: string } {
  const slash = name.indexOf("/");
  return { credential: slash < 0 ? "" : name.slice(0, slash), model: name.slice(slash + 1) };
}
