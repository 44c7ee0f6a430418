// What is shown of a session: its state, the bill, the measures, the receipt, and what happened.

import { reasonOf } from './endings.js';

const STATES = {
  idle: 'not started', connecting: 'connecting', connected: 'connected', generating: 'generating',
  reconnecting: 'reconnecting', ended: 'ended', failed: 'ended', refused: 'not connected',
};
/** The most events that are listed. */
const MOST_EVENTS = 100;

export const byId = (id) => document.getElementById(id);

export function note(id, text, isBad = false) {
  byId(id).textContent = text;
  byId(id).classList.toggle('bad', isBad);
}

export function record(text) {
  const item = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString();
  item.append(time, text);
  byId('events').prepend(item);
  while (byId('events').childElementCount > MOST_EVENTS) byId('events').lastChild.remove();
}

/** Whether nothing follows a state. */
export const isOver = (state) => state === 'ended' || state === 'failed' || state === 'refused';

/** The state, in words everywhere it belongs. */
export function showState(state, why = '') {
  if (byId('state').dataset.state !== state) record(STATES[state]);
  byId('state').dataset.state = state;
  byId('stateWord').textContent = STATES[state];
  const over = isOver(state);
  byId('why').hidden = !over || !why;
  note('why', over ? why : '', state !== 'ended');
  if (why) record(why);
  const empty = {
    connecting: why || 'Connecting …', connected: 'Waiting for the first frame …', reconnecting: why || 'Reconnecting …',
    generating: '', ended: 'The session is over.', failed: 'The session is over.', refused: 'There is no session.',
  };
  showEmpty(empty[state]);
  byId('full').hidden = over || !byId('result').srcObject || !byId('result').requestFullscreen;
}

/** What stands where the result will be; nothing for the result itself. */
export function showEmpty(words) {
  byId('resultEmpty').textContent = words;
  byId('resultEmpty').hidden = words === '';
}

// Credits are decimals of at most six digits. They are counted in millionths, so that 0.1 + 0.2 is 0.3.

const micros = (amount) => Math.round(Number(amount) * 1e6);

/** With as many digits as the price has, so that a ticking number keeps its width. */
function credits(amount, price) {
  const digits = (String(price / 1e6).split('.')[1] ?? '').length;
  return (amount / 1e6).toFixed(digits);
}

/** What a second costs, in words; empty if that is not known. */
export function priceWords(perSecond) {
  if (perSecond === null) return '';
  return micros(perSecond) === 0 ? 'free' : `${micros(perSecond) / 1e6} credits per second`;
}

/** A price that is not known is null. */
export function showBill({ seconds, perSecond, connections }) {
  number('seconds', String(seconds), 's', connections > 1 ? `over ${connections} connections` : 'while frames flow');
  if (perSecond === null) return number('credits', '–', '', 'price not known');
  const price = micros(perSecond);
  number('credits', credits(price * seconds, price), '', price === 0 ? 'free' : `${price / 1e6} per second`);
}

/** What was measured; nothing of it is made up, and what is null could not be measured. */
export function showMeasures({ endToEnd = null, roundTrip = null, received = null, sent = null }) {
  number('rate', whole(received), received === null ? '' : 'fps', sent === null ? '' : `${whole(sent)} sent`);
  const network = roundTrip === null ? null : roundTrip < 10 ? roundTrip.toFixed(1) : whole(roundTrip);
  if (endToEnd === null && network === null) {
    byId('latencyName').textContent = 'Latency';
    number('latency', '–', '', '');
  } else if (endToEnd === null) {
    byId('latencyName').textContent = 'Latency, network';
    number('latency', network, 'ms', 'round trip');
  } else {
    byId('latencyName').textContent = 'Latency, end to end';
    number('latency', whole(endToEnd), 'ms', network === null ? '' : `network ${network} ms`);
  }
}

const whole = (value) => (value === null ? '–' : String(Math.round(value)));

/** A number of the four, its unit, and what is below it. */
function number(id, value, unit, more) {
  const small = document.createElement('span');
  small.className = 'unit';
  small.textContent = unit ? ` ${unit}` : '';
  byId(id).replaceChildren(value, small);
  byId(`${id}More`).textContent = more || '\u00a0';
}

export function hideReceipt() {
  byId('receipt').hidden = true;
}

export function showReceiptComing() {
  byId('receiptPairs').replaceChildren();
  note('receiptNote', 'Asking for the receipt …');
  byId('receipt').hidden = false;
  byId('receipt').scrollIntoView({ block: 'nearest' });
}

/** The server's figures, which are right whether or not this page was told of the last second. */
export function showReceipts(receipts, { counted, perSecond }) {
  const sum = (of) => receipts.reduce((all, receipt) => all + of(receipt), 0);
  const seconds = sum((receipt) => receipt.seconds);
  const connections = sum((receipt) => receipt.connections.length);
  const { reason } = receipts.at(-1);
  pairs({
    Seconds: seconds,
    Credits: sum(({ credits: cost }) => micros(cost)) / 1e6,
    Connections: connections > 1 ? connections : null,
    Ended: reason ? reasonOf(reason) : null,
    Session: receipts.map(({ session }) => session).join(', '),
  });
  showBill({ seconds, perSecond, connections });
  byId('receipt').scrollIntoView({ block: 'nearest' });
  const differs = seconds === counted ? '' : ` This page had counted ${counted}.`;
  const isSettled = receipts.every(({ settled }) => settled);
  note('receiptNote', `${isSettled ? 'Settled: nothing more is charged.' : 'Not settled yet.'}${differs}`);
}

/** What this page knows by itself, where the server's figures cannot be had. */
export function showReceiptFailure(error, { counted, perSecond, session }) {
  const cost = perSecond === null ? null : micros(perSecond) * counted / 1e6;
  pairs({ Seconds: counted, Credits: cost, Session: session });
  const why = error.status === undefined ? 'The server could not be reached for the receipt.'
    : error.status === 404 ? 'The server keeps no receipt of it.' : `The receipt could not be read: ${error.message}.`;
  note('receiptNote', `${why} These are the seconds that this page counted.`);
}

function pairs(all) {
  byId('receiptPairs').replaceChildren(...Object.entries(all).filter(([, value]) => value !== null).map(([name, value]) => {
    const [pair, term, text] = ['div', 'dt', 'dd'].map((tag) => document.createElement(tag));
    term.textContent = name;
    text.textContent = value;
    pair.append(term, text);
    return pair;
  }));
}
