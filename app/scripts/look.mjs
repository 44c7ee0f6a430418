// A picture of an address of a running server: node scripts/look.mjs PATH [--phone] [--dark] [--full] [--wait TEXT] [--out FILE]
// The server is the one at DISPATCH_SERVER, or where `dispatch serve` listens; a key is taken from DISPATCH_API_KEY.

import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    phone: { type: "boolean", default: false },
    dark: { type: "boolean", default: false },
    /** All that can be scrolled to. */
    full: { type: "boolean", default: false },
    /** What to wait for before the picture is taken. */
    wait: { type: "string" },
    out: { type: "string", default: "look.png" },
  },
});
const server = process.env.DISPATCH_SERVER ?? "http://127.0.0.1:24203";
const key = process.env.DISPATCH_API_KEY;

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--hide-scrollbars"],
});
try {
  const context = await browser.newContext({
    viewport: values.phone ? { width: 390, height: 844 } : { width: 1280, height: 800 },
    isMobile: values.phone,
    hasTouch: values.phone,
    colorScheme: values.dark ? "dark" : "light",
    baseURL: server,
  });
  if (key) await context.addInitScript((key) => sessionStorage.setItem("dispatch.key", key), key);
  const page = await context.newPage();
  page.on("console", (message) => message.type() === "error" && console.error(message.text()));
  page.on("pageerror", (error) => console.error(error.stack));
  await page.goto(positionals[0] ?? "/");
  if (values.wait) await page.getByText(values.wait).first().waitFor();
  else await page.waitForTimeout(1000);
  await page.screenshot({ path: values.out, fullPage: values.full, caret: "initial" });
  console.log(`${page.url()} is in ${values.out}`);
} finally {
  await browser.close();
}
