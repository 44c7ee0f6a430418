// Runs in the page before anything else. The SDK of this age has its realtime host built in, so the beginning of that
// address is replaced by `window.door`, and what comes over each socket is noted.

(() => {
  const ORIGINAL = "wss://api3.decart.ai";
  window.sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(address, ...rest) {
      super(String(address).replace(ORIGINAL, window.door), ...rest);
      const note = { path: new URL(this.url).pathname, frames: [], closed: null };
      window.sockets.push(note);
      this.addEventListener("message", ({ data }) => note.frames.push(JSON.parse(data)));
      this.addEventListener("close", ({ code }) => {
        note.closed = code;
      });
    }
  };
})();
