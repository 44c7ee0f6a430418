// Conversations with agents: what is sent, what is heard, what is kept.

import type {
  CancelQueuedResponse,
  ConversationModelResponse,
  ConversationStatusResponse,
  DeleteConversationResponse,
  QueueExtras,
  QueueStateResponse,
  TurnMetricsExtras,
  WorkspaceExtras,
} from "../extensions.js";
import { type Call, type Http, segment } from "../http.js";
import type {
  CompactPercentResponse,
  CompactRequest,
  CompactResponse,
  ConversationMetricsResponse,
  CwdResponse,
  LastMessageResponse,
  QueueResponse,
  ReasoningEffortResponse,
  StopResponse,
  TitleResponse,
} from "../transport.js";
import { unique } from "../wait.js";
import type { ConversationMeta, ConversationStatus, QueuedMessage, ReasoningEffort, TurnMetrics } from "../wire.js";
import type { ConversationEvent } from "./events.js";
import { Feed } from "./feed.js";
import type { Line } from "./socket.js";
import type { Stream } from "./stream.js";
import { EMPTY, type History, type HistoryChunk, type Transcript, reduce, withHistory } from "./transcript.js";
import { type Message, type Named, Turn, events, post } from "./turn.js";

/** Whether to go on waiting. What was begun on the server goes on. */
export interface Waiting {
  readonly signal?: AbortSignal | undefined;
}

/** What became of a message. */
export interface Sent {
  readonly conversationId: string;
  readonly clientMessageId: string;
  /** The turn that it started; absent if the message is queued. */
  readonly turnId?: string;
  /** The queue that it is in; absent if it started a turn. */
  readonly queue?: readonly QueuedMessage[];
}

/** Which part of the history. */
export interface HistoryQuery extends Waiting {
  /** Only chunks with a greater seq. */
  readonly sinceSeq?: number | undefined;
  /** Only chunks with a smaller seq. */
  readonly beforeSeq?: number | undefined;
  /** Only the newest so many of those. */
  readonly limit?: number | undefined;
}

type Settings = TitleResponse &
  ConversationModelResponse &
  CwdResponse &
  ReasoningEffortResponse &
  CompactPercentResponse;

/** What the paths of settings end with whose names are others. */
const PATHS: { readonly [name: string]: string } = { reasoningEffort: "reasoning-effort", percent: "compact-percent" };

export class Conversations {
  readonly #http: Http;
  readonly #line: Line;
  readonly #feeds = new Map<string, Feed>();

  /** @internal */
  constructor(http: Http, line: Line) {
    this.#http = http;
    this.#line = line;
  }

