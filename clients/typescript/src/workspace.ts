// All of a server, for applications that show all of it: what the client does, and the list of conversations as it changes,
// surfaces, the ledger, keys, and the state of the connection. A second entry point, so that pages that need only the client
// do not pay for this.

import { assemble } from "./assemble.js";
import type { Client, ClientOptions } from "./client.js";
import { Socket } from "./conversations/socket.js";
import { DispatchError } from "./error.js";
import type {
  ApiKey,
  ConversationDeletedMessage,
  ConversationTitleChangedMessage,
  CreateKeyRequest,
  CreateKeyResponse,
  CreditKeyRequest,
  KeyResponse,
  McpStatusResponse,
  RealtimeModel,
  SessionReceipt,
  SystemPromptTemplate,
  SystemPromptVariable,
  UsageResponse,
} from "./extensions.js";
import type { SurfaceCatalogEntry, SurfaceSpec } from "./surface.js";
import type {
  ConversationCompactedMessage,
  ConversationOpenMessage,
  ConversationStatusChangedMessage,
  LspStatusResponse,
  ThroughputPeriod,
  ThroughputResponse,
} from "./transport.js";
import { books } from "./workspace/books.js";
import { Live } from "./workspace/live.js";
import { sessions } from "./workspace/sessions.js";
import type { SurfaceName } from "./workspace/surfaces.js";

export type { SurfaceName } from "./workspace/surfaces.js";

/** How the WebSocket does that all live updates come over. */
export type LinkState =
  /** It is being made: for the first time, or again, and then with why it has to be. */
  | { readonly state: "connecting"; readonly error?: DispatchError }
  | { readonly state: "open" }
  /** There is none, for that reason, and it is made again at that time: milliseconds since the Unix epoch. */
  | { readonly state: "waiting"; readonly until: number; readonly attempt: number; readonly error: DispatchError }
  /** The server refused it for good: a wrong key, for example. `retry` tries again. */
  | { readonly state: "refused"; readonly error: DispatchError };

/** What is heard of a server. What it says while there is no connection is not said again: lists are to be read anew. */
export interface WorkspaceEvents {
  link: LinkState;
  /** Which surfaces there are: after each connection. */
  catalog: readonly SurfaceCatalogEntry[];
  "conversation.open": ConversationOpenMessage;
  "conversation.statusChanged": ConversationStatusChangedMessage;
  "conversation.titleChanged": ConversationTitleChangedMessage;
  "conversation.compacted": ConversationCompactedMessage;
  "conversation.deleted": ConversationDeletedMessage;
  /** Something that was asked over the WebSocket could not be done: an action of a surface, for example. */
  refused: { readonly error: DispatchError; readonly surfaceId?: string };
}

/** An action of a surface, as a field names it, and what it takes. */
export interface SurfaceAction extends SurfaceName {
  readonly actionId: string;
  readonly payload?: unknown;
}

/** A part of the ledger, by UTC days: `YYYY-MM-DD`, both included. */
export interface UsageQuery {
  readonly from?: string;
  readonly to?: string;
  readonly key?: string;
  readonly signal?: AbortSignal;
}

/** A client that knows all of a server. Its WebSocket is open from the first `on`, `watchSurface` or watched conversation. */
export interface Workspace extends Client {
  readonly link: LinkState;
  /** Tries at once what is being waited for, or was refused. */
  retry(): void;
  /** Attaches a handler, and gives what takes it away. A handler of `link` hears first how it is. */
  on<Name extends keyof WorkspaceEvents>(name: Name, handler: (event: WorkspaceEvents[Name]) => void): () => void;

  /** The newest list of surfaces. */
  readonly catalog: readonly SurfaceCatalogEntry[];
  /** Gives a surface as it is now and whenever it changes, also over lost connections, until the returned function is called. */
  watchSurface(surface: SurfaceName, handler: (spec: SurfaceSpec) => void): () => void;
  /** Runs an action of a surface. The effect shows as a change of the surface; `refused` tells that there is none. */
  invoke(action: SurfaceAction): void;

  readonly keys: {
    list(): Promise<readonly ApiKey[]>;
    /** The key in use, with its balance. */
    self(): Promise<KeyResponse>;
    create(request?: CreateKeyRequest): Promise<CreateKeyResponse>;
    revoke(id: string): Promise<void>;
    /** Adds to its balance, once: a deposit that has no id is given one. */
    credit(id: string, request: CreditKeyRequest): Promise<ApiKey>;
  };
  /** What was used, by day, key and model: of the last 30 days if nothing is said. */
  usage(query?: UsageQuery): Promise<UsageResponse>;
  /** How fast models were in the period with that day, `YYYY-MM-DD`: with today if nothing is said. */
  throughput(period: ThroughputPeriod, date?: string): Promise<ThroughputResponse>;
  readonly sessions: {
    /** The newest first: of that key, or of all that the key in use may see. */
    list(query?: { readonly limit?: number; readonly key?: string }): Promise<readonly SessionReceipt[]>;
    receipt(id: string): Promise<SessionReceipt>;
    /** Ends a session. */
    end(id: string): Promise<void>;
  };
  realtimeModels(): Promise<readonly RealtimeModel[]>;
  systemPrompt(): Promise<SystemPromptTemplate>;
  setSystemPrompt(template: string): Promise<SystemPromptTemplate>;
  systemPromptVariables(): Promise<readonly SystemPromptVariable[]>;
  mcp(conversationId: string): Promise<McpStatusResponse>;
  lsp(conversationId: string): Promise<LspStatusResponse>;
  /** The bytes of an image of the log: an `<img>` cannot bring a key. Addresses of other servers are refused. */
  image(url: string, signal?: AbortSignal): Promise<Blob>;
}

/** Makes a workspace. Nothing is asked of the server yet. There has to be a WebSocket: Node has one from version 22 on. */
export function createWorkspace(options: ClientOptions = {}): Workspace {
  const [client, http, line] = assemble(options, sessions);
  if (!(line instanceof Socket)) {
    throw new DispatchError("invalid_state", "a workspace needs a WebSocket: there is none here");
  }
  const live = new Live(line);
  return {
    ...client,
    ...books(http),
    realtimeModels: () => client.realtime.models(),
    get link() {
      return live.link;
    },
    get catalog() {
      return live.catalog;
    },
    retry: () => live.retry(),
    on: (name, handler) => live.on(name, handler),
    watchSurface: (surface, handler) => live.watchSurface(surface, handler),
    invoke: (action) => live.invoke(action),
  };
}
