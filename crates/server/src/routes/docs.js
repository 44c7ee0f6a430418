'use strict';
// Makes a page of an OpenAPI or an AsyncAPI document of this server. Text goes in as text, never as HTML.

const socket = location.pathname.endsWith('/websocket');
const source = socket ? '/asyncapi.json' : '/openapi.json';
const byId = (id) => document.getElementById(id);

/** An element with a class and children: elements, or text. */
function make(tag, name, ...children) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ''));
  return element;
}

/** Text with `code` in it. */
function inline(text) {
  return text.split('`').map((part, index) => (index % 2 ? make('code', '', part) : part));
}

/** Paragraphs, and blocks of code between fences. */
function prose(text, name) {
  const parts = text.split(/```\w*\n([\s\S]*?)\n?```/).map((part, index) => {
    if (index % 2) return [make('pre', '', part)];
    return part.split('\n\n').filter((paragraph) => paragraph.trim()).map((paragraph) => make('p', '', ...inline(paragraph)));
  });
  return make('div', name || '', ...parts.flat());
}

function link(href, text) {
  const element = make('a', '', text);
  element.href = href;
  return element;
}

let root;

function resolve(schema) {
  const path = schema && schema.$ref;
  return path ? path.slice(2).split('/').reduce((at, part) => at && at[part.replace(/~1/g, '/').replace(/~0/g, '~')], root) : schema;
}

/** A schema in a few words. */
function words(schema) {
  if (schema === true || !schema) return 'any';
  if (schema.$ref) return schema.$ref.split('/').pop();
  if (schema.allOf) return schema.allOf.map(words).join(' + ');
  const choices = schema.oneOf || schema.anyOf;
  if (choices) {
    const all = [...new Set(choices.map((choice) => choice.title || words(choice)))];
    return all.length > 6 ? `one of ${all.length}` : all.join(' | ');
  }
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  if (schema.type === 'array') return `${words(schema.items)}[]`;
  if (Array.isArray(schema.type)) return schema.type.join(' | ');
  if (schema.type === 'object' && schema.additionalProperties) return `{ name: ${words(schema.additionalProperties)} }`;
  return schema.type || 'any';
}

/** Whether there is more to say of a schema than its words. */
function hasMore(schema) {
  const known = resolve(schema);
  if (!known || typeof known !== 'object') return false;
  if (known.properties || known.allOf || known.oneOf || known.anyOf) return true;
  return [known.items, known.additionalProperties].some((inner) => inner && hasMore(inner));
}

/** Closed until somebody wants to see it, and made only then: types may contain themselves. */
function folded(title, content) {
  const details = make('details', 'schema', make('summary', '', title));
  details.addEventListener('toggle', () => details.childElementCount === 1 && details.append(content()), { once: true });
  return details;
}

/** The same, for what a schema has in it. */
function inside(schema) {
  const known = resolve(schema);
  return folded(known.oneOf || known.anyOf ? 'choices' : 'fields', () => shape(schema));
}

function field(name, schema, required) {
  const known = resolve(schema) || {};
  const about = schema.description || known.description;
  const item = make('li', '',
    make('span', 'name', make('code', '', name)), ' ', make('span', 'type', words(schema)), ' ',
    required ? make('span', 'must', 'required') : null,
    about ? prose(about, 'about') : null);
  if (hasMore(schema)) item.append(inside(schema));
  return item;
}

/** The fields of a schema and of all that it consists of; null if it has others than fields. */
function fieldsOf(schema) {
  const known = resolve(schema);
  const parts = (known.allOf || []).map(fieldsOf);
  if (parts.includes(null) || !(known.properties || known.allOf)) return null;
  const required = known.required || [];
  const own = Object.entries(known.properties || {}).map(([name, inner]) => ({ name, inner, must: required.includes(name) }));
  return own.concat(...parts);
}

