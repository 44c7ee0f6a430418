import { describe, expect, test } from "vitest";
import { type Logged, turnsOf } from "../model/history.js";
import { EMPTY, withEvents } from "../model/transcript.js";
import { Rows, working } from "./rows.js";

const chunk = (seq: number, chunk: Logged["chunk"], role: Logged["role"] = "assistant"): Logged => {
  return { seq, role, chunk, turnId: "t" };
};
const call = (id: string) => ({ type: "tool-call", toolCallId: id, toolName: "x", input: {}, stepId: "t#0" }) as never;
const result = (id: string) =>
  ({ type: "tool-result", toolCallId: id, toolName: "x", content: "", isError: false, stepId: "t#0" }) as never;

describe("that a turn works", () => {
  const ids = { conversationId: "c", turnId: "t" };
  const said = { type: "user-message", ...ids, text: "go" } as const;
  const shown = (events: readonly unknown[], isSilent = false) =>
    working(withEvents(EMPTY, [said, ...events] as never, 0).live[0]!, isSilent).length;
  const called = { ...(call("a") as object), ...ids };
  const answered = { ...(result("a") as object), ...ids };

  test("is said where nothing else shows it", () => {
    expect(shown([])).toBe(1);
    expect(shown([called, answered])).toBe(1);
    expect(shown([{ type: "text-delta", ...ids, delta: "a" }], true)).toBe(1);
  });

  test("is not said below what grows, or shows it by itself", () => {
    expect(shown([{ type: "text-delta", ...ids, delta: "a" }])).toBe(0);
    expect(shown([{ type: "reasoning-delta", ...ids, delta: "a" }], true)).toBe(0);
    expect(shown([called], true)).toBe(0);
    expect(shown([{ type: "provider-retry", ...ids, attempt: 1, delayMs: 5, message: "busy" }], true)).toBe(0);
    expect(shown([{ type: "done", ...ids, reason: "stop" }], true)).toBe(0);
  });
});

describe("rows", () => {
  test("are one for each item, and one for the end of a turn", () => {
    const turns = turnsOf([
      chunk(1, { type: "text", text: "go" }, "user"),
      chunk(2, { type: "thinking", text: "hm" }),
      chunk(3, call("a")),
      chunk(4, result("a"), "tool"),
      chunk(5, { type: "text", text: "done" }),
    ]);
    const rows = new Rows().ofTurns(turns, false);
    expect(rows.map(({ kind, key, seq }) => [kind, key, seq])).toEqual([
      ["said", "1", 1],
      ["thinking", "2", 2],
      ["batch", "3", 3],
      ["text", "5", 5],
      ["end", "t/end", 5],
    ]);
  });

  test("of a long text are pieces, of which only the last one changes while it grows", () => {
    const rows = new Rows();
    const paragraph = `${"word ".repeat(300)}\n\n`;
    const ids = { conversationId: "c", turnId: "t" };
    let state = withEvents(EMPTY, [{ type: "text-delta", ...ids, delta: paragraph.repeat(8) }], 0);
    const before = rows.ofTurn(state.live[0]!).filter(({ kind }) => kind === "piece");
    expect(before.length).toBeGreaterThan(2);
    state = withEvents(state, [{ type: "text-delta", ...ids, delta: "and more" }], 0);
    const after = rows.ofTurn(state.live[0]!).filter(({ kind }) => kind === "piece");
    expect(after.map(({ key }) => key)).toEqual(before.map(({ key }) => key));
    for (const [index, row] of before.slice(0, -1).entries()) expect(after[index]).toBe(row);
    expect(after.at(-1)).not.toBe(before.at(-1));
  });

  test("of items that have not changed are the same objects", () => {
    const rows = new Rows();
    const ids = { conversationId: "c", turnId: "t" };
    const first = withEvents(EMPTY, [{ type: "user-message", ...ids, text: "go" }], 0);
    const second = withEvents(first, [{ type: "text-delta", ...ids, delta: "a" }], 0);
    expect(rows.ofTurn(second.live[0]!)[0]).toBe(rows.ofTurn(first.live[0]!)[0]);
  });

  test("of results whose calls were not read wait for them", () => {
    const page = turnsOf([chunk(4, result("a"), "tool"), chunk(5, { type: "text", text: "done" })]);
    const rows = new Rows();
    expect(rows.ofTurns(page, true).map(({ kind }) => kind)).toEqual(["text", "end"]);
    expect(rows.ofTurns(page, false).map(({ kind }) => kind)).toEqual(["batch", "text", "end"]);
  });
});
