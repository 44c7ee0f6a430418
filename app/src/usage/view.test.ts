import { type ApiKey, DispatchError, type UsageRow } from "@dispatch/client";
import type { UsageQuery } from "@dispatch/client/workspace";
import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { router } from "../lib/router.svelte";
import { dayOf, later } from "./days";
import { row } from "./rows.fixture";

const state = vi.hoisted(() => ({
  rows: [] as readonly UsageRow[],
  keys: [] as readonly ApiKey[] | Error,
  failure: undefined as Error | undefined,
  asked: [] as UsageQuery[],
}));

vi.mock("../lib/server.svelte", () => ({
  server: {
    link: { state: "open" },
    workspace: {
      on: () => () => {},
      usage: async (query: UsageQuery) => {
        state.asked.push(query);
        if (state.failure) throw state.failure;
        return { from: query.from, to: query.to, usage: state.rows };
      },
      keys: {
        list: async () => {
          if (state.keys instanceof Error) throw state.keys;
          return state.keys;
        },
        self: async () => ({ ...key("key_1", "shop", "12.5"), spent: "1234.5" }),
      },
      throughput: async () => ({
        models: [{ model: "demo/demo", tokensPerSecond: 51.23, totalOutputTokens: 1_234, totalGenMs: 24_000, turns: 2 }],
      }),
    },
  },
}));

const { default: Usage } = await import("./Usage.svelte");

const today = dayOf(Date.now());
const used = { steps: 2, inputTokens: 1_000, cachedTokens: 400, outputTokens: 50, credits: "0.1" };
const key = (id: string, name: string, balance = "0"): ApiKey => ({ id, name, createdAt: 0, funds: "prepaid", balance, held: "0" });

let view: ReturnType<typeof mount> | undefined;

async function open(): Promise<void> {
  view = mount(Usage, { target: document.body });
  await settled();
}