  /**
   * Sends a message, once however often it has to be tried, and resolves when the server has it: it runs as a turn then,
   * or with `whenActive: "queue"` it waits for the one that runs.
   */
  async send(message: Message | string, { signal }: Waiting = {}): Promise<Sent> {
    const named = name(message);
    const { conversationId, clientMessageId } = named;
    const response = await post(this.#http, named, signal);
    const sent = { conversationId, clientMessageId };
    if (response.status === 202) return { ...sent, queue: ((await response.json()) as QueueResponse).queue };
    for await (const event of events(response)) {
      // Leaving hangs up; the turn goes on.
      if (event.type !== "status") return { ...sent, turnId: event.turnId };
    }
    return sent;
  }

  /** Sends a message, and gives the events of its turn. The message is sent when the first event is asked for. */
  stream(
    message: (Message & { readonly whenActive?: "reject" | "interrupt" }) | string,
    { signal }: Waiting = {},
  ): Turn {
    return new Turn(this.#http, name(message), signal);
  }

  /**
   * What happens in a conversation, over as many turns as there will be: the turn in flight from its first event, then
   * live. Begins at once, and ends when the iterator is left, or the signal says so. A connection that is lost is made
   * anew and goes on with the next event; where that cannot be, a `gap` says so.
   */
  watch(conversationId: string, waiting: Waiting = {}): AsyncIterableIterator<ConversationEvent> {
    return this.#watch(conversationId, false, waiting);
  }

  #watch(conversationId: string, reads: boolean, { signal }: Waiting): Stream<ConversationEvent> {
    const known = this.#feeds.get(conversationId);
    const feed = known?.isWatched ? known : new Feed(conversationId);
    this.#feeds.set(conversationId, feed);
    const stream = feed.join(reads, () => {
      signal?.removeEventListener("abort", leave);
      if (feed.isWatched) return;
      this.#feeds.delete(conversationId);
      this.#line.close(feed);
    });
    const leave = () => void stream.return();
    signal?.addEventListener("abort", leave);
    if (feed !== known) this.#line.open(feed);
    if (signal?.aborted) leave();
    return stream;
  }

  /**
   * A conversation as it is to be shown: its history, of which `limit` gives the newest part, and what is being said, anew
   * after each event.
   */
  async *follow(
    conversationId: string,
    part: Pick<HistoryQuery, "limit" | "signal"> = {},
  ): AsyncGenerator<Transcript, void> {
    const watched = this.#watch(conversationId, true, part);
    try {
      let transcript = EMPTY;
      for (;;) {
        while (transcript.isStale) {
          // The last chunk again: another one in its place means that the conversation was compacted.
          const { latestSeq } = transcript;
          const query = latestSeq > 0 ? { sinceSeq: latestSeq - 1, signal: part.signal } : part;
          transcript = withHistory(transcript, await this.history(conversationId, query));
        }
        yield transcript;
        const { done, value } = await watched.next();
        if (done) return;
        transcript = reduce(transcript, value);
      }
    } finally {
      await watched.return();
    }
  }

  /** A part of the history. To page back, give the oldest seq that is known as `beforeSeq`. */
  history(conversationId: string, { signal, ...query }: HistoryQuery = {}): Promise<History> {
    return this.#at("GET", conversationId, "", { query: { ...query, extensions: true }, signal });
  }

  /** The whole history in pages, the newest first; the chunks of each are ascending. */
  async *pages(
    conversationId: string,
    { limit = 100, signal }: Pick<HistoryQuery, "limit" | "signal"> = {},
  ): AsyncGenerator<readonly HistoryChunk[], void> {
    let beforeSeq: number | undefined;
    do {
      const { chunks } = await this.history(conversationId, { limit, beforeSeq, signal });
      if (chunks.length > 0) yield chunks;
      beforeSeq = chunks[0]?.seq ?? 1;
    } while (beforeSeq > 1);
  }

  /** The last text of the last answer. Waits for a running turn to end, for up to a minute. */
  last(conversationId: string, { signal }: Waiting = {}): Promise<LastMessageResponse> {
    return this.#at("GET", conversationId, "/last", { signal });
  }

  /** All conversations, or those with one of these statuses, or whose id begins so; the last active first. */
  async list({
    status,
    idPrefix,
  }: { readonly status?: readonly ConversationStatus[]; readonly idPrefix?: string } = {}): Promise<
    readonly (ConversationMeta & WorkspaceExtras)[]
  > {
    const query = { status: status?.join(","), q: idPrefix };
    type List = { readonly conversations: readonly (ConversationMeta & WorkspaceExtras)[] };
    return (await this.#http.json<List>("GET", "/conversations", { query })).conversations;
  }

  /** Queues a text: it enters the running turn after its next tool results, or starts the next turn, or one now. */
  queue(conversationId: string, text: string, options: QueueExtras = {}): Promise<QueueResponse> {
    const body = { text, clientMessageId: unique(), ...options };
    return this.#at("POST", conversationId, "/queue", { body, isRepeatable: true });
  }

  /** As `queue`, if that turn is still running; otherwise it fails with `turn-mismatch`. */
  steer(conversationId: string, turnId: string, text: string, options: QueueExtras = {}): Promise<QueueResponse> {
    return this.queue(conversationId, text, { ...options, expectedTurnId: turnId });
  }

  /** What waits to be taken in, oldest first. */
  async queued(conversationId: string): Promise<readonly QueuedMessage[]> {
    return (await this.#at<QueueStateResponse>("GET", conversationId, "/queue")).queue;
  }

  /** Takes a message out of the queue, by its id there. */
  cancelQueued(conversationId: string, messageId: string): Promise<CancelQueuedResponse> {
    return this.#at("DELETE", conversationId, `/queue/${segment(messageId)}`);
  }

  /** Ends the running turn. What was said stays, what is queued stays queued. */
  stop(conversationId: string): Promise<StopResponse> {
    return this.#at("POST", conversationId, "/stop");
  }

  /** Ends the running turn, empties the queue, and hides it until its next message. */
  close(conversationId: string): Promise<StopResponse> {
    return this.#at("POST", conversationId, "/close");
  }

  /** Shows one again that was closed, before its next message does. */
  reopen(conversationId: string): Promise<ConversationStatusResponse> {
    return this.#at("POST", conversationId, "/reopen", { isRepeatable: true });
  }

  /** Deletes it with everything that is kept for it; with `force` also while something runs in it. */
  delete(
    conversationId: string,
    { force = false }: { readonly force?: boolean } = {},
  ): Promise<DeleteConversationResponse> {
    return this.#at("DELETE", conversationId, "", { query: { force } });
  }

  /** Replaces the older history by a summary, and waits for the model that writes it. The seqs begin anew. */
  compact(conversationId: string, request: CompactRequest = {}): Promise<CompactResponse> {
    return this.#at("POST", conversationId, "/compact", { body: request });
  }

  status(conversationId: string): Promise<ConversationStatusResponse> {
    return this.#at("GET", conversationId, "/status");
  }

  /** Tokens and times of its sealed turns, oldest first. */
  async metrics(conversationId: string): Promise<readonly (TurnMetrics & TurnMetricsExtras)[]> {
    const query = { extensions: true };
    return (await this.#at<ConversationMetricsResponse>("GET", conversationId, "/metrics", { query })).turns;
  }

  title(conversationId: string): Promise<string> {
    return this.#setting(conversationId, "title");
  }

  setTitle(conversationId: string, title: string): Promise<string> {
    return this.#setting(conversationId, "title", { title });
  }

  /** The model of later turns; `null` for the server's default. */
  model(conversationId: string): Promise<string | null> {
    return this.#setting(conversationId, "model");
  }

  setModel(conversationId: string, model: string | null): Promise<string | null> {
    return this.#setting(conversationId, "model", { model });
  }

  /** The directory in which tools work; `null` for the server's own. */
  cwd(conversationId: string): Promise<string | null> {
    return this.#setting(conversationId, "cwd");
  }

  async setCwd(conversationId: string, cwd: string | null): Promise<string | null> {
    if (cwd !== null) return this.#setting(conversationId, "cwd", { cwd });
    return (await this.#at<CwdResponse>("DELETE", conversationId, "/cwd")).cwd;
  }

  /** How much the model reasons in later turns; `null` where it was never set: then `high` holds. */
  reasoningEffort(conversationId: string): Promise<ReasoningEffort | null> {
    return this.#setting(conversationId, "reasoningEffort");
  }

  setReasoningEffort(conversationId: string, reasoningEffort: ReasoningEffort): Promise<ReasoningEffort | null> {
    return this.#setting(conversationId, "reasoningEffort", { reasoningEffort });
  }

  /** Percent of the model's context window at which it is compacted by itself; 0 means never. */
  compactPercent(conversationId: string): Promise<number> {
    return this.#setting(conversationId, "percent");
  }

  setCompactPercent(conversationId: string, percent: number): Promise<number> {
    return this.#setting(conversationId, "percent", { percent });
  }

  /** Reads a setting, or writes it if there is a body. */
  async #setting<Name extends keyof Settings>(
    id: string,
    name: Name,
    body?: Partial<Settings>,
  ): Promise<Settings[Name]> {
    return (await this.#at<Settings>(body ? "PUT" : "GET", id, `/${PATHS[name] ?? name}`, { body }))[name];
  }

  #at<T>(method: string, conversationId: string, path: string, call: Call = {}): Promise<T> {
    return this.#http.json(method, `/conversations/${segment(conversationId)}${path}`, call);
  }
}

function name(message: Message | string): Named {
  const given = typeof message === "string" ? { message } : message;
  return { conversationId: unique(), clientMessageId: unique(), ...given };
}
