// A server that is none, for workspaces: what it is asked over WebSockets and by requests, and what it says.

import assert from "node:assert/strict";

/** A turn of the event loop, in which sockets come to be open, and promises are kept. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

/** What a surface is known by. */
export const keyOf = ({ surfaceId, conversationId }) => (conversationId ? `${surfaceId} of ${conversationId}` : surfaceId);

/** What a browser says of the page and its network, where there is none. To be called before the workspace is made. */
export function pretendBrowser() {
  const page = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.document = document;
  return {
    online: () => page.dispatchEvent(new Event("online")),
    offline: () => page.dispatchEvent(new Event("offline")),
    look(visibilityState) {
      document.visibilityState = visibilityState;
      document.dispatchEvent(new Event("visibilitychange"));
    },
  };
}

class Socket {
  readyState = 0;
  /** What the client has said. */
  sent = [];
  /** What is on its way to the client. */
  coming = [];
  /** What the server has been asked for. */
  surfaces = new Set();
  conversations = new Set();
  isExtended = false;
  /** It is gone, and nobody says so. */
  isDeaf = false;

  constructor(server) {
    this.server = server;
    server.sockets.push(this);
    setImmediate(() => this.#arrive());
  }

  send(text) {
    assert.equal(this.readyState, 1, "something is sent on a socket that is not open");
    const frame = JSON.parse(text);
    this.sent.push(frame);
    if (!this.isDeaf) this.#hear(frame);
  }

  close() {
    this.readyState = 3;
    // Said later, when nobody wants to know it any more.
    setImmediate(() => this.onclose?.());
  }

  /** The server, or the network, ends it. */
  end() {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onerror?.();
    this.onclose?.();
  }

  say(frame) {
    if (this.readyState === 1) this.coming.push(frame);
  }

  /** What is on its way comes, or that much of it. */
  deliver(count = Infinity) {
    for (; count > 0 && this.coming.length > 0 && this.readyState === 1 && !this.isDeaf; count -= 1) {
      this.onmessage?.({ data: JSON.stringify(this.coming.shift()) });
    }
  }

  #arrive() {
    if (this.readyState !== 0 || this.server.isMute) return;
    if (!this.server.isThere || !this.server.hasSockets || this.server.status !== 200) return this.end();
    this.readyState = 1;
    this.onopen?.();
    // Before all that the client has asked for meanwhile.
    this.coming.unshift({ type: "catalog", catalog: this.server.catalog });
  }

  #hear(frame) {
    if (frame.extensions) this.isExtended = true;
    const key = keyOf(frame);
    switch (frame.type) {
      case "subscribe":
        if (!this.server.has(frame.surfaceId)) {
          const message = `Unknown surface: ${frame.surfaceId}`;
          return this.say({ type: "error", surfaceId: frame.surfaceId, code: "unknown-surface", message });
        }
        assert.ok(!this.surfaces.has(key), `${key} is subscribed to twice`);
        this.surfaces.add(key);
        return this.say({ type: "surface", ...this.server.shown(key) });
      case "unsubscribe":
        assert.ok(this.surfaces.delete(key), `${key} was not subscribed to`);
        return;
      case "chat.subscribe":
        assert.ok(!this.conversations.has(frame.conversationId), `${frame.conversationId} is watched twice`);
        this.conversations.add(frame.conversationId);
        return;
      case "chat.unsubscribe":
        this.conversations.delete(frame.conversationId);
        return;
    }
  }
}

export class Pretence {
  /** All that were made, the oldest first. */
  sockets = [];
  requests = [];
  /** Whether it can be reached. */
  isThere = true;
  /** Whether nobody says anything to those who make sockets, not even that there is none. */
  isMute = false;
  /** Whether sockets get through to it. */
  hasSockets = true;
  /** What it answers to requests. Sockets are taken with 200 only. */
  status = 200;
  catalog = [
    { id: "panel", region: "side", title: "Panel", scope: "conversation" },
    { id: "all", region: "side", title: "All", scope: "global" },
  ];
  #versions = new Map();

  /** What a workspace is made with to reach it. */
  get options() {
    const server = this;
    const fetch = async (url, { method, headers, body }) => {
      this.requests.push({ method, url, headers, ...(body && { body: JSON.parse(body) }) });
      if (!this.isThere) throw new TypeError("fetch failed");
      const answer = this.status === 200 ? { models: [] } : { error: "no such key", code: "unauthorized" };
      return Response.json(answer, { status: this.status });
    };
    const WebSocket = class extends Socket {
      constructor() {
        super(server);
      }
    };
    return { fetch, WebSocket, reconnectFor: Infinity };
  }

  /** The one that is open. */
  get socket() {
    return this.sockets.find(({ readyState, isDeaf }) => readyState === 1 && !isDeaf);
  }

  has(surfaceId) {
    return this.catalog.some(({ id }) => id === surfaceId);
  }

  /** A surface as it is now, and whose it is if it is somebody's. */
  shown(key) {
    const [id, conversation] = key.split(" of ");
    const { scope, ...entry } = this.catalog.find((entry) => entry.id === id);
    const isForAll = scope === "global";
    const version = this.#versions.get(isForAll ? id : key) ?? 0;
    const spec = { ...entry, fields: [{ kind: "stat", label: "Version", value: String(version) }] };
    return { spec, ...(conversation && !isForAll && { conversationId: conversation }) };
  }

  /** A surface changes, and whoever is there is told. */
  change(key) {
    this.#versions.set(key, (this.#versions.get(key) ?? 0) + 1);
    for (const socket of this.sockets) {
      for (const name of socket.surfaces) {
        const { spec, conversationId } = this.shown(name);
        const isIt = name === key || (key === spec.id && this.#isForAll(key));
        if (isIt) socket.say({ type: "update", update: { surfaceId: spec.id, spec, conversationId } });
      }
    }
  }

  #isForAll(surfaceId) {
    return this.catalog.some(({ id, scope }) => id === surfaceId && scope === "global");
  }

  /** Tells all who are there. */
  tell(frame) {
    for (const socket of this.sockets) socket.say(frame);
  }

  /** Lets what is under way come, until nothing is. */
  async settle() {
    for (let turns = 0; turns < 4; turns += 1) {
      await turn();
      for (const socket of this.sockets) socket.deliver();
    }
  }
}
