// What the driver does with sockets and peer connections that are none.

import assert from "node:assert/strict";
import test, { beforeEach } from "node:test";
import { createClient } from "../../dist/client.js";

const KEY = "dsp_a-key";

class Socket {
  static all = [];
  readyState = 0;
  sent = [];

  constructor(url) {
    if (Socket.refuses) throw new SyntaxError(`an insecure WebSocket: ${url}`);
    this.url = new URL(url);
    Socket.all.push(this);
    setImmediate(() => {
      this.readyState = 1;
      this.onopen?.();
      this.hears({ type: "session_id", session_id: "s-1", server_ip: "192.0.2.1", server_port: 24204 });
    });
  }

  send(text) {
    const message = JSON.parse(text);
    this.sent.push(message);
    if (message.type === "set_image") setImmediate(() => this.hears({ type: "set_image_ack", success: true }));
    if (message.type === "offer") setImmediate(() => Socket.onOffer(this));
  }

  hears(message) {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  close(code) {
    this.closedWith = code;
    this.readyState = 3;
  }

  /** The server closes it. */
  ends(code, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

class PeerConnection {
  static all = [];
  transceivers = [];

  constructor(configuration) {
    this.configuration = configuration;
    PeerConnection.all.push(this);
  }

  addTransceiver(what, options) {
    const kind = typeof what === "string" ? what : what.kind;
    const transceiver = {
      track: what,
      options,
      receiver: { track: { kind } },
      setCodecPreferences: (codecs) => (transceiver.codecs = codecs),
    };
    this.transceivers.push(transceiver);
  }

  getTransceivers() {
    return this.transceivers;
  }

  async createOffer() {
    if (PeerConnection.fails) throw new Error("no offer today");
    return { type: "offer", sdp: "an offer" };
  }

  async setLocalDescription(offer) {
    this.localDescription = offer;
    this.onicecandidate?.({
      candidate: { toJSON: () => ({ candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0 }) },
    });
    this.onicecandidate?.({ candidate: null });
  }

  async setRemoteDescription() {
    this.connectionState = "connected";
    setImmediate(() => this.onconnectionstatechange?.());
  }

  async addIceCandidate() {
    throw new Error("it cannot be used");
  }

  close() {
    this.isClosed = true;
  }
}

const track = { kind: "video", readyState: "live", stop: () => assert.fail("the track is the caller's") };
const stream = { getTracks: () => [track], getVideoTracks: () => [track], getAudioTracks: () => [] };
const capabilities = { codecs: [{ mimeType: "video/H264" }, { mimeType: "video/VP8" }, { mimeType: "video/rtx" }] };

beforeEach(() => {
  Socket.all = [];
  Socket.refuses = PeerConnection.fails = false;
  Socket.onOffer = (socket) => {
    socket.hears({ type: "ice-candidate", candidate: { candidate: "candidate:2", sdpMid: "0" } });
    socket.hears({ type: "answer", sdp: "an answer" });
  };
  PeerConnection.all = [];
  globalThis.RTCPeerConnection = PeerConnection;
  globalThis.RTCRtpReceiver = { getCapabilities: () => capabilities };
});

function connect(options) {
  const client = createClient({ baseUrl: "https://video.example/base/", apiKey: KEY, WebSocket: Socket });
  return client.realtime.connect(stream, { model: "mirage", retry: { delays: [] }, ...options });
}

async function failure(promise) {
  const error = await promise.then(
    () => assert.fail("it did not fail"),
    (error) => error,
  );
  assert.ok(!`${error.stack} ${JSON.stringify(error)} ${error.cause}`.includes(KEY), "the key is in the error");
  return [error.code, error.message];
}

function assertFreed() {
  for (const socket of Socket.all) {
    assert.equal(socket.closedWith, 1000);
    assert.deepEqual([socket.onopen, socket.onmessage, socket.onclose], [null, null, null]);
  }
  for (const peer of PeerConnection.all) assert.ok(peer.isClosed);
}

test("a session is set up as the contract wants it", async () => {
  const session = await connect({ session: "s-0", resolution: "720p" });
  const [{ url, sent }] = Socket.all;
  assert.equal(`${url.protocol}//${url.host}${url.pathname}`, "wss://video.example/base/v1/stream");
  const { user_agent: _, ...query } = Object.fromEntries(url.searchParams);
  assert.deepEqual(query, { api_key: KEY, model: "mirage", resolution: "720p", session: "s-0" });
  assert.equal([...url.searchParams.keys()].at(-1), "user_agent", "the user agent is the last");
  assert.deepEqual(sent, [
    { type: "offer", sdp: "an offer" },
    { type: "ice-candidate", candidate: { candidate: "candidate:1", sdpMid: "0", sdpMLineIndex: 0 } },
    { type: "ice-candidate", candidate: null },
  ]);
  const [{ transceivers, configuration }] = PeerConnection.all;
  assert.deepEqual(transceivers[0].options, { direction: "sendrecv", streams: [stream] });
  assert.deepEqual(
    transceivers[0].codecs.map(({ mimeType }) => mimeType),
    ["video/VP8", "video/H264", "video/rtx"],
  );
  assert.deepEqual(configuration, { bundlePolicy: "max-bundle" });
  assert.equal(atob(session.subscribeToken), '{"sid":"s-1","ip":"192.0.2.1","port":24204}');
  session.disconnect();
  assertFreed();
});

test("whatever an attempt fails with, everything of it is freed", async () => {
  Socket.onOffer = (socket) => socket.ends(1011, "broken");
  assert.deepEqual(await failure(connect()), ["closed", "the server closed the connection with code 1011: broken"]);
  assertFreed();
  PeerConnection.fails = true;
  assert.deepEqual(await failure(connect()), ["media", "no offer today"]);
  assertFreed();
  Socket.onOffer = (socket) =>
    socket.hears({ type: "error", error: `bad wss://x/?api_key=${KEY}&model=m`, error_type: "invalid_model" });
  PeerConnection.fails = false;
  const [code, message] = await failure(connect());
  assert.deepEqual([code, message], ["server", "bad wss://x/?api_key=***&model=m"]);
  assertFreed();
});

test("a browser that does not open the socket says the address, and this client does not", async () => {
  Socket.refuses = true;
  assert.deepEqual(await failure(connect()), ["refused", "the server cannot be reached"]);
});

test("what comes of an attempt that is over is not heard", async () => {
  const session = await connect({ retry: { delays: [0] } });
  const ticks = [];
  session.on("generationTick", ({ seconds, credits }) => ticks.push([seconds, credits]));
  const [first] = Socket.all;
  const late = first.onmessage;
  first.ends(1006);
  await new Promise((resolve) => setTimeout(resolve, 50));
  late({ data: '{"type":"generation_tick","seconds":7}' });
  Socket.all[1].hears({ type: "generation_tick", seconds: 1, credits: "41.5" });
  assert.deepEqual(ticks, [[1, "41.5"]]);
  assert.equal(session.connectionState, "generating");
  session.disconnect();
  assertFreed();
});

test("why an attempt failed, or a session was lost, is said while another one follows", async () => {
  const reasons = [];
  const onRetry = ({ code, message }) => reasons.push([code, message]);
  const { onOffer } = Socket;
  const broken = ["closed", "the server closed the connection with code 1011: broken"];
  Socket.onOffer = (socket) => {
    Socket.onOffer = onOffer;
    socket.ends(1011, "broken");
  };
  const session = await connect({ retry: { delays: [0, 0] }, onRetry });
  assert.deepEqual(reasons.splice(0), [broken]);
  Socket.all[1].ends(1006);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(reasons.splice(0), [["closed", "the connection to the server was lost"]]);
  assert.equal(session.connectionState, "connected");
  session.disconnect();
  // The last one is what connecting fails with.
  Socket.onOffer = (socket) => socket.ends(1011, "broken");
  assert.deepEqual(await failure(connect({ retry: { delays: [0] }, onRetry })), broken);
  assert.deepEqual(reasons, [broken]);
});

test("a change whose image is still being read fails at once when the session is lost", async () => {
  const session = await connect();
  const { fetch } = globalThis;
  globalThis.fetch = () => new Promise(() => {});
  const change = failure(session.setImage("https://pictures.example/slow.png"));
  const next = failure(session.setPrompt("mirror"));
  Socket.all[0].ends(1006);
  assert.deepEqual(await Promise.all([change, next]), Array(2).fill(["not_connected", "the connection was lost"]));
  globalThis.fetch = fetch;
});

test("a wait that is longer than a timer can be is a long one", async (context) => {
  const set = context.mock.method(globalThis, "setTimeout");
  Socket.onOffer = () => {};
  const controller = new AbortController();
  const connecting = failure(connect({ timeouts: { attempt: Infinity }, signal: controller.signal }));
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  const waits = set.mock.calls.map(({ arguments: [, wait] }) => wait);
  assert.ok(waits.length > 0 && waits.every((wait) => wait === 2 ** 31 - 1), String(waits));
  controller.abort();
  assert.deepEqual(await connecting, ["aborted", "the client has disconnected"]);
});

test("the application gets each peer connection, and what its stream has in it by then is sent", async (context) => {
  const made = [];
  const tracks = [track];
  const changing = { ...stream, getTracks: () => tracks };
  const client = createClient({ baseUrl: "http://127.0.0.1:1", WebSocket: Socket });
  const onPeerConnection = (connection) => {
    made.push(connection);
    throw new Error("a mistake of the application stops nothing");
  };
  const error = context.mock.method(console, "error", () => {});
  const session = await client.realtime.connect(changing, { model: "mirage", retry: { delays: [0] }, onPeerConnection });
  tracks[0] = { ...track, id: "another" };
  Socket.all[0].ends(1006);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(made, PeerConnection.all);
  assert.deepEqual(made.map(({ transceivers }) => transceivers[0].track), [track, tracks[0]]);
  assert.equal(error.mock.callCount(), 2);
  session.disconnect();
});

test("an abortion that came before everything else frees everything, too", async () => {
  const signal = AbortSignal.abort();
  assert.deepEqual(await failure(connect({ signal })), ["aborted", "the client has disconnected"]);
  assertFreed();
});

test("a viewer only receives, and its token is that of any client", async () => {
  const client = createClient({ baseUrl: "http://127.0.0.1:1", WebSocket: Socket });
  const token = Buffer.from('{"sid": "s-1", "ip": "192.0.2.1", "port": 24204}').toString("base64url");
  const viewer = await client.realtime.subscribe({ token });
  const [{ url, sent }] = Socket.all;
  assert.equal(url.pathname, "/subscribe/s-1");
  assert.deepEqual([url.searchParams.get("IP"), url.searchParams.get("port")], ["192.0.2.1", "24204"]);
  assert.equal(sent[0].type, "offer");
  assert.deepEqual(PeerConnection.all[0].transceivers[0].options, { direction: "recvonly" });
  viewer.disconnect();
  for (const nonsense of ["", "nonsense", btoa("{}"), btoa('{"sid":"","ip":"x","port":1}')]) {
    await assert.rejects(client.realtime.subscribe({ token: nonsense }), { code: "invalid_input" });
  }
});

test("where there is no WebRTC, that is said", async () => {
  delete globalThis.RTCPeerConnection;
  assert.deepEqual(await failure(connect()), [
    "invalid_state",
    "realtime sessions need WebRTC",
  ]);
});
