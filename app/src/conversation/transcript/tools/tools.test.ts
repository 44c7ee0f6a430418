import { describe, expect, test } from "vitest";
import { type Call, stateOf } from "../../model/items.js";
import { changeOf, linesOf, withoutFar } from "./changes.js";
import { describe as described, ending, lastLine, stripped, todosOf } from "./describe.js";
import { lastLines } from "./lines.js";

function shell(content: string, isError = false): Call {
  const result = { content, isError };
  return { id: "x", name: "run_shell", input: { command: "ls" }, output: "", result, durationMs: 5, since: undefined, isStarted: false };
}

describe("a call is described", () => {
  const line = (name: string, input: unknown) => {
    const { verb, object, from } = described({ name, input });
    return [verb, object, from].filter((part) => part !== undefined && part !== "").join(" | ");
  };

  test.each([
    ["read_file", { path: "src/main.rs" }, "Read | src/main.rs"],
    ["read_file", { path: "a", offset: 10, limit: 20 }, "Read | a, lines 10 to 29"],
    ["read_file", { path: "a", offset: 10 }, "Read | a, from line 10"],
    ["write_file", { path: "a", content: "x" }, "Write | a"],
    ["edit_file", { path: "a", oldString: "x", newString: "y" }, "Edit | a"],
    ["run_shell", { command: "ls\ncd" }, "Run | ls …"],
    ["load_skill", { name: "pdf" }, "Load the skill | pdf"],
    ["todo_write", { todos: [{ content: "a", status: "completed" }, { content: "b", status: "pending" }] }, "Tasks | 1 of 2 done"],
    ["github__search_issues", { query: "bug", page: 2 }, "Search issues | bug | github"],
    ["fetchPage", { depth: 1, url: "https://example.com" }, "Fetch page | https://example.com"],
    ["thing", { count: 3 }, 'Thing | {"count":3}'],
    ["thing", {}, "Thing"],
    ["thing", undefined, "Thing"],
    // A model can write what is no JSON.
    ["read_file", '{"path": ', 'Read | {"path":'],
    ["run_shell", ["ls"], 'Run | ["ls"]'],
  ])("%s %j", (name, input, expected) => {
    expect(line(name, input)).toBe(expected);
  });

  test("with how it ended", () => {
    expect(ending(shell("hello\n"))).toBe("exit code 0");
    expect(ending(shell("hello\n[exit code 2]", true))).toBe("exit code 2");
    expect(ending(shell("[killed by signal 9 (SIGKILL)]", true))).toBe("killed by signal 9 (SIGKILL)");
    expect(ending(shell("a\n[timed out after 100 ms: the command and what it started were killed]", true))).toBe("timed out");
    expect(ending(shell("[exit code 1]\n[commands may write only inside /tmp]", true))).toBe("exit code 1");
    expect(ending({ ...shell("x"), name: "read_file" })).toBeUndefined();
  });

  test("with its state", () => {
    const open = { ...shell(""), result: undefined };
    expect(stateOf({ ...open, since: 5 })).toBe("waiting");
    expect(stateOf({ ...open, since: 5, isStarted: true })).toBe("running");
    expect(stateOf(open)).toBe("cut-off");
    expect(stateOf(shell("ok"))).toBe("done");
    expect(stateOf(shell("no", true))).toBe("failed");
    expect(stateOf(shell("Aborted", true))).toBe("cut-off");
    expect(stateOf(shell("so far\n[aborted: the command and what it started were killed]", true))).toBe("cut-off");
    expect(stateOf(shell("interrupted: tool execution did not complete", true))).toBe("cut-off");
    expect(stateOf(shell("Aborted\nby the program", true))).toBe("failed");
  });

  test("with the last line that it wrote", () => {
    expect(lastLine("one\n\u001b[32mtwo\u001b[0m\n\n[exit code 1]")).toBe("two");
    expect(lastLine("")).toBe("");
  });
});

test("what terminals take as colours and movements is left out", () => {
  expect(stripped("\u001b[1;31mred\u001b[0m \u001b]0;title\u0007text\u001b[2K\u001b[1A")).toBe("red text");
  expect(stripped("[1] is no colour")).toBe("[1] is no colour");
});

test("tasks are read as far as they are some", () => {
  const task = { content: "a", status: "pending" };
  expect(todosOf({ todos: [task, { content: 1 }, null, "x"] })).toEqual([task]);
  expect(todosOf({ todos: "none" })).toEqual([]);
  expect(todosOf("none")).toEqual([]);
});

test("the last lines of an output are shown at first", () => {
  const whole = { isCut: false, left: 0 };
  expect(lastLines("a\nb\nc\nd\n", 2)).toEqual({ text: "c\nd\n", isCut: true, left: 2 });
  expect(lastLines("\nb\nc", 2)).toEqual({ text: "b\nc", isCut: true, left: 1 });
  for (const text of ["a\nb", "a\nb\n", "\n", "a", ""]) expect(lastLines(text, 2)).toEqual({ text, ...whole });
  const many = Array.from({ length: 500 }, (_, index) => `line ${index}`).join("\n");
  const { text, left } = lastLines(many, 200);
  expect(text.split("\n")).toHaveLength(200);
  expect(left).toBe(300);
});

test("of a line that has no end, the last characters are shown at first", () => {
  expect(lastLines("abcdef", 2, 4)).toEqual({ text: "cdef", isCut: true, left: 0 });
  expect(lastLines("a\nbcdef", 2, 4)).toEqual({ text: "cdef", isCut: true, left: 1 });
  expect(lastLines("abcd", 2, 4)).toEqual({ text: "abcd", isCut: false, left: 0 });
});

describe("a change", () => {
  const signs = { same: " ", added: "+", removed: "-" } as const;

  async function unified(before: string, after: string): Promise<string[]> {
    const lines = await linesOf({ before, after });
    return lines.map(({ kind, text }) => signs[kind] + text);
  }

  test("is that of edit_file and write_file", () => {
    const edit = { path: "a", oldString: "x", newString: "y", replaceAll: true };
    expect(changeOf("edit_file", edit)).toEqual({
      path: "a",
      before: "x",
      after: "y",
      isWhole: false,
      note: "Everywhere in the file",
    });
    expect(changeOf("write_file", { path: "a", content: "x" })).toMatchObject({
      before: "",
      after: "x",
      isWhole: true,
      note: "A new file",
    });
    expect(changeOf("write_file", { path: "a", content: "x", overwrite: true })?.note).toBe("Replaces the whole file");
    expect(changeOf("edit_file", { path: "a" })).toBeUndefined();
    expect(changeOf("edit_file", '{"path"')).toBeUndefined();
    expect(changeOf("read_file", { path: "a" })).toBeUndefined();
  });

  test("is shown line by line", async () => {
    expect(await unified("a\nb\nc\n", "a\nB\nc\nd\n")).toEqual([" a", "-b", "+B", " c", "+d"]);
    expect(await unified("", "a\nb\n")).toEqual(["+a", "+b"]);
    expect(await unified("a\r\nb", "")).toEqual(["-a", "-b"]);
  });

  test("leaves out what is the same and far away", async () => {
    const before = Array.from({ length: 20 }, (_, index) => `line ${index}`);
    const lines = await linesOf({ before: before.join("\n"), after: before.with(10, "other").join("\n") });
    const shown = withoutFar(lines);
    expect(shown[0]).toEqual({ kind: "left-out", count: 7 });
    expect(shown.at(-1)).toEqual({ kind: "left-out", count: 6 });
    expect(shown).toHaveLength(1 + 3 + 2 + 3 + 1);
  });
});
