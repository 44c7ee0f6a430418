// What a server keeps beside conversations: keys and what they used, sessions, prompts, helpers, images.

import { DispatchError } from "../error.js";
import type { KeyListResponse, SessionListResponse, SystemPromptVariablesResponse } from "../extensions.js";
import { type Http, segment } from "../http.js";
import { unique } from "../wait.js";
import type { Workspace } from "../workspace.js";

/** What addresses without a server are taken to be of. */
const HERE = "http://server.invalid";

type Books = Pick<
  Workspace,
  | "keys"
  | "usage"
  | "throughput"
  | "sessions"
  | "systemPrompt"
  | "setSystemPrompt"
  | "systemPromptVariables"
  | "mcp"
  | "lsp"
  | "image"
>;

export function books(http: Http): Books {
  return {
    keys: {
      list: async () => (await http.json<KeyListResponse>("GET", "/v1/keys")).keys,
      self: () => http.json("GET", "/v1/keys/self"),
      create: (body = {}) => http.json("POST", "/v1/keys", { body }),
      revoke: (id) => http.json("DELETE", `/v1/keys/${segment(id)}`, { isRepeatable: true }),
      credit: (id, request) => {
        // Named, it adds nothing when it is sent again.
        const body = { depositId: unique(), ...request };
        return http.json("POST", `/v1/keys/${segment(id)}/credit`, { body, isRepeatable: true });
      },
    },
    usage: ({ signal, ...query } = {}) => http.json("GET", "/v1/usage", { query, signal }),
    throughput: (period, date = today()) => {
      const query = { period, date: period === "month" ? date.slice(0, "YYYY-MM".length) : date };
      return http.json("GET", "/metrics/throughput", { query });
    },
    sessions: {
      list: async (query = {}) => (await http.json<SessionListResponse>("GET", "/v1/sessions", { query })).sessions,
      receipt: (id) => http.json("GET", `/v1/sessions/${segment(id)}`),
      end: (id) => http.json("DELETE", `/v1/sessions/${segment(id)}`, { isRepeatable: true }),
    },
    systemPrompt: () => http.json("GET", "/system-prompt"),
    setSystemPrompt: (template) => http.json("PUT", "/system-prompt", { body: { template } }),
    systemPromptVariables: async () =>
      (await http.json<SystemPromptVariablesResponse>("GET", "/system-prompt/variables")).variables,
    mcp: (id) => http.json("GET", `/conversations/${segment(id)}/mcp`),
    lsp: (id) => http.json("GET", `/conversations/${segment(id)}/lsp`),
    image: async (url, signal) => {
      const path = imagePath(url);
      return http.repeated(true, signal, async () => (await http.open("GET", path, { signal })).blob());
    },
  };
}

/** The path of an image of this server. The key is for nobody else, and for nothing else of it. */
function imagePath(url: string): string {
  try {
    const address = new URL(url, HERE);
    if (address.origin === HERE && /^\/images\/[^/]+\/[^/]+$/.test(address.pathname)) return address.pathname;
  } catch {
    // Said below.
  }
  throw new DispatchError("invalid_input", "an image of this server begins with /images/");
}

/** The day here: `YYYY-MM-DD`. */
function today(): string {
  const now = new Date();
  const parts = [now.getFullYear(), now.getMonth() + 1, now.getDate()];
  return parts.map((part) => String(part).padStart(2, "0")).join("-");
}
