// A way to the server that can be cut.

import { connect, createServer } from "node:net";
import { once } from "node:events";

export class Door {
  #lines = new Set();
  #server;
  /** Whether somebody who knocks is let in. */
  isOpen = true;
  /** How many came in. */
  visits = 0;

  static async to(port) {
    const door = new Door();
    door.#server = createServer((inner) => {
      if (!door.isOpen) return inner.destroy();
      door.visits += 1;
      const outer = connect(port, "127.0.0.1");
      for (const [from, to] of [
        [inner, outer],
        [outer, inner],
      ]) {
        door.#lines.add(from);
        from.on("error", () => to.destroy());
        from.on("close", () => {
          door.#lines.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    door.#server.listen(0, "127.0.0.1");
    await once(door.#server, "listening");
    return door;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Resets all connections, in the middle of whatever they are in. */
  cut() {
    for (const line of this.#lines) line.resetAndDestroy();
  }

  close() {
    this.cut();
    this.#server.close();
  }
}
