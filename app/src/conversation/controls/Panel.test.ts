import { DispatchError, type Models } from "@dispatch/client";
import { flushSync } from "svelte";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeWorkspace, type Rendered, click, press, render } from "../../surfaces/testing.svelte";
import type { ConversationView } from "../view";
// So that it is there at once when the panel loads it.
import "./Details.svelte";
import Panel from "./Panel.svelte";
import { models } from "./models.svelte";
import { FakeView, step, turn } from "./testing.svelte";

const fake = vi.hoisted(() => ({ server: { workspace: undefined as unknown, link: { state: "open" } } }));

vi.mock("../../lib/server.svelte", () => fake);

/** For a busy machine. */
const PATIENCE = { timeout: 20_000 };

class Workspace extends FakeWorkspace {
  models = async (): Promise<Models> => ({ models: [] });
  mcp = vi.fn(async (conversationId: string) => ({
    conversationId,
    cwd: null,
    servers: [{ id: "files", state: "connected" as const, toolCount: 3 }],
  }));
  lsp = vi.fn(async (conversationId: string) => ({ conversationId, cwd: null, servers: [] }));
}

/** Whether there is room beside the transcript. */
function is(wide: boolean) {
  vi.stubGlobal("matchMedia", (media: string) => ({
    matches: wide,
    media,
    addEventListener: () => undefined,
    removeEventListener: () => undefined,
  }));
}

let view: FakeView;
let workspace: Workspace;
let shown: Rendered<{ view: ConversationView; open?: boolean }>;

async function show() {
  shown = render(Panel, { view, open: true });
  await vi.waitFor(() => shown.get("h3"), PATIENCE);
  flushSync();
}

beforeEach(() => {
  localStorage.clear();
  is(true);
  fake.server.workspace = workspace = new Workspace();
  workspace.catalog = [{ id: "todo", region: "side", title: "Tasks", scope: "conversation" }];
  view = new FakeView();
});

afterEach(async () => {
  await shown.done();
  vi.unstubAllGlobals();
});

test("it stands beside the transcript where there is room", async () => {
  await show();
  expect([shown.all("aside").length, shown.all("dialog").length]).toEqual([1, 0]);
  click(shown.get('[aria-label="Close the details"]'));
  expect([shown.props.open, shown.all("aside").length]).toEqual([false, 0]);
});

test("beside the transcript it stays as it was left, and a sheet does not", async () => {
  for (const [wide, left, found] of [[true, true, true], [true, false, false], [false, true, false]] as const) {
    is(wide);
    localStorage.clear();
    shown = render(Panel, { view, open: true });
    shown.props.open = left;
    flushSync();
    await shown.done();
    shown = render(Panel, { view, open: false });
    expect([wide, left, shown.props.open]).toEqual([wide, left, found]);
    await shown.done();
  }
  is(true);
  await show();
});

test("it is a sheet where there is none", async () => {
  is(false);
  await show();
  expect(shown.get<HTMLDialogElement>("dialog").open).toBe(true);
  click(shown.get('[aria-label="Close the details"]'));
  expect([shown.props.open, shown.all("dialog").length]).toEqual([false, 0]);
});

test("it has the figures, the servers, and the surfaces of the conversation", async () => {
  await show();
  expect(shown.all("h3").map(({ textContent }) => textContent)).toEqual(["Tokens and times", "Servers", "Tasks"]);
  expect(workspace.watched).toEqual(["todo c1"]);
  await vi.waitFor(() => expect(shown.text()).toContain("files MCP connected 3 tools"), PATIENCE);
});

test("before the first turn has ended it says so", async () => {
  await show();
  expect(shown.text("section")).toContain("No turn has ended yet.");
  view.activeTurn = "t1";
  flushSync();
  expect(shown.text("section")).toContain("The first turn is running.");
});

test("turns are listed, the newest first, with their steps", async () => {
  view.metrics = [
    turn("t1", { durationMs: 1_500 }),
    turn("t2", {
      usage: { inputTokens: 20_000, outputTokens: 600, cacheReadTokens: 15_000 },
      steps: [step({ ttftMs: 300, decodeMs: 4_000 }), step()],
      contextSize: 12_000,
      durationMs: 14_000,
      model: "a/large",
      reason: "aborted",
    }),
  ];
  await show();
  expect(shown.all("summary").map(({ textContent }) => textContent!.replace(/\s+/g, " ").trim())).toEqual([
    "Turn 2 20k in, 600 out 14 s",
    "Turn 1 1,000 in, 200 out 1.5 s",
  ]);
  const facts = shown.all("details:first-of-type dl > div").map(({ textContent }) => textContent!.replace(/\s+/g, " ").trim());
  expect(facts.slice(0, 7)).toEqual([
    "Modela/large",
    "Ended bystopped",
    "Prompts20k, 15k from the cache",
    "Answer600",
    "Context after it12k",
    "First token300 ms",
    "Speed50 tokens/s",
  ]);
  expect(shown.all('[aria-label="Steps of turn 2"] li').map(({ textContent }) => textContent!.replace(/\s+/g, " ").trim())).toEqual([
    "Step 1 1,000 in, 200 out context 1,200 first token 300 ms 50 tokens/s",
    "Step 2 1,000 in, 200 out context 1,200",
  ]);
  expect(shown.text("dl")).toContain("21k 71 % from the cache");
});

