import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

/** Where `npm run dev` finds a server: the one that `dispatch serve` starts. */
const SERVER = process.env["DISPATCH_SERVER"] ?? "http://127.0.0.1:24203";

/** What is the server's, and not a view of the app. */
const ROUTES = ["/chat", "/conversations", "/models", "/metrics", "/images", "/system-prompt", "/v1", "/health", "/subscribe", "/docs", "/openapi.json", "/asyncapi.json"];

export default defineConfig({
  plugins: [svelte()],
  resolve: {
    alias: {
      "@dispatch/client/workspace": new URL("../clients/typescript/src/workspace.ts", import.meta.url).pathname,
      "@dispatch/client": new URL("../clients/typescript/src/client.ts", import.meta.url).pathname,
    },
  },
  build: {
    target: "es2023",
    // The server says for how long each file holds: those below this folder, whose names have a hash in them, for ever.
    assetsDir: "assets",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      ...Object.fromEntries(ROUTES.map((route) => [route, { target: SERVER, ws: true }])),
      "^/$": { target: SERVER, ws: true, bypass: (request) => (request.headers.upgrade ? undefined : request.url) },
    },
  },
  test: {
    projects: [
      {
        extends: true,
        // Svelte as browsers have it: components can be mounted.
        resolve: { conditions: ["browser"] },
        test: { name: "unit", include: ["src/**/*.test.ts"], environment: "happy-dom", testTimeout: 60_000 },
      },
      {
        extends: true,
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          environment: "node",
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          globalSetup: ["test/e2e/setup.ts"],
          // What a busy machine has upset once is named in the report; what fails twice is wrong.
          retry: 1,
          // A page of a busy machine takes its time.
          expect: { poll: { timeout: 30_000, interval: 50 } },
        },
      },
    ],
  },
});
