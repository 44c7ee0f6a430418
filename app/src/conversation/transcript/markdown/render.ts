// The HTML of a block of markdown. HTML that stands in the text is shown as text; what is left is sanitised all the same.

import DOMPurify from "dompurify";
import { Lexer, type Links, type MarkedOptions, Parser, Renderer, type Tokens } from "marked";

/** Images of other hosts that somebody asked to see. */
const shown = new Set<string>();

/** What the renderer makes. Nothing else comes through. */
const ALLOWED = {
  ALLOWED_TAGS: [
    ..."a blockquote br button code del div em figcaption figure h2 h3 h4 h5 h6 hr img li ol p pre span strong".split(" "),
    ..."table tbody td th thead tr ul".split(" "),
  ],
  ALLOWED_ATTR: [
    ..."align alt aria-label class data-copy data-image href referrerpolicy rel role src start tabindex target".split(" "),
    ..."title type".split(" "),
  ],
  /** Those that are no addresses. */
  ADD_URI_SAFE_ATTR: "align aria-label data-copy referrerpolicy rel start tabindex target type".split(" "),
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|jpeg|gif|webp);base64,)/i,
};

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}

class Html extends Renderer {
  override heading({ tokens, depth }: Tokens.Heading): string {
    // The page has the first level.
    const level = Math.min(6, depth + 1);
    return `<h${level}>${this.parser.parseInline(tokens)}</h${level}>\n`;
  }

  override html({ text, block }: Tokens.HTML | Tokens.Tag): string {
    return block ? `<p>${escaped(text.trim())}</p>\n` : escaped(text);
  }

  override code({ text, lang }: Tokens.Code): string {
    const language = /^[\w+#.-]*/.exec(lang ?? "")?.[0] ?? "";
    return (
      `<figure class="code"><figcaption><span>${escaped(language || "text")}</span>` +
      `<button type="button" data-copy="">Copy</button></figcaption>` +
      `<pre tabindex="0"><code>${escaped(text)}</code></pre></figure>\n`
    );
  }

  override table(token: Tokens.Table): string {
    return `<div class="table" tabindex="0" role="group" aria-label="Table">${super.table(token)}</div>`;
  }

  override checkbox({ checked }: Tokens.Checkbox): string {
    const [mark, words] = checked ? ["☑", "Done: "] : ["☐", "To do: "];
    return `<span class="box">${mark}<span class="unseen">${words}</span></span> `;
  }

  override link({ href, title, tokens }: Tokens.Link): string {
    const text = this.parser.parseInline(tokens);
    if (!/^(https?:|mailto:)/i.test(href)) return `<span class="reference">${text}</span>`;
    const more = title ? ` title="${escaped(title)}"` : "";
    return `<a href="${escaped(href)}"${more} target="_blank" rel="noopener noreferrer nofollow">${text}</a>`;
  }

  override image({ href, text }: Tokens.Image): string {
    return imageOf(href, text);
  }
}

/** An image of another host is one that tells it who reads: it is shown when somebody asks. */
function imageOf(href: string, text: string): string {
  const alt = escaped(text);
  if (/^data:image\/(?:png|jpeg|gif|webp);base64,/i.test(href) || shown.has(href)) {
    return `<img src="${escaped(href)}" alt="${alt}" referrerpolicy="no-referrer">`;
  }
  const host = URL.canParse(href) ? new URL(href) : undefined;
  if (host?.protocol !== "https:") return alt || escaped(href);
  return (
    `<button type="button" class="image" data-image="${escaped(href)}" title="${escaped(href)}">` +
    `Show the image${alt && ` “${alt}”`} from ${escaped(host.host)}</button>`
  );
}

export const OPTIONS: MarkedOptions = { gfm: true, breaks: false, renderer: new Html() };

// Once: it is a lot of work, and there are blocks in every frame.
DOMPurify.setConfig(ALLOWED);

/** The HTML of a block, with the definitions of links that hold in it. */
export function htmlOf(raw: string, links: Links): string {
  return DOMPurify.sanitize(markupOf(raw, links));
}

/** The same as the renderer makes it: there should be nothing in it to be taken out. */
export function markupOf(raw: string, links: Links): string {
  const lexer = new Lexer(OPTIONS);
  Object.assign(lexer.tokens.links, links);
  return new Parser(OPTIONS).parse(lexer.lex(raw));
}

/** Somebody asked to see it: from now on it is shown. */
export function show(image: string): void {
  shown.add(image);
}
