// A session of one's own, from its start to its receipt. It belongs to the page and not to its view: it goes on when another
// view is shown, and ends with the page.

import type {
  ConnectOptions,
  ConnectionState,
  DispatchError,
  GenerationTick,
  RealtimeClient,
  RealtimeModel,
  SessionReceipt,
} from "@dispatch/client";
import type { Workspace } from "@dispatch/client/workspace";
import { credits as amount, plural, seconds } from "../lib/format";
import { router } from "../lib/router.svelte";
import { toasts } from "../lib/toasts.svelte";
import { Bill } from "./bill.svelte";
import { Course } from "./course.svelte";
import { type Look, LookModel } from "./look.svelte";
import { Meter } from "./meter.svelte";
import type { Phase, Words } from "./phases";
import { type Problem, problemOf } from "./problems";
import { type Running, current } from "./running.svelte";
import { type Settlement, Settling } from "./settlement.svelte";
import { Source } from "./source.svelte";

/** What a session is started with. */
export interface Start {
  readonly workspace: { readonly realtime: Pick<Workspace["realtime"], "connect"> };
  readonly model: RealtimeModel;
  /** An earlier session to go on with. */
  readonly earlier?: SessionReceipt | undefined;
}

export class Live implements Running {
  readonly source: Source;
  readonly look = new LookModel();
  readonly meter = new Meter();
  readonly bill = new Bill();
  readonly #course = new Course(this.meter);
  #model = $state.raw<RealtimeModel>();
  #result = $state.raw<MediaStream>();
  #problem = $state.raw<Problem>();
  readonly #settling = new Settling();
  #token = $state<string>();
  #id = $state<string>();
  /** What goes out. Its track is another one when the source is. */
  #sent: MediaStream | undefined;
  #peer: RTCPeerConnection | undefined;
  #client: RealtimeClient | undefined;
  #abort: AbortController | undefined;
  /** What the server, or the client, said was wrong. It counts if the session ends. */
  #error: DispatchError | undefined;
  #isShown = false;

  constructor(source = new Source()) {
    this.source = source;
    source.onTrack = (track) => this.#send(track);
    source.onEnd = (problem) => this.#missing(problem);
  }

  get phase(): Phase {
    return this.#course.phase;
  }

  get isRunning(): boolean {
    return this.#course.isRunning;
  }

  get words(): Words {
    return this.#course.words;
  }

  /** Of the session that runs, or ran last. Reactive, as all of these are. */
  get model(): RealtimeModel | undefined {
    return this.#model;
  }

  /** What comes back. */
  get result(): MediaStream | undefined {
    return this.#result;
  }

  /** Why it ended, if it was not stopped here. */
  get problem(): Problem | undefined {
    return this.#problem;
  }

  /** What it cost in the end. */
  get settlement(): Settlement {
    return this.#settling.now;
  }

  /** Whoever has it can watch. Another one after each reconnection. */
  get token(): string | undefined {
    return this.#token;
  }

  /** What the server calls the connection that there is, or was last. */
  get id(): string | undefined {
    return this.#id;
  }

  /** Its view is shown, until the returned function is called. Without a session nothing else needs the camera. */
  show(): () => void {
    this.#isShown = true;
    return () => {
      this.#isShown = false;
      if (!this.isRunning) this.source.close();
    };
  }

  /** Begins a session with what the source shows, or goes on with one. */
  async start({ workspace, model, earlier }: Start): Promise<void> {
    const { track } = this.source;
    if (this.isRunning || !track) return;
    const abort = (this.#abort = new AbortController());
    const look = this.look.begin();
    this.#begin(model, earlier);
    this.#sent = new MediaStream([track]);
    try {
      const client = await workspace.realtime.connect(this.#sent, {
        ...this.#options(look, earlier),
        model: model.name,
        signal: abort.signal,
      });
      this.#listen(client);
      this.look.attach(client, look, { isKept: earlier !== undefined && isEmpty(look) });
    } catch (error) {
      if (!abort.signal.aborted) this.#end(problemOf(error));
    }
  }

  /** Ends it, or gives up connecting. */
  stop(): void {
    if (!this.isRunning) return;
    this.#abort?.abort();
    this.#client?.disconnect();
    this.#end();
  }

