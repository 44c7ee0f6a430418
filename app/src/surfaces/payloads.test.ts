import { expect, test } from "vitest";
import { json, queued, table, timer, todos } from "./payloads";

test("tasks are read, unless one of them is of a kind that is not known", () => {
  const list = [
    { content: "read", status: "completed" },
    { content: "write", status: "in_progress" },
  ];
  expect(todos({ todos: list })).toEqual(list);
  expect(todos({ todos: [] })).toEqual([]);
  expect(todos({ todos: [...list, { content: "wait", status: "blocked" }] })).toBeUndefined();
  for (const wrong of [null, undefined, 3, "todos", [], {}, { todos: {} }, { todos: [null] }, { todos: [{ status: "pending" }] }]) {
    expect(todos(wrong)).toBeUndefined();
  }
});

test("a queue is read, with whatever else its messages have", () => {
  const messages = [{ id: "q1", text: "and the tests", queuedAt: 1, clientMessageId: "m" }];
  expect(queued({ messages })).toEqual(messages);
  expect(queued({ messages: [{ id: "q1", text: "and the tests" }] })).toBeUndefined();
  expect(queued({ messages: [{ id: "q1", text: "at no time", queuedAt: 1e300 }] })).toBeUndefined();
  expect(queued({})).toBeUndefined();
});

test("a timer is read, with times that may be missing", () => {
  expect(timer({ nextWarmAt: 5, lastWarmAt: null })).toEqual({ nextWarmAt: 5, lastWarmAt: null });
  expect(timer({ nextWarmAt: "5", lastWarmAt: null })).toBeUndefined();
  expect(timer({ nextWarmAt: 5 })).toBeUndefined();
  expect(timer({ nextWarmAt: 1e300, lastWarmAt: null })).toBeUndefined();
});

test("a table is read if all of it is text", () => {
  expect(table({ columns: ["Name"], rows: [["a"], ["b"]] })).toEqual({ columns: ["Name"], rows: [["a"], ["b"]] });
  expect(table({ columns: ["Name"], rows: [[1]] })).toBeUndefined();
  expect(table({ columns: "Name", rows: [] })).toBeUndefined();
});

test("anything can be shown as JSON", () => {
  expect(json({ a: [1] })).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(json(undefined)).toBe("undefined");
});
