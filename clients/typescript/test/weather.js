// A way to the server that is well until the storm: then what goes over it comes late, connections break in the middle,
// sometimes for one side only, and sometimes the server gets what the client said on a second connection as well.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/** How long something takes at most, in milliseconds: a connection to be made, a piece to come over, a life. */
const KNOCKING = 300;
const DELAY = 120;
const LIFE = 2_500;
/** How long the server has a connection whose client is gone without a word. */
const AFTERLIFE = 1_500;

export class Weather {
  #dice;
  #server;
  #lines = new Set();
  #isCalm = true;
  /** What has happened. */
  count = { connections: 0, refused: 0, cut: 0, "cut on one side": 0, doubled: 0 };

  static async to(port, dice) {
    const weather = new Weather();
    weather.#dice = dice;
    weather.#server = createServer((inner) => weather.#visit(inner, port));
    weather.#server.listen(0, "127.0.0.1");
    await once(weather.#server, "listening");
    return weather;
  }

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** From now on it is not well, and nor is any connection that there is already. */
  storm() {
    this.#isCalm = false;
    for (const line of this.#lines) this.#threaten(line);
  }

  /** From now on nothing breaks any more, and nothing is late. */
  calm() {
    this.#isCalm = true;
    for (const { timer } of this.#lines) clearTimeout(timer);
  }

  close() {
    for (const { inner, outer, twin } of this.#lines) for (const socket of [inner, outer, twin]) socket?.destroy();
    this.#server.close();
  }

  #visit(inner, port) {
    inner.on("error", () => {});
    this.count.connections += 1;
    if (this.#happens(0.1)) {
      this.count.refused += 1;
      return inner.destroy();
    }
    inner.pause();
    setTimeout(() => this.#join(inner, port), this.#late(KNOCKING));
  }

  #join(inner, port) {
    const line = { inner, outer: connect(port, "127.0.0.1") };
    this.#lines.add(line);
    const { outer } = line;
    outer.on("error", () => {});
    this.#carry(inner, (piece) => {
      outer.write(piece);
      line.twin?.write(piece);
    });
    this.#carry(outer, (piece) => inner.write(piece));
    if (this.#happens(0.2)) {
      this.count.doubled += 1;
      line.twin = connect(port, "127.0.0.1").on("error", () => {});
      line.twin.resume();
    }
    const end = () => {
      clearTimeout(line.timer);
      this.#lines.delete(line);
      for (const socket of [inner, line.twin]) socket?.destroy();
      if (!line.isOneSided) outer.destroy();
    };
    inner.on("close", end);
    outer.on("close", end);
    this.#threaten(line);
    inner.resume();
  }

  /** It will not last, as a rule. */
  #threaten(line) {
    if (this.#happens(0.8)) line.timer = setTimeout(() => this.#cut(line), this.#late(LIFE));
  }

  /** Hands on what comes from there, piece by piece and in order, each some time later. */
  #carry(from, hand) {
    let last = Promise.resolve();
    from.on("data", (data) => {
      // A piece breaks in two, as it can on its way.
      const at = data.length > 1 && this.#happens(0.3) ? 1 + this.#dice.below(data.length - 1) : data.length;
      for (const piece of [data.subarray(0, at), data.subarray(at)]) {
        if (piece.length === 0) continue;
        const wait = this.#late(DELAY);
        last = last.then(() => wait && new Promise((resolve) => setTimeout(resolve, wait))).then(() => hand(piece));
      }
    });
  }

  #cut(line) {
    const { inner, outer } = line;
    this.count.cut += 1;
    if (this.#dice.chance(0.4)) {
      this.count["cut on one side"] += 1;
      line.isOneSided = true;
      setTimeout(() => outer.destroy(), AFTERLIFE);
    }
    if (this.#dice.chance(0.5)) inner.resetAndDestroy();
    else inner.destroy();
  }

  #happens(part) {
    return !this.#isCalm && this.#dice.chance(part);
  }

  /** How late it is this time. */
  #late(most) {
    return this.#isCalm || this.#dice.chance(0.3) ? 0 : this.#dice.upTo(most);
  }
}
