// Sends a camera or a test clip to a model, shows what comes back, and the bill. With `?watch=TOKEN` in its address it
// shows what another page's session generates instead.

import { readImage, change } from './look.js';
import { read, receipts } from './server.js';
import { Session } from './session.js';
import { Source, cameraOptions } from './source.js';
import * as view from './view.js';
import { byId, note, record } from './view.js';

/** The size, speed and price of a model that nothing is known of. */
const UNKNOWN_MODEL = { width: 1280, height: 704, fps: 25, creditsPerSecond: null };
/** The model that is chosen until another one is: the oldest name that clients ask for. */
const USUAL_MODEL = 'mirage';
const CHIPS = ['sketch', 'cartoon', 'invert', 'pixelate', 'warm', 'noir', 'neon', 'vintage', 'sunset', 'edges', 'blur'];
const NO_LOOK = 'Without either, the video comes back as it is.';
/** How long a frame's way counts for the latency that is shown, in milliseconds. */
const RECENT = 2000;

const viewing = new URLSearchParams(location.search).get('watch');
let session = null;

const key = () => byId('key').value.trim();

// Models.

let models = [];
let listed = Promise.resolve();
const modelName = () => (byId('model').hidden ? byId('modelName').value.trim() : byId('model').value);
const model = () => models.find(({ name }) => name === modelName()) ?? UNKNOWN_MODEL;

async function loadModels() {
  const before = modelName() || USUAL_MODEL;
  let failure = 'This server has no realtime models: see [realtime] in its configuration.';
  try {
    ({ models } = await read('/v1/realtime/models', key()));
  } catch (error) {
    models = [];
    failure = error.status === 401
      ? (key() ? 'The server lists no models for this key.' : 'This server wants an API key to list its models.')
      : `The models could not be listed: ${error.message}.`;
  }
  byId('model').replaceChildren(...models.map(({ name }) => new Option(name, name, false, name === before)));
  byId('model').hidden = models.length === 0;
  byId('modelName').hidden = models.length > 0;
  byId('modelLabel').htmlFor = models.length ? 'model' : 'modelName';
  aboutModel(models.length ? '' : `${failure} Write a name.`);
}

function aboutModel(failure = '') {
  const { width, height, fps, creditsPerSecond } = model();
  const facts = [`${width} × ${height}`, `${fps} frames per second`, view.priceWords(creditsPerSecond)];
  note('modelNote', failure || (model() === UNKNOWN_MODEL ? '\u00a0' : facts.join(', ')));
  byId('source').style.aspectRatio = byId('result').style.aspectRatio = `${width} / ${height}`;
  if (!session) showBill();
}

// The source.

const source = new Source({
  stopped: () => note('sourceNote', 'The camera stopped. Choose it again, or use the test clip.', true),
});
let ready = Promise.resolve();
/** How long frames of the clip were on their way, and when that was seen. */
let ages = [];

/** Changes the source, in the middle of a session too. */
function use(kind, device) {
  ready = open();
  return ready;

  async function open() {
    note('sourceNote', kind === 'camera' ? 'Asking for the camera …' : '');
    try {
      const track = await source.use(kind, model(), device);
      if (!track) return;
      ages = [];
      byId('source').srcObject = source.stream;
      byId('source').play().catch(() => {});
      note('sourceNote', '');
      await session?.replace(track);
      if (kind === 'camera') byId('cameras').replaceChildren(...await cameraOptions(track));
    } catch (error) {
      record(error.message);
      document.querySelector('input[name=source][value=clip]').checked = true;
      await use('clip');
      note('sourceNote', error.message, true);
    }
    byId('camerasLabel').hidden = source.kind !== 'camera' || byId('cameras').childElementCount < 2;
  }
}

// The prompt and the reference image.

let image = null;
const wanted = () => ({ prompt: byId('prompt').value.trim(), image });

async function choose(file) {
  if (!file) return;
  try {
    setImage(await readImage(file));
  } catch (error) {
    note('imageNote', error.message, true);
  }
}

function setImage(next) {
  image = next;
  if (image) byId('thumb').src = image.url;
  else byId('thumb').removeAttribute('src');
  byId('thumb').hidden = byId('clear').hidden = !image;
  byId('fileWord').textContent = image ? 'Another' : 'Choose a file';
  note('imageNote', image ? image.about : 'or paste one, or drop it here');
  edited();
}