test("a turn that runs is listed with the steps that it has behind it", async () => {
  view.activeTurn = "t1";
  view.metrics = [turn("t1")];
  await show();
  expect(shown.text("summary")).toBe("Turn 1, running 1,000 in, 200 out");
  expect(shown.all('[aria-label="Steps of turn 1"] li')).toHaveLength(1);
  view.activeTurn = undefined;
  flushSync();
  expect(shown.text("summary")).toBe("Turn 1 1,000 in, 200 out");
});

test("how full the context is now is not said between a compaction and the next turn", async () => {
  workspace.models = async () => ({ models: ["a/b"], modelInfo: { "a/b": { contextWindow: 200_000 } } });
  await models.read(workspace);
  view.model = "a/b";
  view.metrics = [turn("t1", { contextSize: 50_000, startedAt: 1_000 })];
  await show();
  expect(shown.text("figcaption li")).toBe("Context, 25 % now");
  view.compactedAt = 2_000;
  flushSync();
  expect(shown.text("figcaption li")).toBe("Context");
});

test("the servers are those of the conversation that is shown", async () => {
  await show();
  await vi.waitFor(() => expect(shown.text()).toContain("files MCP connected"), PATIENCE);
  workspace.mcp.mockReturnValue(new Promise(() => {}));
  const other = new FakeView();
  other.id = "c2";
  shown.props.view = other;
  flushSync();
  expect(shown.text()).not.toContain("files MCP connected");
});

test("many turns are shown in parts", async () => {
  view.metrics = Array.from({ length: 25 }, (_, index) => turn(`t${index}`));
  await show();
  expect(shown.all("summary")).toHaveLength(10);
  const more = () => shown.all("button").find(({ textContent }) => textContent!.trim() === "Show more turns");
  click(more()!);
  click(more()!);
  expect([shown.all("summary").length, more()]).toEqual([25, undefined]);
});

test("the plot is read with arrow keys, and follows the newest turn", async () => {
  view.metrics = Array.from({ length: 50 }, (_, index) => turn(`t${index}`));
  await show();
  const slider = shown.get("[role=slider]");
  const read = () => [slider.getAttribute("aria-valuenow"), shown.text("figcaption .text").split(":")[0]];
  expect(read()).toEqual(["50", "Turn 50"]);
  press(slider, "ArrowLeft");
  expect(read()).toEqual(["49", "Turn 49"]);
  press(slider, "Home");
  expect(read()).toEqual(["1", "Turn 1"]);
  press(slider, "ArrowLeft");
  press(slider, "PageUp");
  expect(read()).toEqual(["11", "Turn 11"]);
  press(slider, "End");
  view.metrics = [...view.metrics, turn("t50")];
  flushSync();
  expect(read()).toEqual(["51", "Turn 51"]);
  expect(slider.getAttribute("aria-valuetext")).toBe("Turn 51: 1,000 tokens in, 200 out.");
});

test("the plot is a table for those who want one", async () => {
  view.metrics = [turn("t1"), turn("t2", { contextSize: 5_000 })];
  await show();
  const button = shown.all("button").find(({ textContent }) => textContent!.trim() === "Show as table")!;
  click(button);
  expect(button.getAttribute("aria-pressed")).toBe("true");
  const cells = (row: HTMLElement) => [...row.children].map(({ textContent }) => textContent);
  expect(shown.all("table tbody tr").map(cells)).toEqual([
    ["2", "1,000", "0", "200", "5,000"],
    ["1", "1,000", "0", "200", "–"],
  ]);
});

test("servers that cannot be read say why, and are read again with each turn", async () => {
  workspace.mcp.mockRejectedValueOnce(new DispatchError("store-failed", "the disk is full"));
  await show();
  await vi.waitFor(() => expect(shown.text()).toContain("The disk is full."), PATIENCE);
  view.metrics = [turn("t1")];
  flushSync();
  await vi.waitFor(() => expect(shown.text()).toContain("files MCP connected"), PATIENCE);
  expect(shown.text()).not.toContain("The disk is full.");
});
