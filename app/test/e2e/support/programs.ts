// The programs that the tests need, and where they are.

import { existsSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** The folder of the app. */
export const APP = fileURLToPath(new URL("../../../", import.meta.url));

/** The folder of the project. */
export const PROJECT = fileURLToPath(new URL("../../../../", import.meta.url));

/** The server: the one that `DISPATCH_BINARY` names, or the release build. */
export function binary(): string {
  const path = process.env["DISPATCH_BINARY"] ?? `${PROJECT}target/release/dispatch`;
  if (!existsSync(path)) {
    throw new Error(`There is no server at ${path}: build it with "cargo build --release", or name one in DISPATCH_BINARY.`);
  }
  return path;
}

/** The browser: the one that `CHROMIUM` names, or Debian's. */
export function chromium(): string {
  const path = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
  if (!existsSync(path)) {
    throw new Error(`There is no browser at ${path}: install Chromium, or name one in CHROMIUM.`);
  }
  return path;
}

/** When a file was written last. */
export const changed = (path: string): number => statSync(path).mtimeMs;
