import { DispatchError, type SurfaceCatalogEntry, type SurfaceSpec } from "@dispatch/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import Surfaces from "./Surfaces.svelte";
import { FakeWorkspace, type Rendered, click, render, settled } from "./testing.svelte";

const fake = vi.hoisted(() => ({ workspace: undefined as unknown }));

vi.mock("../lib/server.svelte", () => ({
  server: {
    get workspace() {
      return fake.workspace;
    },
    link: { state: "open" },
  },
}));

const CATALOG: readonly SurfaceCatalogEntry[] = [
  { id: "warming", region: "side", title: "Warming", scope: "conversation" },
  { id: "todo", region: "side", title: "Tasks" },
  { id: "extensions", region: "side", title: "Extensions", scope: "global" },
];

const warming = (value: boolean): SurfaceSpec => ({
  id: "warming",
  region: "side",
  title: "Cache Warming",
  fields: [{ kind: "toggle", label: "Enabled", value, action: { actionId: "toggle" } }],
});

let workspace: FakeWorkspace;
let shown: Rendered<{ conversationId?: string | undefined }> | undefined;

beforeEach(() => {
  fake.workspace = workspace = new FakeWorkspace();
  workspace.catalog = CATALOG;
});

afterEach(() => shown?.done());

test("a conversation has its surfaces, and those that say nothing of whose they are", () => {
  shown = render(Surfaces, { conversationId: "c1" });
  expect(shown.all("h3").map(({ textContent }) => textContent)).toEqual(["Warming", "Tasks"]);
  expect(workspace.watched).toEqual(["warming c1", "todo c1"]);
});

test("without a conversation there are those that are the same for all", () => {
  shown = render(Surfaces, {});
  expect(shown.all("h3").map(({ textContent }) => textContent)).toEqual(["Extensions"]);
  expect(workspace.watched).toEqual(["extensions"]);
});

test("they are shown as they are now, and as they change, until they are left", async () => {
  shown = render(Surfaces, { conversationId: "c1" });
  workspace.show(warming(false), "c1");
  const toggle = shown.get("[role=switch]");
  expect([shown.text("h3"), toggle.getAttribute("aria-checked")]).toEqual(["Cache Warming", "false"]);

  click(toggle);
  expect(workspace.asked).toEqual([{ surfaceId: "warming", conversationId: "c1", actionId: "toggle", payload: true }]);
  workspace.show(warming(true), "c1");
  expect([toggle.getAttribute("aria-checked"), toggle.getAttribute("aria-busy")]).toEqual(["true", "false"]);

  await shown.done();
  shown = undefined;
  expect(workspace.watched).toEqual([]);
});

test("a refusal stands at the surface that it is about, and nowhere else", () => {
  shown = render(Surfaces, { conversationId: "c1" });
  workspace.show(warming(false), "c1");
  click(shown.get("[role=switch]"));
  const error = new DispatchError("action-failed", "not today");
  workspace.emit("refused", { error, surfaceId: "todo" });
  expect(shown.get("[role=switch]").getAttribute("aria-busy")).toBe("true");

  workspace.emit("refused", { error, surfaceId: "warming" });
  expect(shown.get("[role=switch]").getAttribute("aria-busy")).toBe("false");
  expect(shown.text("section:first-of-type")).toContain("Not today.");
});

test("one that cannot be shown says why", () => {
  shown = render(Surfaces, { conversationId: "c1" });
  workspace.emit("refused", { error: new DispatchError("unknown-surface", "Unknown surface: warming"), surfaceId: "warming" });
  expect(shown.text("section:first-of-type")).toContain("Unknown surface: warming.");
  // A server that is newer by now has it after all.
  workspace.show(warming(true), "c1");
  expect(shown.text("section:first-of-type")).not.toContain("Unknown");
});

test("another conversation has its own", async () => {
  shown = render(Surfaces, { conversationId: "c1" });
  workspace.show(warming(true), "c1");
  shown.props.conversationId = "c2";
  await settled();
  expect(workspace.watched).toEqual(["warming c2", "todo c2"]);
  expect(shown.all("[role=switch]")).toEqual([]);
});

test("a catalog that comes later is shown", () => {
  workspace.catalog = [];
  shown = render(Surfaces, { conversationId: "c1" });
  expect(shown.all("h3")).toEqual([]);
  workspace.emit("catalog", CATALOG);
  expect(shown.all("h3")).toHaveLength(2);
});