/** A schema as a list of fields, or of choices. */
function shape(schema) {
  const known = resolve(schema);
  const fields = fieldsOf(known);
  if (fields) {
    // What says which kind of thing it is comes first, then what has to be there.
    const rank = ({ name, must }) => (name === 'type' ? 0 : must ? 1 : 2);
    fields.sort((a, b) => rank(a) - rank(b));
    return make('ul', 'fields', ...fields.map(({ name, inner, must }) => field(name, inner, must)));
  }
  if (known.allOf) return make('div', '', ...known.allOf.map(shape));
  const choices = known.oneOf || known.anyOf;
  if (choices) {
    return make('ul', 'fields', ...choices.map((choice) => {
      const inner = resolve(choice);
      const kind = inner.properties && inner.properties.type && inner.properties.type.const;
      const title = kind || inner.title || words(choice);
      const about = choice.description || inner.description;
      const item = make('li', '', make('span', 'name', make('code', '', title)), about ? prose(about, 'about') : null);
      if (hasMore(choice)) item.append(inside(choice));
      return item;
    }));
  }
  const inner = known.items || known.additionalProperties;
  return inner && hasMore(inner) ? shape(inner) : make('p', 'type', words(known));
}

function body(title, type, schema) {
  const parts = [make('h4', '', title), make('p', '', make('span', 'type', `${type}: ${words(schema)}`))];
  if (hasMore(schema)) parts.push(inside(schema));
  return parts;
}

function operation(path, method, described) {
  const call = make('div', 'call', make('span', `method ${method}`, method), make('span', 'path', path));
  const article = make('article', '', make('h3', '', link(`#${described.operationId}`, described.summary)), call);
  article.id = described.operationId;
  if (described.description) article.append(prose(described.description));
  if (described.security && described.security.length === 0) article.append(make('p', 'soft', 'Needs no key.'));
  const parameters = described.parameters || [];
  if (parameters.length) {
    article.append(make('h4', '', 'Parameters'), make('ul', 'fields', ...parameters.map((parameter) => make('li', '',
      make('span', 'name', make('code', '', parameter.name)), ' ',
      make('span', 'type', `${words(parameter.schema)}, ${parameter.in}`), ' ',
      parameter.required ? make('span', 'must', 'required') : null,
      prose(parameter.description, 'about')))));
  }
  if (described.requestBody) {
    for (const [type, content] of Object.entries(described.requestBody.content)) {
      article.append(...body(described.requestBody.required ? 'Body' : 'Body, optional', type, content.schema));
    }
  }
  const answers = Object.entries(described.responses);
  for (const [status, answer] of answers.filter(([, answer]) => !answer['x-error-codes'])) {
    for (const [type, content] of Object.entries(answer.content || {})) {
      article.append(...body(`${status}: ${answer.description}`, type, content.schema));
    }
  }
  const failures = answers.filter(([, answer]) => answer['x-error-codes']);
  article.append(folded('errors', () => make('ul', 'fields', ...failures.map(([status, answer]) =>
    make('li', '', make('span', 'name', status), prose(answer.description, 'about'))))));
  for (const sample of described['x-codeSamples'] || []) {
    article.append(make('h4', '', sample.label), make('pre', '', sample.source.replace('http://127.0.0.1:24203', location.origin)));
  }
  return {
    element: article,
    id: described.operationId,
    title: described.summary,
    text: `${method} ${path} ${described.summary} ${described.operationId} ${described.description || ''}`,
  };
}

const byPosition = (a, b) => a['x-position'] - b['x-position'];

/** What the HTTP document has, by its groups. */
function http() {
  const all = Object.entries(root.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({ path, method, described })));
  all.sort((a, b) => byPosition(a.described, b.described));
  return root.tags.map((tag) => ({
    title: tag.name,
    about: tag.description,
    entries: all.filter(({ described }) => described.tags.includes(tag.name))
      .map(({ path, method, described }) => operation(path, method, described)),
  }));
}

