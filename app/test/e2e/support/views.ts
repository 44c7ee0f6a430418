// The views of the app, each in a state that is worth a look.

import type { Page } from "playwright-core";
import type { World, WorldOptions } from "../world.js";
import { figures, keys } from "./ledger.js";
import { TOUR, others, tour } from "./scenes.js";

export interface View {
  readonly name: string;
  readonly world?: WorldOptions;
  /** The key of the page. */
  readonly key?: string;
  /** Made before anybody looks. */
  readonly prepare?: (world: World) => Promise<void>;
  /** Goes there, and waits until it is all there. */
  readonly open: (page: Page, world: World) => Promise<void>;
}

/** When it is on the pages: figures and plots are of days before. */
const TODAY = new Date("2026-06-24T12:00:00Z");

const OPERATOR = "operator";

export const composer = (page: Page) => page.getByRole("textbox", { name: "Message" });

/** What stands in the transcript; it may be told to screen readers elsewhere. */
export const said = (page: Page, text: string) => page.locator("[data-item]").filter({ hasText: text }).last();

export const isPhone = (page: Page): boolean => (page.viewportSize()?.width ?? 0) < 600;

/** A model that a busy machine can compute. */
const SESSIONS: WorldOptions = { settings: { REALTIME__MODELS: "small=restyle 320x180@15 0.5" } };

/** Starts a session with the test clip. */
async function generate(page: Page): Promise<void> {
  await page.goto("/realtime");
  await page.getByRole("combobox", { name: "Model" }).selectOption("small");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.locator("main header").getByText("Generating").waitFor();
  await page.getByText("Latency, end to end").waitFor();
}

const both = async (world: World): Promise<void> => {
  await others(world);
  await tour(world);
};

async function openTour(page: Page): Promise<void> {
  await page.goto(`/c/${TOUR}`);
  await said(page, "You are welcome.").waitFor();
}

export const VIEWS: readonly View[] = [
  {
    name: "start",
    prepare: others,
    open: async (page) => {
      await page.goto("/");
      await composer(page).waitFor();
      if (!isPhone(page)) await page.getByRole("link", { name: /Count the words/ }).waitFor();
    },
  },
  { name: "conversation", prepare: both, open: openTour },
  {
    name: "conversation-top",
    prepare: both,
    open: async (page) => {
      await openTour(page);
      await page.locator("[data-item]").last().hover();
      const top = () => page.getByTestId("transcript").evaluate(({ scrollTop }) => scrollTop);
      // Heights that become known on the way move it.
      while ((await top()) > 0) {
        await page.mouse.wheel(0, -2_000);
        await page.waitForTimeout(100);
      }
      await said(page, "Read the notes").waitFor();
    },
  },
  {
    name: "running",
    prepare: others,
    open: async (page) => {
      await page.goto("/c/count");
      await said(page, "I count them.").waitFor();
      // It is said when nothing else has been for a while.
      await page.getByTestId("transcript").getByText("Working", { exact: true }).waitFor();
    },
  },
  {
    name: "list",
    prepare: both,
    open: async (page) => {
      await openTour(page);
      if (isPhone(page)) await page.getByRole("button", { name: "Open the sidebar" }).click();
      await page.getByRole("link", { name: /Notes for the release/ }).waitFor();
    },
  },
  {
    name: "details",
    prepare: both,
    open: async (page) => {
      await openTour(page);
      await page.getByRole("button", { name: "Details", exact: true }).click();
      await page.getByRole("heading", { name: "Cache Warming" }).waitFor();
    },
  },
  {
    name: "shortcuts",
    prepare: others,
    open: async (page) => {
      await page.goto("/settings");
      await page.getByRole("heading", { level: 1 }).waitFor();
      await page.keyboard.press("Shift+?");
      await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
    },
  },
  {
    name: "palette",
    prepare: others,
    open: async (page) => {
      await page.goto("/");
      await composer(page).waitFor();
      await page.keyboard.press("Control+k");
      await page.getByRole("combobox", { name: "Search commands and conversations" }).waitFor();
    },
  },
  {
    name: "settings",
    world: { keys: [OPERATOR] },
    key: OPERATOR,
    open: async (page) => {
      await page.goto("/settings");
      await page.getByRole("heading", { level: 1 }).waitFor();
    },
  },
  {
    name: "usage",
    open: async (page) => {
      await page.clock.setFixedTime(TODAY);
      await figures(page);
      await page.goto("/usage");
      await page.getByRole("heading", { level: 1 }).waitFor();
    },
  },
  {
    name: "realtime",
    world: SESSIONS,
    open: async (page) => {
      await page.goto("/realtime");
      await page.getByRole("combobox", { name: "Model" }).selectOption("small");
    },
  },
  { name: "realtime-running", world: SESSIONS, open: generate },
  {
    name: "realtime-ended",
    world: SESSIONS,
    open: async (page) => {
      await generate(page);
      await page.getByRole("button", { name: "Stop", exact: true }).click();
      await page.getByText("Settled").first().waitFor();
    },
  },
  {
    name: "watch",
    world: SESSIONS,
    open: async (page, world) => {
      const producer = await world.page();
      await generate(producer);
      const link = await producer.getByRole("textbox", { name: "Link" }).inputValue();
      await page.goto(new URL(link).pathname + new URL(link).hash);
      await page.getByText("Live").first().waitFor();
    },
  },
  {
    name: "keys",
    world: { keys: [OPERATOR] },
    key: OPERATOR,
    prepare: keys,
    open: async (page) => {
      await page.goto("/keys");
      await page.getByText("the shop").first().waitFor();
    },
  },
  {
    name: "key",
    world: { keys: [OPERATOR] },
    open: async (page, world) => {
      world.expects(/401|HTTP Authentication failed/);
      await page.goto("/");
      await page.getByRole("dialog").waitFor();
      // The connection says so as well, a little later.
      await page.getByTestId("link").getByText("Enter a key").waitFor();
    },
  },
  {
    name: "unknown",
    open: async (page) => {
      await page.goto("/watch");
      await page.getByRole("heading", { level: 1 }).waitFor();
    },
  },
];
