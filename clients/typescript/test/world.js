// A server, media and a clock around the machine of a realtime connection, and what must hold whatever they do.

import assert from "node:assert/strict";
import { Connection } from "../dist/realtime/connection.js";

const RETRY = { delays: [1_000, 2_000, 4_000, 8_000, 10_000], stable: 10_000 };

/** From which state which ones can be shown. */
const NEXT = {
  disconnected: ["connecting"],
  connecting: ["connected", "generating", "disconnected"],
  connected: ["generating", "reconnecting", "disconnected"],
  generating: ["reconnecting", "disconnected"],
  reconnecting: ["connected", "generating", "disconnected"],
};

/** An action of the application, or the clock: nothing of an attempt. */
const isOwn = ({ attempt }) => attempt === undefined;

function said(input) {
  try {
    return input.type === "message" ? (JSON.parse(input.text) ?? {}) : {};
  } catch {
    return {};
  }
}

/** A connection, and all there is to know about it from outside. */
export class World {
  now = 0;
  /** What the application was shown last. */
  shown = "disconnected";
  /** Of the look that each attempt began with, the last one. */
  begunWith;
  /** How many things were told, in all. */
  told = 0;
  #last;
  #calls = { count: 0, connect: undefined, waiting: [], sent: undefined };
  /** The newest attempt, and what a server and a peer connection that work know of it until it is closed. */
  #attempt = 0;
  #line;
  /** What is on its way, in its order: of the socket, and of media. */
  #underWay = { socket: [], media: [] };
  #closed = 0;
  /** How many attempts there were since the last session that lasted, or since connect. */
  #inARow = 0;
  #errors = 0;
  /** The errors of the server that may still be told. */
  #untold = [];

  constructor(options) {
    this.connection = new Connection(options);
    this.produces = options.produces ?? true;
    this.retry = { ...RETRY, ...options.retry };
  }

