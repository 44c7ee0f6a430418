// What a tool changes in a file, line by line.

import { isInput } from "./describe.js";

export interface Line {
  readonly kind: "same" | "added" | "removed";
  readonly text: string;
}

export interface Change {
  readonly path: string;
  readonly before: string;
  readonly after: string;
  /** It is the whole file, and not a part of it that stands nobody knows where. */
  readonly isWhole: boolean;
  /** What is to be known besides. */
  readonly note: string | undefined;
}

/** For how long texts are compared, in milliseconds. */
const PATIENCE = 200;

/** The change that a call of `edit_file` or `write_file` makes. */
export function changeOf(name: string, input: unknown): Change | undefined {
  if (!isInput(input) || typeof input["path"] !== "string") return undefined;
  const { path, oldString, newString, content } = input;
  if (name === "edit_file" && typeof oldString === "string" && typeof newString === "string") {
    const note = input["replaceAll"] === true ? "Everywhere in the file" : undefined;
    return { path: String(path), before: oldString, after: newString, isWhole: false, note };
  }
  if (name === "write_file" && typeof content === "string") {
    const note = input["overwrite"] === true ? "Replaces the whole file" : "A new file";
    return { path: String(path), before: "", after: content, isWhole: true, note };
  }
  return undefined;
}

/** The lines of both texts, in the order of a unified diff. What compares them is loaded when it is needed. */
export async function linesOf({ before, after }: Pick<Change, "before" | "after">): Promise<readonly Line[]> {
  // Most writes are of new files: there is nothing to compare.
  if (before === "") return whole("added", after);
  if (after === "") return whole("removed", before);
  const { diffArrays } = await import("diff");
  const parts = diffArrays(split(before), split(after), { timeout: PATIENCE });
  // Long texts that have little in common are shown one after the other.
  if (!parts) return [...whole("removed", before), ...whole("added", after)];
  return parts.flatMap(({ value, added, removed }) => {
    const kind = added ? "added" : removed ? "removed" : "same";
    return value.map((text): Line => ({ kind, text }));
  });
}

/** Lines that are the same and lie far from a change are left out: a number says how many. */
export type Shown = Line | { readonly kind: "left-out"; readonly count: number };

export function withoutFar(lines: readonly Line[], near = 3): readonly Shown[] {
  const isNear = (index: number) =>
    lines.slice(Math.max(0, index - near), index + near + 1).some(({ kind }) => kind !== "same");
  const shown: Shown[] = [];
  for (const [index, line] of lines.entries()) {
    const last = shown.at(-1);
    if (line.kind !== "same" || isNear(index)) shown.push(line);
    else if (last?.kind === "left-out") shown[shown.length - 1] = { kind: "left-out", count: last.count + 1 };
    else shown.push({ kind: "left-out", count: 1 });
  }
  return shown;
}

function whole(kind: "added" | "removed", text: string): readonly Line[] {
  return split(text).map((line) => ({ kind, text: line }));
}

/** Without the empty line after a last line end. */
function split(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.length > 1 && lines.at(-1) === "") lines.pop();
  return lines;
}
