// Before all browser tests: what they need is there, and the app is built unless the server has it in itself.

import type { TestProject } from "vitest/node";
import { built } from "./support/built.js";
import { binary, chromium } from "./support/programs.js";

declare module "vitest" {
  interface ProvidedContext {
    binary: string;
    chromium: string;
    /** A folder with the app; empty if the server's own is tested. */
    app: string;
  }
}

export default async function setup(project: TestProject): Promise<void> {
  const server = binary();
  project.provide("binary", server);
  project.provide("chromium", chromium());
  const app = await built(server);
  project.provide("app", app ?? "");
  console.log(app === undefined ? `The app in ${server} is tested.` : `The app in ${app} is tested, in front of ${server}.`);
}
