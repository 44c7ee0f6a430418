// A session: from Start to Stop, or to an end that is final, over as many connections as that takes.

import { Connection } from './connection.js';
import { judge } from './endings.js';
import { change } from './look.js';

/** What this page calls itself to the server. */
const USER_AGENT = 'dispatch-web/1 lang/js runtime/browser';
/** Connections in a row that came to nothing before this page gives up. */
const MOST_FAILURES = 6;
/** How long a connection has to have worked to be none of them, in milliseconds. */
const STABLE = 10_000;

/**
 * The only place that connects and that tries again.
 *
 * `tell` is told of `state` (one of connecting, connected, generating, reconnecting, and at last ended, failed or
 * refused; and why), `opened` (how viewers find it), `ticked`, `look` (words; and whether it is refused), `media` and
 * `said` (by the server).
 */
export class Session {
  state = '';
  /** The look that was asked for last. */
  asked = null;
  /** The ids of its connections. */
  ids = new Set();
  isOver = false;
  /** The look that the server has; none without a connection. */
  #held = null;
  #isSyncing = false;
  #seconds = { before: 0, now: 0 };
  #connection = null;
  #wasConnected = false;
  #stableSince = null;
  #wake = () => {};

  /** To produce: `model`, `asked` and `source`. To watch: `watched`, the `sid`, `ip` and `port` of another's session. */
  constructor({ key, model, asked, source, watched, tell }) {
    Object.assign(this, { key, model, asked, source, watched, tell });
  }

  /** The seconds that the server has said are billed, over all connections. */
  get seconds() {
    return this.#seconds.before + this.#seconds.now;
  }

  async run() {
    this.#show('connecting');
    for (let failures = 0; ;) {
      const cause = await this.#connect();
      if (this.isOver) return;
      this.#lost();
      const { final, words } = judge(cause);
      const end = this.#wasConnected ? 'failed' : 'refused';
      if (final) return this.#finish(end, words);
      if (this.#stableSince !== null && performance.now() - this.#stableSince > STABLE) failures = 0;
      failures++;
      if (failures > MOST_FAILURES) {
        return this.#finish(end, `${words} ${MOST_FAILURES} more attempts came to nothing either. Start again when it is back.`);
      }
      const attempt = `Attempt ${failures} of ${MOST_FAILURES} to connect again …`;
      this.#show(this.#wasConnected ? 'reconnecting' : 'connecting', `${words} ${attempt}`);
      await this.#pause(failures);
      if (this.isOver) return;
    }
  }

  stop() {
    this.#connection?.close();
    this.#lost();
    this.#finish('ended', '');
  }

  /** Does not wait any longer to connect again. */
  wake() {
    this.#wake();
  }

  /** Asks for another look. Whether the server has it is told. */
  apply(look) {
    this.asked = look;
    this.tell('look', this.#held ? 'Applying …' : 'It will hold as soon as there is a connection.');
    this.#sync();
  }

  replace(track) {
    return this.#connection?.replace(track);
  }

  stats() {
    return this.#connection?.stats();
  }

  /** One connection, until it is over. Resolves to why. */
  #connect() {
    this.#stableSince = null;
    const begins = this.asked;
    const connection = new Connection({
      url: this.#address(),
      stream: this.watched ? null : this.source.stream,
      first: this.watched ? null : change(null, begins),
      // What comes late, of a connection that is given up, is dropped.
      emit: (event, value) => { if (this.#connection === connection) this.#take(event, value, begins); },
    });
    this.#connection = connection;
    return connection.over;
  }

  #address() {
    const at = new URL(location.origin.replace(/^http/, 'ws'));
    const parameters = new URLSearchParams({ api_key: this.key });
    if (this.watched) {
      at.pathname = `/subscribe/${encodeURIComponent(this.watched.sid)}`;
      parameters.set('IP', this.watched.ip);
      parameters.set('port', this.watched.port);
    } else {
      at.pathname = '/v1/stream';
      parameters.set('model', this.model);
      const last = [...this.ids].at(-1);
      if (last) parameters.set('session', last);
    }
    parameters.set('user_agent', USER_AGENT);
    at.search = parameters;
    return at;
  }

  #take(event, value, begins) {
    switch (event) {
      case 'session':
        this.ids.add(value.sid);
        this.tell('opened', value);
        break;
      case 'look':
        this.#held = begins;
        if (begins.prompt || begins.image) this.tell('look', `Applied${this.#wasConnected ? ' again' : ''}.`);
        this.#sync();
        break;
      case 'connected':
        this.#wasConnected = true;
        if (this.watched) this.#stableSince = performance.now();
        if (this.state !== 'generating') this.#show('connected');
        break;
      case 'generating':
        this.#stableSince ??= performance.now();
        this.#show('generating');
        break;
      case 'tick':
        this.#seconds.now = Math.max(this.#seconds.now, Math.floor(value.seconds));
        this.tell('ticked');
        break;
      case 'media':
        this.tell('media', value);
        break;
      case 'error':
        this.tell('said', value);
        break;
      default:
    }
  }

  /** Tells the server what was asked for, one message at a time; what was asked meanwhile follows in one. */
  async #sync() {
    const connection = this.#connection;
    if (this.#isSyncing || !this.#held || !connection) return;
    this.#isSyncing = true;
    try {
      for (let message; (message = change(this.#held, this.asked));) {
        const { asked } = this;
        const began = performance.now();
        await connection.ask(message);
        this.#held = asked;
        this.tell('look', `Applied; the server said so after ${Math.round(performance.now() - began)} ms.`);
      }
    } catch (error) {
      // After a loss it is still asked for, and the next connection begins with it.
      if (connection.isOver) return;
      this.asked = this.#held;
      this.tell('look', `Not applied: ${error.message}`, true);
    } finally {
      this.#isSyncing = false;
    }
  }

  #lost() {
    this.#connection = null;
    this.#held = null;
    // The next connection counts from 0.
    this.#seconds = { before: this.seconds, now: 0 };
  }

  #pause(failures) {
    const delay = failures === 1 ? 300 : Math.min(1000 * 2 ** (failures - 2), 10_000) * (1 + Math.random() / 4);
    return new Promise((resolve) => {
      this.#wake = resolve;
      setTimeout(resolve, delay);
    });
  }

  #finish(state, why) {
    this.isOver = true;
    this.#wake();
    this.#show(state, why);
  }

  #show(state, why = '') {
    this.state = state;
    this.tell('state', state, why);
  }
}
