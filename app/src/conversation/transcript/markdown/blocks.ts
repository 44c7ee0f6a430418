// Markdown that grows: cut into blocks, of which only the last ones can still change.

import { Lexer, type Links, type Token, type Tokens } from "marked";
import { OPTIONS } from "./render.js";

export interface Block {
  /** As it was written. */
  readonly raw: string;
  /** A block of code at the top level; others are parts of what they stand in. */
  readonly code: { readonly text: string; readonly language: string } | undefined;
  /** The definitions of links that hold in it. */
  readonly links: Links;
}

/** The greatest length of texts that are shown as one piece. Longer ones are pieces of a list of which few are shown. */
const PIECE = 4_000;

/** How many of the last blocks that are shown are read again when the text has grown. */
const OPEN = 3;

interface Cut {
  readonly block: Block;
  /** Where it begins in the text. */
  readonly start: number;
  /** It is not shown: a definition, or nothing but white space. */
  readonly isSilent: boolean;
  /** The definitions in it. */
  readonly defines: Links | undefined;
}

export class Document {
  #text = "";
  #cuts: Cut[] = [];
  #links: Links = {};
  #blocks: readonly Block[] = [];
  #pieces: readonly (readonly Block[])[] = [];

  /** The blocks of the text. Those that have not changed since the last time are the same objects. */
  update(text: string): readonly Block[] {
    if (text === this.#text) return this.#blocks;
    if (!text.startsWith(this.#text)) this.#cuts = [];
    this.#text = text;
    const kept = this.#settled();
    const start = this.#cuts[kept]?.start ?? 0;
    const before = this.#cuts;
    const tokens: Token[] = new Lexer(OPTIONS).blockTokens(text.slice(start));
    let at = start;
    this.#cuts = before.slice(0, kept);
    for (const token of tokens) {
      this.#cuts.push(this.#cut(token, at, before[this.#cuts.length]));
      at += token.raw.length;
    }
    this.#relink();
    this.#blocks = this.#cuts.filter(({ isSilent }) => !isSilent).map(({ block }) => block);
    return this.#blocks;
  }

  /**
   * The blocks in pieces that are shown on their own. Those that have not changed since the last time are the same objects:
   * all but the last ones, when the text has grown.
   */
  get pieces(): readonly (readonly Block[])[] {
    const all: Block[][] = [];
    let length = Infinity;
    for (const block of this.#blocks) {
      if (length >= PIECE) {
        all.push([]);
        length = 0;
      }
      all.at(-1)!.push(block);
      length += block.raw.length;
    }
    const before = this.#pieces;
    const isSame = (piece: Block[], other: readonly Block[] | undefined): other is readonly Block[] =>
      other?.length === piece.length && piece.every((block, index) => block === other[index]);
    return (this.#pieces = all.map((piece, index) => (isSame(piece, before[index]) ? before[index] : piece)));
  }

  /**
   * How many cuts cannot change any more. The last block grows; and what looks like one of its own can turn out to be a part
   * of the one before it, or of the one before that: `2` becomes `2.`, which goes on with a list.
   */
  #settled(): number {
    let open = OPEN;
    let index = this.#cuts.length;
    while (index > 0 && open > 0) {
      index -= 1;
      if (this.#cuts[index]!.block.raw.trim() !== "") open -= 1;
    }
    return index;
  }

  #cut(token: Token, start: number, before: Cut | undefined): Cut {
    const { raw } = token;
    const isSilent = token.type === "space" || token.type === "def";
    if (before?.start === start && before.block.raw === raw) return before;
    const block = { raw, code: codeOf(token), links: this.#links };
    return { block, start, isSilent, defines: definitionsIn(raw) };
  }

  /** Blocks that may refer to a definition are made anew when there is another one. */
  #relink(): void {
    // The first definition of a name holds.
    const links = Object.assign({}, ...this.#cuts.map(({ defines }) => defines).reverse()) as Links;
    if (!isSame(links, this.#links)) this.#links = links;
    for (const [index, cut] of this.#cuts.entries()) {
      const { block } = cut;
      if (block.links === this.#links || block.code || !block.raw.includes("[")) continue;
      this.#cuts[index] = { ...cut, block: { ...block, links: this.#links } };
    }
  }
}

/** Whether it can only be one piece. */
export function isShort(text: string): boolean {
  return text.length < PIECE;
}

function codeOf(token: Token): Block["code"] {
  if (token.type !== "code") return undefined;
  const { text, lang } = token as Tokens.Code;
  return { text, language: languageOf(lang) };
}

/** The first word after the fence. */
function languageOf(info: string | undefined): string {
  return /^\s*([\w+#.-]+)/.exec(info ?? "")?.[1]?.toLowerCase() ?? "";
}

function definitionsIn(raw: string): Links | undefined {
  if (!raw.includes("]:")) return undefined;
  const lexer = new Lexer(OPTIONS);
  lexer.blockTokens(raw);
  return lexer.tokens.links;
}

function isSame(one: Links, other: Links): boolean {
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => one[name]?.href === other[name]?.href && one[name]?.title === other[name]?.title);
}
