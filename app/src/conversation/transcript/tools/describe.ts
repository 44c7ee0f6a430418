// What a tool call is about, in the few words that fit on a line.

import type { IconName } from "../../../ui/icons";
import type { Call } from "../../model/items.js";

export interface Description {
  readonly icon: IconName;
  /** What is done: "Read", "Run". */
  readonly verb: string;
  /** The one thing that matters of the input: a path, a command. */
  readonly object: string;
  /** Whose tool it is, if it is not one of the server's own. */
  readonly from: string | undefined;
}

type Input = Readonly<Record<string, unknown>>;

/** The server's own tools. */
const OWN: Readonly<Record<string, readonly [IconName, string, (input: Input) => string]>> = {
  read_file: ["file", "Read", (input) => text(input["path"]) + lines(input)],
  write_file: ["file", "Write", (input) => text(input["path"])],
  edit_file: ["edit", "Edit", (input) => text(input["path"])],
  run_shell: ["terminal", "Run", (input) => text(input["command"])],
  load_skill: ["bolt", "Load the skill", (input) => text(input["name"])],
  todo_write: ["list", "Tasks", (input) => progress(todosOf(input))],
};

/** What most tools call the one thing that matters. */
const NAMES = ["path", "file", "file_path", "filename", "command", "pattern", "query", "url", "name", "id", "prompt", "text"];

export function describe({ name, input }: Pick<Call, "name" | "input">): Description {
  const own = OWN[name];
  if (own) {
    const [icon, verb, object] = own;
    return { icon, verb, object: isInput(input) ? object(input) : text(input), from: undefined };
  }
  const [, from, tool = name] = /^(.+?)__(.+)$/.exec(name) ?? [];
  return { icon: "tool", verb: words(tool), object: gist(input), from };
}

/** How it ended, beside the state: `exit code 1`, `timed out`. */
export function ending({ name, result }: Pick<Call, "name" | "result">): string | undefined {
  if (name !== "run_shell" || !result) return undefined;
  const notes = result.content.slice(-2_000).split("\n").filter((line) => /^\[.*\]$/.test(line));
  for (const note of notes) {
    const [, exit] = /^\[(exit code \d+|killed by signal [^\]]*|timed out).*\]$/.exec(note) ?? [];
    if (exit) return exit;
  }
  return result.isError ? undefined : "exit code 0";
}

/** The last line that a command wrote, of what is known of its output. */
export function lastLine(output: string): string {
  const lines = stripped(output.slice(-2_000)).split("\n");
  return lines.findLast((line) => line.trim() !== "" && !/^\[.*\]$/.test(line))?.trim() ?? "";
}

/** Without what terminals take as colours and movements; of lines that were written over, what was written last. */
export function stripped(output: string): string {
  return output.replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g, "");
}

export interface Todo {
  readonly content: string;
  readonly status: string;
}

/** The tasks of a `todo_write`, as far as they are some. */
export function todosOf(input: unknown): readonly Todo[] {
  const todos = isInput(input) ? input["todos"] : undefined;
  if (!Array.isArray(todos)) return [];
  return todos.filter(
    (todo): todo is Todo => isInput(todo) && typeof todo["content"] === "string" && typeof todo["status"] === "string",
  );
}

export function isInput(input: unknown): input is Input {
  return typeof input === "object" && input !== null && !Array.isArray(input);
}

/** A value for people: texts as they are, all else as JSON. */
export function shown(value: unknown): string {
  if (value === undefined) return "";
  return typeof value === "string" ? value : JSON.stringify(value, null, 2);
}

function progress(todos: readonly Todo[]): string {
  if (todos.length === 0) return "none";
  const done = todos.filter(({ status }) => status === "completed").length;
  return `${done} of ${todos.length} done`;
}

function lines({ offset, limit }: Input): string {
  if (typeof offset !== "number") return "";
  return typeof limit === "number" ? `, lines ${offset} to ${offset + limit - 1}` : `, from line ${offset}`;
}

function gist(input: unknown): string {
  if (!isInput(input)) return firstLine(text(input));
  const named = NAMES.map((name) => input[name]).find((value) => typeof value === "string" && value !== "");
  const any = named ?? Object.values(input).find((value) => typeof value === "string" && value !== "");
  if (typeof any === "string") return firstLine(any);
  return Object.keys(input).length === 0 ? "" : JSON.stringify(input).slice(0, 200);
}

function text(value: unknown): string {
  return value === undefined ? "" : firstLine(typeof value === "string" ? value : JSON.stringify(value));
}

/** The first line with something in it; more is told by dots. */
function firstLine(text: string): string {
  const [first = "", ...rest] = text.trim().split("\n");
  return first.slice(0, 300) + (rest.length > 0 ? " …" : "");
}

/** `search_files` is "Search files". */
function words(name: string): string {
  const spaced = name.replace(/[_-]+/g, " ").replace(/([a-z])([A-Z])/g, "$1 $2").trim().toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}