/** Everything that was asked is answered, and shown. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    flushSync();
    await Promise.resolve();
  }
  flushSync();
}

const text = () => document.body.textContent!.replace(/\s+/g, " ");
const labelled = (label: string) => document.querySelector(`[aria-label="${label}"]`) as HTMLElement;
const tables = () => [...document.querySelectorAll("table caption")].map(({ textContent }) => textContent);

function choose(label: string): void {
  const found = [...document.querySelectorAll("label")].find(({ textContent }) => textContent?.trim() === label);
  found!.querySelector("input")!.click();
}

beforeEach(() => {
  sessionStorage.clear();
  history.replaceState(null, "", "/usage");
  dispatchEvent(new PopStateEvent("popstate"));
  Object.assign(state, { rows: [], keys: [], failure: undefined, asked: [] });
});

afterEach(async () => {
  if (view) await unmount(view);
  view = undefined;
});

describe("the usage view", () => {
  it("shows sums, plots and tables of what was used", async () => {
    state.rows = [
      row(later(today, -40), "local", "large", { outputTokens: 500, steps: 1, credits: "0.2" }),
      row(today, "local", "large", used),
      row(today, "key_1", "mirage", { seconds: 30, credits: "0.2" }),
    ];
    state.keys = [key("key_1", "shop")];
    await open();
    const totals = labelled("Totals").textContent!.replace(/\s+/g, " ");
    expect(totals).toContain("Tokens 1,050 1,000 in, of which 400 from cache; 50 out");
    expect(totals).toContain("110 % more than in the 30 days before");
    expect(totals).toContain("Credits 0.3");
    expect(totals).toContain("50 % more than in the 30 days before");
    const plots = [...document.querySelectorAll("figure h2")].map(({ textContent }) => textContent);
    expect(plots).toEqual(["Tokens", "Credits", "Realtime"]);
    expect(tables()).toEqual(["By model", "By key", "Speed by model, the fastest first"]);
    expect(labelled("By key").textContent).toContain("shop");
    expect(text()).toContain("51.2");
  });

  it("keeps what is chosen in the address, and asks for it", async () => {
    state.keys = [key("key_1", "shop")];
    await open();
    choose("7 days");
    await settled();
    choose("Model");
    await settled();
    const select = document.querySelector("select")!;
    select.value = "key_1";
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await settled();
    expect(location.hash).toBe("#days=7&by=model&key=key_1");
    expect(state.asked.at(-1)).toMatchObject({ from: later(today, -13), to: today, key: "key_1" });
    // Another visit of this tab finds it as it was.
    await unmount(view!);
    history.replaceState(null, "", "/usage");
    dispatchEvent(new PopStateEvent("popstate"));
    await open();
    expect(state.asked.at(-1)).toMatchObject({ from: later(today, -13), key: "key_1" });
  });

  it("opens as a link says", async () => {
    router.go({ view: "usage", part: "from=2026-01-01&to=2026-01-31&by=key" });
    await open();
    expect(state.asked).toHaveLength(1);
    expect(state.asked[0]).toMatchObject({ from: "2025-12-01", to: "2026-01-31" });
  });

  it("says when nothing was used", async () => {
    await open();
    expect(text()).toContain("Nothing was used in these days.");
    expect(document.querySelector("figure")).toBeNull();
  });

  it("says why it could not be read, keeps what was, and tries again", async () => {
    state.rows = [row(today, "local", "large", used)];
    await open();
    state.failure = new DispatchError("store-failed", "the disk is full", { status: 500 });
    const refresh = [...document.querySelectorAll("button")].find(({ textContent }) => textContent?.includes("Refresh"))!;
    refresh.click();
    await settled();
    const alert = document.querySelector("[role=alert]")!;
    expect(alert.textContent).toContain("The disk is full.");
    expect(alert.textContent).toContain("What is below was read before.");
    expect(labelled("Totals").textContent).toContain("1,050");
    state.failure = undefined;
    alert.querySelector("button")!.click();
    await settled();
    expect(document.querySelector("[role=alert]")).toBeNull();
  });

  it("reads the names of keys again that could not be read at first", async () => {
    state.rows = [row(today, "key_1", "large", used)];
    state.keys = new DispatchError("unreachable", "the server cannot be reached");
    await open();
    expect(tables()).not.toContain("By key");
    state.keys = [key("key_1", "shop")];
    [...document.querySelectorAll("button")].find(({ textContent }) => textContent?.includes("Refresh"))!.click();
    await settled();
    expect(labelled("By key").textContent).toContain("shop");
  });

  it("shows a key that is not the operator's its own usage, and no other key", async () => {
    state.rows = [row(today, "key_1", "large", used)];
    state.keys = new DispatchError("operator-only", "no", { status: 403 });
    await open();
    expect(text()).toContain("This is what your key used.");
    expect(text()).toContain("In all it used 1,234.5 credits, and has 12.5 credits left.");
    expect(document.querySelector("select")).toBeNull();
    expect(tables()).toEqual(["By model", "Speed by model, the fastest first"]);
  });

  it("does not ask for days that make no sense, and says what is wrong with them", async () => {
    await open();
    choose("Other days");
    await settled();
    const [from, to] = [...document.querySelectorAll<HTMLInputElement>("input[type=date]")] as [HTMLInputElement, HTMLInputElement];
    expect([from.value, to.value]).toEqual([later(today, -29), today]);
    const asked = state.asked.length;
    to.value = later(from.value, -1);
    to.dispatchEvent(new Event("input", { bubbles: true }));
    await settled();
    expect(text()).toContain("The last day is before the first one.");
    expect(to.getAttribute("aria-invalid")).toBe("true");
    expect(state.asked).toHaveLength(asked);
    to.value = from.value;
    to.dispatchEvent(new Event("input", { bubbles: true }));
    await settled();
    expect(state.asked.at(-1)).toMatchObject({ from: later(from.value, -1), to: from.value });
  });
});
