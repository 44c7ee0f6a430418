import { expect, test } from "vitest";
import { ofLsp, ofMcp } from "./servers";

test("MCP servers say how many tools they have once they are there", () => {
  const servers = ofMcp({
    conversationId: "c",
    cwd: null,
    servers: [
      { id: "files", state: "connected", toolCount: 1, configSource: "/p/.mcp.json" },
      { id: "web", state: "error", toolCount: 0, error: "no such command" },
    ],
  });
  expect(servers).toEqual([
    { id: "mcp files", name: "files", kind: "MCP", state: "connected", offers: "1 tool", place: "/p/.mcp.json", error: undefined },
    { id: "mcp web", name: "web", kind: "MCP", state: "error", offers: "", place: undefined, error: "no such command" },
  ]);
});

test("language servers say what they serve, and where", () => {
  const info = { id: "rust", name: "rust-analyzer", extensions: [".rs", ".toml"], state: "starting" } as const;
  const servers = ofLsp({ conversationId: "c", cwd: "/p", servers: [{ ...info, root: "/p/a" }, { ...info, root: "/p/b" }] });
  expect(servers.map(({ name, offers, place }) => [name, offers, place])).toEqual([
    ["rust-analyzer", ".rs .toml", "/p/a"],
    ["rust-analyzer", ".rs .toml", "/p/b"],
  ]);
  expect(new Set(servers.map(({ id }) => id)).size).toBe(2);
});