  /** Asks once more for the receipt. */
  async settle(): Promise<void> {
    if (this.#client) await this.#settling.ask(this.#client);
  }

  #begin(model: RealtimeModel, earlier: SessionReceipt | undefined): void {
    this.#client = this.#peer = this.#error = undefined;
    this.#model = model;
    this.#problem = this.#id = this.#token = this.#result = undefined;
    this.#settling.clear();
    this.bill.begin(model.creditsPerSecond, earlier);
    this.meter.reset();
    current.session = this;
    addEventListener("beforeunload", warn);
    addEventListener("pagehide", this.#leave);
    this.#course.to("connecting");
  }

  #options(look: Look, earlier: SessionReceipt | undefined): Omit<ConnectOptions, "model" | "signal"> {
    const { prompt, enhance, image } = look;
    return {
      onRemoteStream: (stream) => (this.#result = stream),
      onPeerConnection: (connection) => (this.#peer = connection),
      onRetry: (error) => this.#course.retries(error),
      // Without one, the server keeps what an earlier session had.
      ...(!isEmpty(look) && {
        initialState: { ...(prompt && { prompt: { text: prompt, enhance } }), image: image?.blob ?? null },
      }),
      ...(earlier && { session: earlier.connections.at(-1)?.connection ?? earlier.session }),
    };
  }

  #listen(client: RealtimeClient): void {
    this.#client = client;
    const isCurrent = () => this.#client === client && this.isRunning;
    client.on("connectionChange", (state) => isCurrent() && this.#changed(state, client));
    client.on("generationTick", (tick) => isCurrent() && this.#ticked(tick));
    client.on("error", (error) => (this.#error = error));
  }

  #ticked(tick: GenerationTick): void {
    const wasLow = this.bill.isLow;
    this.bill.tick(tick);
    if (wasLow || !this.bill.isLow) return;
    const hint = `They are enough for ${seconds(this.bill.secondsLeft)}. The session goes on if credits are added to the key.`;
    toasts.say("The credits are nearly used up.", { tone: "warn", hint });
  }

  #changed(state: ConnectionState, client: RealtimeClient): void {
    switch (state) {
      case "connecting":
        return;
      case "connected":
      case "generating":
        if (this.phase !== "connected") this.#connected(client);
        return this.#course.to(state);
      case "reconnecting":
        this.bill.lost();
        this.meter.stop();
        this.#token = undefined;
        return this.#course.to("reconnecting");
      case "disconnected":
        // Why is said right after that, if it was not before.
        queueMicrotask(() => {
          if (this.#client === client && this.isRunning) this.#end(problemOf(this.#error));
        });
    }
  }

  #connected(client: RealtimeClient): void {
    this.#error = undefined;
    this.#id = client.sessionId ?? undefined;
    this.#token = client.subscribeToken ?? undefined;
    this.bill.connected();
    if (this.#peer) this.meter.start(this.#peer);
    if (this.phase === "reconnecting") this.look.again();
  }

  #end(problem?: Problem): void {
    removeEventListener("beforeunload", warn);
    removeEventListener("pagehide", this.#leave);
    current.session = undefined;
    this.#problem = problem;
    this.#sent = this.#peer = this.#result = this.#token = undefined;
    this.meter.stop();
    this.look.detach();
    // What was given up before there was anything leaves nothing behind.
    this.#course.to(this.#client || problem ? "ended" : "idle");
    const settled = this.settle();
    if (this.#isShown) return;
    this.source.close();
    if (problem) toasts.say(`The realtime session has ended. ${problem.text}`, { tone: "bad", hint: problem.hint, action: SHOW });
    else void settled.then(() => this.#sayCost());
  }

  /** To who stopped it in another view. */
  #sayCost(): void {
    if (this.settlement.state !== "settled") return;
    const { seconds, credits } = this.settlement.receipt;
    toasts.say(`The realtime session has ended: ${plural(seconds, "second")}, ${amount(credits)} credits.`, { action: SHOW });
  }

  /** Nothing is sent any more. In its view that is seen; elsewhere it has to be said. */
  #missing(problem: Problem): void {
    if (!this.isRunning || this.#isShown) return;
    toasts.say(`Nothing is sent to the realtime session. ${problem.text}`, { tone: "bad", hint: problem.hint, action: SHOW });
  }

  /** Sends another track, now and after a reconnection. */
  #send(track: MediaStreamTrack): void {
    const sent = this.#sent;
    if (!sent) return;
    for (const old of sent.getTracks()) sent.removeTrack(old);
    sent.addTrack(track);
    this.meter.forget();
    const sender = this.#peer?.getSenders().find((sender) => sender.track?.kind === "video");
    // A connection that is closed takes none: the next one begins with it.
    sender?.replaceTrack(track).catch(() => {});
  }

  /** The server would notice by itself; this is sooner. */
  readonly #leave = () => this.stop();
}

const SHOW = { label: "Show", run: () => router.go({ view: "realtime" }) };

/** The browser asks whether the page may really be left. */
function warn(event: BeforeUnloadEvent): void {
  event.preventDefault();
}

function isEmpty({ prompt, image }: Look): boolean {
  return prompt === "" && !image;
}

export const live = new Live();
