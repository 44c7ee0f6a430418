// Tags of the system prompt's template, and where they are put.

import type { SystemPromptVariable } from "@dispatch/client";

/** As it stands in a template. */
export function tagOf({ type, name }: Pick<SystemPromptVariable, "type" | "name">): string {
  return `[${type}:${name}]`;
}

export interface Placed {
  readonly text: string;
  /** What is selected then. */
  readonly from: number;
  readonly to: number;
}

/** Puts a tag in the place of what is selected, and selects a part of it that is still to be chosen, if it has one. */
export function insert(text: string, start: number, end: number, tag: string, part?: string): Placed {
  const inside = part === undefined ? -1 : tag.indexOf(part);
  const from = start + (inside < 0 ? tag.length : inside);
  return {
    text: text.slice(0, start) + tag + text.slice(end),
    from,
    to: inside < 0 ? from : from + (part?.length ?? 0),
  };
}