/** Something of the look was edited and not applied. */
function edited() {
  const { prompt } = wanted();
  for (const chip of byId('chips').children) chip.setAttribute('aria-pressed', String(chip.textContent === prompt));
  if (isNew()) note('lookNote', 'Not applied yet.');
  byId('apply').disabled = !isNew();
}

const isNew = () => session !== null && change(session.asked, wanted()) !== null;

function apply() {
  if (!session) return note('lookNote', 'It holds from the start on.');
  if (!isNew()) return note('lookNote', 'It holds already.');
  record(`asked for: ${wanted().prompt || 'no prompt'}${image ? ', with an image' : ''}`);
  session.apply(wanted());
}

// The session.

function showBill() {
  if (viewing) return;
  view.showBill({
    seconds: session?.seconds ?? 0,
    perSecond: session ? session.perSecond : model().creditsPerSecond,
    connections: session?.ids.size ?? 0,
  });
}

async function start() {
  // A key that was entered this moment may open a list of models.
  await listed;
  await ready;
  if (session) return;
  if (!viewing && !modelName()) {
    byId('modelName').focus();
    note('modelNote', 'Which model? Write its name.', true);
    return;
  }
  const watched = viewing ? readLink(viewing) : null;
  if (viewing && !watched) {
    view.showState('refused', 'This link cannot be read. It may have been cut off; ask for it again.');
    return;
  }
  const of = new Session({
    key: key(), model: modelName(), asked: wanted(), source, watched,
    tell: (event, ...values) => { if (session === of) told[event](...values); },
  });
  // The price of a session is that of its beginning.
  of.perSecond = model().creditsPerSecond;
  session = of;
  ages = [];
  view.hideReceipt();
  running(true);
  showBill();
  const timer = setInterval(() => measure(of), 1000);
  await of.run();
  clearInterval(timer);
}

/** What a session tells. */
const told = {
  state(state, why) {
    if (view.isOver(state)) return over(state, why);
    view.showState(state, why);
    if (state === 'connecting' || state === 'reconnecting') view.showMeasures({});
  },
  opened({ sid, ip, port }) {
    if (viewing) return;
    const token = btoa(JSON.stringify({ sid, ip, port }));
    byId('share').value = `${location.origin}${location.pathname}?watch=${encodeURIComponent(token)}`;
    byId('shareBox').hidden = false;
    showBill();
  },
  ticked: showBill,
  look(words, isRefused = false) {
    note('lookNote', words, isRefused);
    if (isRefused) record(words);
    byId('apply').disabled = !isNew();
  },
  media(stream) {
    byId('result').srcObject = stream;
    byId('result').play().catch(() => {});
    byId('full').hidden = !byId('result').requestFullscreen;
  },
  said: (text) => record(`the server says: ${text}`),
};

function readLink(token) {
  try {
    const { sid, ip, port } = JSON.parse(atob(token.replace(/-/g, '+').replace(/_/g, '/')));
    return sid && ip && port ? { sid, ip, port } : null;
  } catch {
    return null;
  }
}

function over(state, why) {
  const of = session;
  byId('result').srcObject = null;
  byId('resultSize').textContent = '';
  byId('shareBox').hidden = true;
  byId('apply').disabled = true;
  note('lookNote', of.asked.prompt || of.asked.image ? 'It holds from the next start on.' : NO_LOOK);
  view.showMeasures({});
  showBill();
  session = null;
  running(false);
  view.showState(state, why);
  if (!viewing && of.ids.size) showReceipt(of);
}

async function showReceipt(of) {
  const known = { counted: of.seconds, perSecond: of.perSecond, session: [...of.ids].join(', ') };
  view.showReceiptComing();
  try {
    const all = await receipts(of.ids, of.key);
    if (!session) view.showReceipts(all, known);
  } catch (error) {
    if (!session) view.showReceiptFailure(error, known);
  }
}

function running(is) {
  byId('go').textContent = is ? (viewing ? 'Leave' : 'Stop') : (viewing ? 'Watch' : 'Start');
  byId('go').classList.toggle('stop', is);
  document.body.classList.toggle('running', is);
  for (const id of ['model', 'modelName', 'key']) byId(id).disabled = is;
}

// Measures.

