// A headless Chromium.

import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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

/** Only these fonts are there for it, whatever else is installed. */
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <dir>/usr/share/fonts/truetype/dejavu</dir>
  <include ignore_missing="yes">/etc/fonts/conf.d</include>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
`;

export function launch(executablePath: string): Promise<Browser> {
  const fonts = join(tmpdir(), "dispatch-app-fonts.conf");
  writeFileSync(fonts, FONTS);
  return chromium.launch({ executablePath, args: FLAGS, env: { ...process.env, FONTCONFIG_FILE: fonts } });
}

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