  connect() {
    const call = this.#call();
    const outputs = this.#give({ type: "connect", call });
    if (this.shown === "connecting" && this.#calls.connect === undefined) this.#calls.connect = call;
    else assert.ok(outputs.length === 1 && outputs[0].error, "it is refused");
  }

  update(update) {
    const call = this.#call();
    // It is known as waiting before it is given, and is sent or over in the same go if nothing is before it.
    this.#calls.waiting.push(call);
    this.#give({ type: "update", call, update });
    return call;
  }

  /** It is over: all calls are answered, and nothing that comes changes anything. */
  disconnect() {
    for (const output of this.#give({ type: "disconnect" })) {
      const belongs =
        output.type === "close" ||
        (output.type === "event" && output.event.state === "disconnected") ||
        (output.type === "done" && output.error?.code === "aborted");
      assert.ok(belongs, `${JSON.stringify(output)} after a disconnect`);
    }
    assert.equal(this.shown, "disconnected");
  }

  /** Something happens in the newest attempt, or in one so many before it. */
  happens(back, happening) {
    if (this.#attempt >= back) this.#deliver(this.#attempt - back, happening);
  }

  /** What happened last happens once more. */
  again() {
    if (this.#last && !isOwn(this.#last)) this.#give(this.#last);
  }

  /** The next thing that happens if all goes well. False if there is nothing to wait for but the clock. */
  goOn() {
    const next = this.#next();
    if (!next) return false;
    const [channel, happening] = next;
    const before = this.#underWay[channel];
    if (before.length === 0) this.#deliver(this.#attempt, happening);
    else before.push([this.#attempt, happening]);
    return true;
  }

  /** The next thing that happens if all goes well takes longer. */
  hold() {
    const next = this.#next();
    if (next) this.#underWay[next[0]].push([this.#attempt, next[1]]);
  }

  /** What is under way arrives. */
  arrive() {
    for (const channel of Object.values(this.#underWay)) {
      for (let next = channel.shift(); next; next = channel.shift()) this.#deliver(...next);
    }
  }

  /** Time passes, and the machine is told when it wants to be. */
  pass(time) {
    const until = this.now + time;
    while (this.connection.deadline <= until) this.#tick();
    this.now = until;
  }

  /** Time passes, and nobody tells the machine: what happens next comes before the clock does. */
  jump(time) {
    this.now += time;
  }

  /** Server, network and clock work: it has to get to a session, and may not give up. */
  heal() {
    this.arrive();
    if (this.shown === "disconnected") this.connect();
    for (let step = 0; step < 200; step += 1) {
      if (this.shown === "generating" && Object.values(this.#underWay).every(({ length }) => length === 0)) return;
      if (!this.goOn()) this.#tick();
      assert.notEqual(this.shown, "disconnected", "it gave up although all was well");
    }
    assert.fail("it never got to a session");
  }

  /** Until the call is over: with all that the server owes, and with the clock. */
  finish(call) {
    while (this.#calls.sent === call || this.#calls.waiting.includes(call)) {
      if (this.#line?.acknowledgements.length > 0) this.goOn();
      else this.#tick();
    }
  }

  #call() {
    this.#calls.count += 1;
    return this.#calls.count;
  }

  /** It gets as late as the machine waits for. */
  #tick() {
    const { deadline } = this.connection;
    assert.notEqual(deadline, undefined, "it waits for nothing");
    this.now = Math.max(this.now, deadline);
    this.#give({ type: "time" });
  }

  /** What happens next if all goes well, and where. */
  #next() {
    const line = this.#line;
    if (!line) return undefined;
    if (!line.isOpen) {
      line.isOpen = true;
      return ["socket", { type: "opened" }];
    }
    if (line.isOfferWanted && !line.isOfferMade) {
      line.isOfferMade = true;
      return ["media", { type: "offer" }];
    }
    if (line.acknowledgements.length > 0) return ["socket", { message: line.acknowledgements.shift() }];
    if (!line.isOffered) return undefined;
    if (!line.isAnswered) {
      line.isAnswered = true;
      return ["socket", { message: { type: "answer", sdp: "an answer" } }];
    }
    if (!line.isConnected) {
      if (!line.hasAnswer) return undefined;
      line.isConnected = true;
      return ["media", { type: "media", state: "connected" }];
    }
    if (!line.isGenerating) {
      line.isGenerating = true;
      return ["socket", { message: { type: "generation_started" } }];
    }
    line.ticks += 1;
    return ["socket", { message: { type: "generation_tick", seconds: line.ticks } }];
  }

  #deliver(attempt, happening) {
    const { message, error, text } = happening;
    if (message) return this.#give({ type: "message", attempt, text: JSON.stringify(message) });
    if (text !== undefined) return this.#give({ type: "message", attempt, text });
    if (error) {
      this.#errors += 1;
      const numbered = { type: "error", ...error, error: `${error.error} (${this.#errors})` };
      return this.#give({ type: "message", attempt, text: JSON.stringify(numbered) });
    }
    return this.#give({ attempt, ...(happening.type === "offer" && { sdp: "an offer" }), reason: "", ...happening });
  }

  /** Gives the machine an input, and checks all that it does. */
  #give(input) {
    this.#last = input;
    const before = this.connection.deadline;
    const was = this.shown;
    const isLate = !isOwn(input) && (input.attempt !== this.#attempt || !this.#line);
    const message = isLate ? {} : said(input);
    const error = message.type === "error" ? message.error : undefined;
    if (error !== undefined) this.#untold.push(error);
    // A peer connection that works does not mind what its machine thinks of it.
    if (input.type === "media" && !isLate) {
      const line = this.#line;
      line.hasMedia = line.isConnected = line.hasAnswer && input.state === "connected";
    }

    this.connection.handle(this.now, input);
    const outputs = [];
    for (let output = this.connection.poll(); output; output = this.connection.poll()) {
      outputs.push(output);
      this.#check(output);
    }

    const { deadline, state } = this.connection;
    assert.equal(state, this.shown, "the state is another one than the one that was shown");
    if (isLate) assert.deepEqual([outputs, deadline], [[], before], "of an attempt that is over");
    if (input.type === "time" || before === undefined || before >= this.now) {
      assert.ok(deadline === undefined || deadline >= this.now, "a deadline in the past");
    }
    const ticks = outputs.filter(({ event }) => event?.name === "generation_tick").map(({ event }) => event.seconds);
    assert.deepEqual(ticks, message.type === "generation_tick" ? [message.seconds] : [], "ticks");
    if (error !== undefined && (was === "connected" || was === "generating")) {
      assert.ok(!this.#untold.includes(error), "an error that was not told");
    }
    this.#checkState(was, input, outputs, deadline);
    return outputs;
  }

  #checkState(was, input, outputs, deadline) {
    const { connect, sent, waiting } = this.#calls;
    switch (this.shown) {
      case "disconnected": {
        assert.equal(this.#line, undefined, "an attempt that is still open");
        assert.equal(deadline, undefined, "it waits for something after the end");
        assert.deepEqual([connect, sent, waiting], [undefined, undefined, []], "calls after the end");
        const isQuiet = was !== "disconnected" || outputs.every(({ type }) => type === "done");
        assert.ok(isQuiet || input.type === "connect", "something after the end");
        return;
      }
      case "connecting":
      case "reconnecting":
        assert.notEqual(deadline, undefined, "it would wait for ever");
        assert.deepEqual([sent, waiting], [undefined, []], "changes without a session");
        return;
      default: {
        const waits = !this.#line.hasMedia || sent !== undefined;
        assert.equal(deadline !== undefined, waits, "it waits for nothing, or for ever");
        assert.equal(connect, undefined, "connect is not answered");
        assert.ok(waiting.length === 0 || sent !== undefined, "nothing is sent");
      }
    }
  }

  #check(output) {
    const { type, attempt } = output;
    this.told += 1;
    if (attempt !== undefined && type !== "open") {
      assert.ok(attempt === this.#attempt && this.#line, `${type} in an attempt that is over`);
    }
    switch (type) {
      case "open": {
        assert.equal(this.#line, undefined, "two attempts at once");
        assert.equal(attempt, this.#attempt + 1);
        assert.ok(this.shown === "connecting" || this.shown === "reconnecting", `an attempt while ${this.shown}`);
        if (this.#inARow > 0) {
          const delay = this.retry.delays[this.#inARow - 1];
          assert.notEqual(delay, undefined, "it tries too often");
          assert.ok(this.now >= this.#closed + delay, "it tries too soon");
        }
        this.#inARow += 1;
        this.#attempt = attempt;
        this.#line = { acknowledgements: [], ticks: 0 };
        this.begunWith = undefined;
        return;
      }
      case "close": {
        const { established } = this.#line;
        this.#closed = this.now;
        this.#line = undefined;
        if (established !== undefined && this.now - established >= this.retry.stable) this.#inARow = 0;
        return;
      }
      case "send":
        return this.#checkSent(output.message);
      case "offer":
        assert.ok(!this.#line.isOfferWanted, "two peer connections");
        this.#line.isOfferWanted = true;
        return;
      case "answer":
        assert.ok(this.#line.isOffered && !this.#line.hasAnswer, "an answer to nothing");
        this.#line.hasAnswer = true;
        return;
      case "add_candidate":
        return assert.ok(this.#line.hasAnswer, "an address before the answer");
      case "event":
        return this.#checkEvent(output.event);
      case "done":
        return this.#checkDone(output.call);
      default:
        assert.fail(`${type} is nothing that can be done`);
    }
  }

  #checkDone(call) {
    const calls = this.#calls;
    if (calls.connect === call) return void (calls.connect = undefined);
    if (calls.sent === call) return void (calls.sent = undefined);
    const waited = calls.waiting.length;
    calls.waiting = calls.waiting.filter((waiting) => waiting !== call);
    // A second connect is over at once.
    const isRefused = this.#last.type === "connect" && this.#last.call === call;
    assert.ok(calls.waiting.length < waited || isRefused, `${call} was over already`);
  }

  #checkSent(message) {
    const line = this.#line;
    switch (message.type) {
      case "offer":
        assert.ok(line.isOfferWanted && !line.isOffered, "two offers");
        line.isOffered = true;
        return;
      case "ice-candidate":
        return assert.ok(line.isOffered, "an address before the offer");
      case "prompt":
        line.acknowledgements.push({ type: "prompt_ack", prompt: message.prompt, success: true, error: null });
        break;
      case "set_image":
        line.acknowledgements.push({ type: "set_image_ack", success: true, error: null });
        break;
      default:
        assert.fail(`${message.type} is sent`);
    }
    assert.ok(this.produces, "a viewer changes something");
    if (line.established !== undefined) {
      assert.equal(this.#calls.sent, undefined, "two updates at once");
      this.#calls.sent = this.#calls.waiting.shift();
      assert.notEqual(this.#calls.sent, undefined, "an update that nobody asked for");
    } else {
      assert.ok(!line.isOffered && !this.begunWith, "two looks");
      this.begunWith = message;
    }
  }

  #checkEvent(event) {
    switch (event.name) {
      case "connection_change": {
        const { state } = event;
        assert.ok(NEXT[this.shown].includes(state), `${this.shown} → ${state}`);
        this.shown = state;
        if (state === "connecting") this.#inARow = 0;
        else if (state === "connected" || state === "generating") this.#line.established ??= this.now;
        else assert.equal(this.#line, undefined, `${state} with an attempt that is open`);
        return;
      }
      case "error": {
        if (event.error.code !== "server") return;
        const position = this.#untold.indexOf(event.error.message);
        assert.ok(position >= 0, "an error that was told twice");
        this.#untold.splice(position, 1);
        return;
      }
      case "generation_tick":
        return assert.notEqual(this.shown, "disconnected", "a tick after the end");
      default:
        assert.fail(`${event.name} is no event`);
    }
  }
}
