// A headless Chromium.

import { type Browser, type BrowserContextOptions, chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--use-fake-device-for-media-stream",
  "--use-fake-ui-for-media-stream",
  "--auto-select-desktop-capture-source=Entire screen",
  "--autoplay-policy=no-user-gesture-required",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
  // Letters are drawn the same on every machine.
  "--font-render-hinting=none",
  "--disable-lcd-text",
  "--force-color-profile=srgb",
  "--hide-scrollbars",
];

export const launch = (executablePath: string): Promise<Browser> => chromium.launch({ executablePath, args: FLAGS });

/** What somebody looks at a page with. */
export interface Look {
  /** A phone of 390×844 that is touched; otherwise a window of 1280×800. */
  readonly phone?: boolean;
  readonly dark?: boolean;
  readonly reducedMotion?: boolean;
}

export const options = ({ phone = false, dark = false, reducedMotion = false }: Look): BrowserContextOptions => ({
  viewport: phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
  ...(phone && { isMobile: true, hasTouch: true }),
  colorScheme: dark ? "dark" : "light",
  reducedMotion: reducedMotion ? "reduce" : "no-preference",
  locale: "en-US",
  timezoneId: "UTC",
  permissions: ["clipboard-read", "clipboard-write", "camera", "microphone"],
});
