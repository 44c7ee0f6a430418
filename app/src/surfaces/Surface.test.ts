import { DispatchError, type SurfaceField, type SurfaceSpec } from "@dispatch/client";
import { flushSync } from "svelte";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Actions } from "./actions.svelte";
import Surface from "./Surface.svelte";
import { FakeWorkspace, type Rendered, click, press, render, type, whole } from "./testing.svelte";

const action = { actionId: "x/set" };

function spec(...fields: readonly SurfaceField[]): SurfaceSpec {
  return { id: "x", region: "side", title: "X", fields };
}

describe("a surface", () => {
  let workspace: FakeWorkspace;
  let actions: Actions;
  let shown: Rendered<{ spec: SurfaceSpec; actions: Actions }>;

  beforeEach(() => {
    workspace = new FakeWorkspace();
    actions = new Actions(whole(workspace), { surfaceId: "x", conversationId: "c1" });
  });

  afterEach(() => shown.done());

  function show(...fields: readonly SurfaceField[]) {
    shown = render(Surface, { spec: spec(...fields), actions });
  }

  /** The server has done it, or something else has changed. */
  function change(...fields: readonly SurfaceField[]) {
    shown.props.spec = spec(...fields);
    actions.answered();
    flushSync();
  }

  const payloads = () => workspace.asked.map(({ payload }) => payload);

  test("shows a switch, which is busy until the server has turned it over", () => {
    show({ kind: "toggle", label: "Enabled", value: false, action });
    const toggle = shown.get("[role=switch]");
    expect(toggle.getAttribute("aria-checked")).toBe("false");
    expect(shown.text(`#${toggle.getAttribute("aria-labelledby")}`)).toBe("Enabled");

    click(toggle);
    expect(workspace.asked).toEqual([{ surfaceId: "x", conversationId: "c1", actionId: "x/set", payload: true }]);
    expect([toggle.getAttribute("aria-checked"), toggle.getAttribute("aria-busy")]).toEqual(["true", "true"]);
    click(toggle);
    expect(workspace.asked).toHaveLength(1);

    change({ kind: "toggle", label: "Enabled", value: true, action });
    expect([toggle.getAttribute("aria-checked"), toggle.getAttribute("aria-busy")]).toEqual(["true", "false"]);
  });

  test("puts a switch back that the server refuses to turn, and says why", () => {
    show({ kind: "toggle", label: "Enabled", value: false, action });
    const toggle = shown.get("[role=switch]");
    click(toggle);
    actions.refused(new DispatchError("action-failed", "there is no conversation"));
    flushSync();
    expect(toggle.getAttribute("aria-checked")).toBe("false");
    expect(shown.text(`#${toggle.getAttribute("aria-describedby")}`)).toBe("There is no conversation.");
  });

  test("shows how far something is, within its bounds", () => {
    show(
      { kind: "progress", label: "Context", value: 0.625 },
      { kind: "progress", label: "Over", value: 7 },
      { kind: "progress", label: "Nothing", value: Number.NaN },
    );
    expect(shown.all("progress").map((each) => (each as HTMLProgressElement).value)).toEqual([0.625, 1, 0]);
    expect(shown.all(".percent").map(({ textContent }) => textContent)).toEqual(["63 %", "100 %", "0 %"]);
    expect(shown.get("progress").id).toBe(shown.get("label").getAttribute("for"));
  });

  test("shows few choices side by side, and sends the chosen one", () => {
    const field: SurfaceField = {
      kind: "selector",
      label: "Mode",
      value: "a",
      options: [
        { value: "a", label: "First" },
        { value: "b", label: "Second" },
      ],
      action,
    };
    show(field);
    const [first, second] = shown.all("[type=radio]") as HTMLInputElement[];
    expect(shown.text("legend")).toBe("Mode");
    expect([first!.checked, second!.checked]).toEqual([true, false]);

    click(second!);
    expect(payloads()).toEqual(["b"]);
    actions.refused(new DispatchError("action-failed", "not now"));
    flushSync();
    expect([first!.checked, second!.checked]).toEqual([true, false]);
    expect(shown.text()).toContain("Not now.");
  });

  test("folds many choices into a list, with the one that holds even if it is not offered", () => {
    const options = ["low", "medium", "high", "xhigh", "max"].map((value) => ({ value, label: value }));
    show({ kind: "selector", label: "Effort", value: "none", options, action });
    const select = shown.get<HTMLSelectElement>("select");
    expect(select.value).toBe("none");
    expect(select.options).toHaveLength(6);

    select.value = "max";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    flushSync();
    expect(payloads()).toEqual(["max"]);
    change({ kind: "selector", label: "Effort", value: "max", options, action });
    expect([select.value, select.options.length]).toEqual(["max", 5]);
  });

  test("keeps what holds while there is no connection", () => {
    workspace.link = { state: "waiting", until: 0, attempt: 1, error: new DispatchError("unreachable", "it is gone") };
    const options = ["a", "b"].map((value) => ({ value, label: value }));
    const many = ["a", "b", "c", "d", "e"].map((value) => ({ value, label: value }));
    show(
      { kind: "selector", label: "Few", value: "a", options, action },
      { kind: "selector", label: "Many", value: "a", options: many, action: { actionId: "x/other" } },
    );
    const [first, second] = shown.all("[type=radio]") as HTMLInputElement[];
    click(second!);
    const select = shown.get<HTMLSelectElement>("select");
    select.value = "e";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    flushSync();
    expect([first!.checked, second!.checked, select.value]).toEqual([true, false, "a"]);
    expect(shown.all("[role=status]").map(({ textContent }) => textContent!.trim())).toEqual([
      "There is no connection to the server. Try again when it is back.",
      "There is no connection to the server. Try again when it is back.",
    ]);
    expect(workspace.asked).toEqual([]);
  });

  test("shows what there is to read", () => {
    show({ kind: "stat", label: "Last Cache %", value: "98%" });
    expect([shown.text("dt"), shown.text("dd")]).toEqual(["Last Cache %", "98%"]);
  });

  describe("shows a number", () => {
    const field: SurfaceField = { kind: "number", label: "Interval", value: 30, min: 1, step: 1, unit: "s", action };
    const input = () => shown.get<HTMLInputElement>("input");

    test("which is sent with Enter or on leaving it, and not with each key", () => {
      show(field);
      type(input(), "4");
      type(input(), "45");
      expect(payloads()).toEqual([]);
      press(input(), "Enter");
      expect(payloads()).toEqual([45]);
      expect(input().value).toBe("45");

      change({ ...field, value: 45 });
      type(input(), "50");
      input().dispatchEvent(new FocusEvent("blur"));
      expect(payloads()).toEqual([45, 50]);
    });

    test("which is explained, and not sent, if it is not allowed", () => {
      show(field);
      type(input(), "0");
      press(input(), "Enter");
      expect(payloads()).toEqual([]);
      expect(input().getAttribute("aria-invalid")).toBe("true");
      expect(shown.text(`#${input().getAttribute("aria-describedby")!.split(" ")[0]}`)).toBe("Enter 1 s or more.");

      press(input(), "Escape");
      expect([input().value, input().getAttribute("aria-invalid")]).toEqual(["30", "false"]);
      expect(shown.text("p")).toBe("1 s or more.");
    });

    test("which stays as it is typed when the server has another one meanwhile", () => {
      show(field);
      type(input(), "7");
      change({ ...field, value: 90 });
      expect(input().value).toBe("7");
      press(input(), "Escape");
      expect(input().value).toBe("90");
    });

    test("which is not sent for another one that takes its place", () => {
      show(field);
      type(input(), "7");
      change({ ...field, label: "Limit", value: 3, action: { actionId: "x/other" } }, field);
      expect(shown.all("input").map((each) => (each as HTMLInputElement).value)).toEqual(["3", "30"]);
      press(input(), "Enter");
      expect(payloads()).toEqual([]);
    });

    test("which is not sent if it is the same", () => {
      show(field);
      type(input(), "30");
      press(input(), "Enter");
      expect(payloads()).toEqual([]);
    });
  });

  test("shows a button, which is busy until the server has done it", () => {
    show({ kind: "button", label: "Compact Now", action });
    const button = shown.get("button");
    click(button);
    click(button);
    expect(workspace.asked).toEqual([{ surfaceId: "x", conversationId: "c1", actionId: "x/set" }]);
    expect(button.getAttribute("aria-busy")).toBe("true");
    change({ kind: "button", label: "Compact Now", action });
    expect(button.getAttribute("aria-busy")).toBeNull();
  });

  test("shows tasks as a check list, each with its state in words", () => {
    const todos = [
      { content: "read", status: "completed" },
      { content: "write", status: "in_progress" },
      { content: "test", status: "pending" },
      { content: "sing", status: "cancelled" },
    ];
    show({ kind: "custom", rendererId: "todo", payload: { todos } });
    expect(shown.all("li").map(({ textContent }) => textContent!.trim())).toEqual([
      "Done: read",
      "In progress: write",
      "To do: test",
      "Not wanted any more: sing",
    ]);
    expect(shown.text("p")).toBe("1 of 3 done");
  });

  test("shows what waits", () => {
    const queuedAt = Date.now();
    show({ kind: "custom", rendererId: "message-queue", payload: { messages: [{ id: "q", text: "and this", queuedAt }] } });
    expect(shown.text("li .text")).toBe("and this");
    change({ kind: "custom", rendererId: "message-queue", payload: { messages: [] } });
    expect(shown.text()).toBe("No message waits.");
  });

  test("counts down to the next warming", () => {
    vi.useFakeTimers({ now: 1_000_000 });
    try {
      show({ kind: "custom", rendererId: "cache-warming-timer", payload: { nextWarmAt: 1_090_000, lastWarmAt: null } });
      expect(shown.text("[role=timer]")).toBe("1:30");
      vi.advanceTimersByTime(31_000);
      flushSync();
      expect(shown.text("[role=timer]")).toBe("59 s");
      vi.advanceTimersByTime(60_000);
      flushSync();
      expect(shown.text()).toBe("Warming is due now.");
      change({ kind: "custom", rendererId: "cache-warming-timer", payload: { nextWarmAt: null, lastWarmAt: null } });
      expect(shown.text()).toBe("No warming is due.");
    } finally {
      vi.useRealTimers();
    }
  });

  test("shows rows under columns", () => {
    show({ kind: "custom", rendererId: "table", payload: { columns: ["Name", "Trust"], rows: [["tool/a", "bundled"]] } });
    expect(shown.all("th, td").map(({ textContent }) => textContent)).toEqual(["Name", "Trust", "tool/a", "bundled"]);
  });

  test("shows as it is what it has no view for, or cannot read", () => {
    show(
      { kind: "custom", rendererId: "weather", payload: { sky: "blue" } },
      { kind: "custom", rendererId: "todo", payload: "none" },
    );
    expect(shown.all("summary").map(({ textContent }) => textContent)).toEqual(["weather", "todo"]);
    expect(shown.all("pre").map(({ textContent }) => textContent)).toEqual(['{\n  "sky": "blue"\n}', '"none"']);
    expect(shown.all("details[open]")).toEqual([]);
  });

  test("shows kinds that are not known as the server gives them, beside the others", () => {
    const hologram = { kind: "hologram", label: "Later", depth: 3 };
    show(hologram as unknown as SurfaceField, { kind: "riddle" } as unknown as SurfaceField, { kind: "stat", label: "Now", value: "1" });
    expect(shown.all("summary").map(({ textContent }) => textContent)).toEqual(["Later", "riddle"]);
    expect(JSON.parse(shown.text("pre"))).toEqual(hologram);
    expect(shown.text("dl")).toBe("Now 1");
  });

  test("says so when there is nothing in it", () => {
    show();
    expect(shown.text()).toBe("There is nothing to show.");
  });
});