function frame(name, action) {
  const message = root.components.messages[name];
  const way = action === 'receive' ? 'client → server' : 'server → client';
  const article = make('article', '', make('h3', '', link(`#${name}`, name)),
    make('div', 'call', make('span', `method ${action}`, way)), prose(message.summary));
  article.id = name;
  if (message.description) article.append(prose(message.description));
  if (message['x-answers'].length) {
    const label = action === 'receive' ? 'Answered with ' : 'Answers ';
    const links = message['x-answers'].flatMap((other, index) => [index ? ', ' : '', link(`#${other}`, other)]);
    article.append(make('p', 'soft', label, ...links.filter((part) => part !== '')));
  }
  article.append(make('h4', '', 'Fields'), shape(message.payload));
  for (const example of message.examples) {
    article.append(make('h4', '', 'Example'), make('pre', '', JSON.stringify(example.payload, null, 2)));
  }
  return { element: article, id: name, title: name, text: `${name} ${message.summary} ${message.description}` };
}

/** What the WebSocket document has: both directions, and the ends. */
function frames() {
  const of = (action) => Object.values(root.operations)
    .filter((described) => described.action === action).sort(byPosition).map(({ title }) => frame(title, action));
  const closes = root.channels.socket['x-close-codes'].map(({ code, description }) => {
    const article = make('article', '', make('h3', '', String(code)), prose(description));
    article.id = `close-${code}`;
    return { element: article, id: article.id, title: String(code), text: `close ${code} ${description}` };
  });
  return [
    { title: 'From the client', about: 'Frames that a client sends.', entries: of('receive') },
    { title: 'From the server', about: 'Frames that a client gets.', entries: of('send') },
    { title: 'Close codes', about: 'How a socket ends, as its client sees it.', entries: closes },
  ];
}

function show() {
  const groups = (socket ? frames() : http()).filter((group) => group.entries.length);
  const main = byId('main');
  const intro = make('section', '', make('h1', '', root.info.title), prose(root.info.description));
  main.replaceChildren(intro);
  for (const group of groups) {
    group.element = make('section', '', make('h2', '', group.title), prose(group.about, 'soft'), ...group.entries.map((entry) => entry.element));
    main.append(group.element);
    const items = group.entries.map((entry) => {
      entry.item = make('li', '', link(`#${entry.id}`, entry.title));
      return entry.item;
    });
    group.item = make('li', '', make('b', '', group.title), make('ul', '', ...items));
    byId('list').append(group.item);
  }
  const nothing = make('p', 'soft', 'Nothing has all of these words.');
  nothing.hidden = true;
  main.append(nothing);
  const filter = () => {
    const wanted = byId('filter').value.toLowerCase().split(/\s+/).filter(Boolean);
    intro.hidden = wanted.length > 0;
    let any = false;
    for (const group of groups) {
      let some = false;
      for (const entry of group.entries) {
        const text = `${group.title} ${entry.text}`.toLowerCase();
        const fits = wanted.every((word) => text.includes(word));
        entry.element.hidden = entry.item.hidden = !fits;
        some = some || fits;
      }
      group.element.hidden = group.item.hidden = !some;
      any = any || some;
    }
    nothing.hidden = any;
  };
  byId('filter').addEventListener('input', filter);
  // What the address names is here only now.
  const named = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
  if (named) named.scrollIntoView();
}

async function start() {
  byId('raw').href = source;
  for (const one of document.querySelectorAll('header nav a')) {
    if (one.pathname === location.pathname) one.setAttribute('aria-current', 'page');
  }
  if (matchMedia('(max-width: 58rem)').matches) byId('contents').open = false;
  try {
    const answer = await fetch(source);
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    root = await answer.json();
    document.title = root.info.title === 'Dispatch' ? 'Dispatch: the API' : root.info.title;
    show();
  } catch (error) {
    byId('state').textContent = `${source} cannot be shown: ${error.message}`;
  }
}

start();
