// A way to a server that can be shut: bytes pass as they are.

import { once } from "node:events";
import { type AddressInfo, type Server, type Socket, connect, createServer } from "node:net";

export class Door {
  readonly #lines = new Set<Socket>();
  readonly #server: Server;
  #isOpen = true;

  private constructor(to: number) {
    this.#server = createServer((inner) => {
      if (!this.#isOpen) return void inner.destroy();
      const outer = connect(to, "127.0.0.1");
      for (const [from, other] of [
        [inner, outer],
        [outer, inner],
      ] as const) {
        this.#lines.add(from);
        from.setNoDelay();
        from.on("error", () => other.destroy());
        from.on("close", () => {
          this.#lines.delete(from);
          other.destroy();
        });
        from.pipe(other);
      }
    });
  }

  static async to(port: number): Promise<Door> {
    const door = new Door(port);
    door.#server.listen(0, "127.0.0.1");
    await once(door.#server, "listening");
    return door;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  open(): void {
    this.#isOpen = true;
  }

  /** Cuts all connections, in the middle of whatever they are in, and lets nobody in. */
  shut(): void {
    this.#isOpen = false;
    this.cut();
  }

  /** Cuts all connections; new ones can be made. */
  cut(): void {
    for (const line of this.#lines) line.destroy();
  }

  close(): void {
    this.shut();
    this.#server.close();
  }
}
