// The servers that a conversation's tools are asked of, whatever their protocol.

import type { LspServerState, LspStatusResponse, McpServerState, McpStatusResponse } from "@dispatch/client";
import { plural } from "../../lib/format";

export type State = McpServerState | LspServerState;

export interface Helper {
  /** Unique among all. */
  readonly id: string;
  readonly name: string;
  readonly kind: "MCP" | "Language";
  readonly state: State;
  /** What it offers, or serves. */
  readonly offers: string;
  /** Where it is configured, or what it works on. */
  readonly place: string | undefined;
  readonly error: string | undefined;
}

export const WORDS: Readonly<Record<State, string>> = {
  "connected": "connected",
  "starting": "starting",
  "error": "failed",
  "not-started": "not needed yet",
  "disabled": "switched off",
};

export const TONES: Readonly<Record<State, "good" | "accent" | "bad" | "plain">> = {
  "connected": "good",
  "starting": "accent",
  "error": "bad",
  "not-started": "plain",
  "disabled": "plain",
};

export function ofMcp({ servers }: McpStatusResponse): readonly Helper[] {
  return servers.map(({ id, state, toolCount, configSource, error }) => ({
    id: `mcp ${id}`,
    name: id,
    kind: "MCP",
    state,
    offers: state === "connected" ? plural(toolCount, "tool") : "",
    place: configSource,
    error,
  }));
}

export function ofLsp({ servers }: LspStatusResponse): readonly Helper[] {
  return servers.map(({ id, name, state, root, extensions, error }) => ({
    id: `lsp ${id} ${root}`,
    name,
    kind: "Language",
    state,
    offers: extensions.join(" "),
    place: root,
    error,
  }));
}