async function measure(of) {
  const stats = await of.stats();
  if (!stats || session !== of) return;
  ages = ages.filter(({ at }) => performance.now() - at < RECENT);
  const sorted = ages.map(({ age }) => age).sort((a, b) => a - b);
  const endToEnd = sorted.length ? sorted[sorted.length >> 1] : null;
  view.showMeasures({ ...stats, endToEnd, sent: viewing ? null : stats.sent });
}

/** Reads from the frames of the clip that come back how long they were on their way. */
function watchStrip(now) {
  const video = byId('result');
  video.requestVideoFrameCallback(watchStrip);
  if (!session || viewing || source.kind !== 'clip' || now - (ages.at(-1)?.at ?? 0) < 100) return;
  const age = source.clip.age(video, now);
  if (age !== null) ages.push({ at: performance.now(), age });
}

// What people do.

byId('setup').onsubmit = (event) => {
  event.preventDefault();
  if (session) session.stop();
  else start();
};
byId('look').onsubmit = (event) => { event.preventDefault(); apply(); };
byId('prompt').oninput = edited;
byId('prompt').onkeydown = (event) => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); apply(); }
};
for (const words of CHIPS) {
  const chip = Object.assign(document.createElement('button'), { type: 'button', textContent: words });
  chip.setAttribute('aria-pressed', 'false');
  chip.onclick = () => {
    byId('prompt').value = byId('prompt').value.trim() === words ? '' : words;
    edited();
    apply();
  };
  byId('chips').append(chip);
}

byId('file').onchange = async ({ target }) => {
  await choose(target.files[0]);
  target.value = '';
};
byId('clear').onclick = () => { setImage(null); byId('file').focus(); };
const imageOf = (transfer) => [...(transfer?.files ?? [])].find(({ type }) => type.startsWith('image/'));
document.addEventListener('paste', (event) => {
  const file = imageOf(event.clipboardData);
  if (!file || viewing) return;
  event.preventDefault();
  choose(file);
});
// Anywhere on the page, since a browser leaves the page for a file that misses.
for (const name of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(name, (event) => {
    if (![...event.dataTransfer.types].includes('Files')) return;
    event.preventDefault();
    byId('drop').classList.toggle('over', name === 'dragover');
    if (name !== 'drop' || viewing) return;
    const file = imageOf(event.dataTransfer);
    if (file) choose(file);
    else note('imageNote', 'That is no image.', true);
  });
}

for (const input of document.querySelectorAll('input[name=source]')) input.onchange = () => use(input.value);
byId('cameras').onchange = ({ target }) => use('camera', target.value);
byId('model').onchange = () => { aboutModel(); use(source.kind); };
byId('modelName').oninput = () => note('modelNote', '\u00a0');
byId('key').onchange = () => {
  sessionStorage.setItem('dispatch.key', key());
  if (!viewing) listed = loadModels().then(() => (session ? null : use(source.kind)));
};
byId('copy').onclick = async () => {
  byId('share').select();
  const isCopied = await navigator.clipboard?.writeText(byId('share').value).then(() => true, () => false);
  note('shareNote', isCopied ? 'Copied.' : 'It is selected: copy it from there.');
};
// Who watches is not told when the first frame is there.
byId('result').onloadeddata = () => { if (viewing) view.showEmpty(''); };
byId('full').onclick = () => byId('result').requestFullscreen();
for (const id of ['source', 'result']) {
  byId(id).onresize = ({ target }) => {
    byId(`${id}Size`).textContent = target.videoWidth ? `${target.videoWidth} × ${target.videoHeight}` : '';
  };
}
addEventListener('online', () => session?.wake());
// The server notices in any case; this is sooner.
addEventListener('pagehide', () => session?.stop());

// A link may bring a key behind `#key=`, where it reaches no server; then it goes out of sight.
const given = new URLSearchParams(location.hash.slice(1)).get('key');
if (given !== null) history.replaceState(null, '', location.pathname + location.search);
byId('key').value = given ?? sessionStorage.getItem('dispatch.key') ?? '';
if (given) sessionStorage.setItem('dispatch.key', given);

if (byId('result').requestVideoFrameCallback) byId('result').requestVideoFrameCallback(watchStrip);
if (viewing) {
  document.body.classList.add('viewing');
  running(false);
  start();
} else {
  note('lookNote', NO_LOOK);
  listed = loadModels().then(() => use('clip'));
}
