// How fast the app is, against what it promises. With an argument, only figures with that in their name:
// `npm run measure -- stream`. DISPATCH_BINARY and CHROMIUM name what is measured, as for the tests.

import { runnerImport } from "vite";

const { module } = await runnerImport(new URL("../test/measure/main.ts", import.meta.url).pathname);
process.exitCode = (await module.measure(process.argv[2] ?? "")) ? 0 : 1;
