// What the list of a transcript shows: a row for each item, and more than one for a long text.

import type { Echo } from "../model/outbox.svelte.js";
import {
  type Batch,
  type Failure,
  type Item,
  type Note,
  type Prose,
  type Retry,
  type Said,
  type Thinking,
  type Turn,
} from "../model/items.js";
import { type Block, Document, isShort } from "./markdown/blocks.js";

interface Placed {
  /** The same for as long as it is shown. */
  readonly key: string;
  /** Where it begins in the log, as far as that is known. */
  readonly seq: number | undefined;
}

export type Row = Placed &
  (
    | { readonly kind: "said"; readonly item: Said; readonly isFirst: boolean }
    | { readonly kind: "echo"; readonly echo: Echo }
    /** A text; one that is long in pieces. */
    | { readonly kind: "text"; readonly item: Prose }
    | { readonly kind: "piece"; readonly blocks: readonly Block[]; readonly isFirst: boolean }
    | { readonly kind: "thinking"; readonly item: Thinking }
    | { readonly kind: "batch"; readonly item: Batch }
    | { readonly kind: "error"; readonly item: Failure }
    | { readonly kind: "retry"; readonly item: Retry }
    | { readonly kind: "note"; readonly item: Note }
    /** What a turn that is over took. */
    | { readonly kind: "end"; readonly turn: Turn }
    /** The turn works, and nothing else shows it. */
    | { readonly kind: "working" }
  );

/** The rows of a conversation. What has not changed since the last time gives the same objects. */
export class Rows {
  readonly #documents = new Map<string, Document>();
  readonly #ofItem = new WeakMap<Item, readonly Row[]>();
  readonly #ofTurn = new WeakMap<Turn, readonly Row[]>();
  readonly #ofPiece = new WeakMap<readonly Block[], Row>();

  ofTurns(turns: readonly Turn[], hasOlder: boolean): readonly Row[] {
    return turns.flatMap((turn, index) => (index === 0 && hasOlder ? this.#cut(turn) : this.ofTurn(turn)));
  }

  ofTurn(turn: Turn): readonly Row[] {
    const known = this.#ofTurn.get(turn);
    if (known) return known;
    const rows = turn.items.flatMap((item) => this.#rowsOf(item));
    if (turn.turnId !== undefined && turn.state !== "running") rows.push({ kind: "end", key: `${turn.id}/end`, seq: turn.lastSeq, turn });
    this.#ofTurn.set(turn, rows);
    return rows;
  }

  /** The document of a text, to which its next state is only an addition. */
  documentOf(item: Prose): Document {
    let document = this.#documents.get(item.id);
    if (!document) this.#documents.set(item.id, (document = new Document()));
    return document;
  }

  /** The first turn that was read, if it began before: results whose calls are not there yet wait for them. */
  #cut(turn: Turn): readonly Row[] {
    const first = turn.items[0];
    if (first?.kind !== "batch" || !first.calls.some(({ input }) => input === undefined)) return this.ofTurn(turn);
    return this.ofTurn(turn).filter((row) => row.key !== first.id);
  }

  #rowsOf(item: Item): readonly Row[] {
    const known = this.#ofItem.get(item);
    if (known) return known;
    const rows = this.#made(item);
    this.#ofItem.set(item, rows);
    return rows;
  }

  #piecesOf(item: Prose): readonly Row[] {
    const document = this.documentOf(item);
    document.update(item.text);
    return document.pieces.map((blocks, index) => {
      const known = this.#ofPiece.get(blocks);
      if (known) return known;
      const key = index === 0 ? item.id : `${item.id}:${index}`;
      const row: Row = { key, seq: item.seq, kind: "piece", blocks, isFirst: index === 0 };
      this.#ofPiece.set(blocks, row);
      return row;
    });
  }

  #made(item: Item): readonly Row[] {
    const placed = { key: item.id, seq: item.seq };
    switch (item.kind) {
      case "said":
        return [{ ...placed, kind: "said", item, isFirst: !item.isSteering }];
      case "text":
        // A short one is cut into blocks when it is shown.
        return isShort(item.text) ? [{ ...placed, kind: "text", item }] : this.#piecesOf(item);
      case "thinking":
        return [{ ...placed, kind: "thinking", item }];
      case "batch":
        return [{ ...placed, kind: "batch", item }];
      case "error":
        return [{ ...placed, kind: "error", item }];
      case "retry":
        return [{ ...placed, kind: "retry", item }];
      case "note":
        return [{ ...placed, kind: "note", item }];
    }
  }
}

/**
 * That a turn works, where nothing else says it: the model has the word, and is silent. It is never below something that
 * grows, which would push it down with each word.
 */
export function working(turn: Turn, isSilent: boolean): readonly Row[] {
  if (turn.state !== "running") return [];
  const last = turn.items.at(-1);
  const isShown = (last?.kind === "thinking" && last.since !== undefined) || last?.kind === "retry";
  const isRunning = last?.kind === "batch" && last.calls.some(({ since }) => since !== undefined);
  const isTelling = last?.kind === "text" && !isSilent;
  return isShown || isRunning || isTelling ? [] : [{ kind: "working", key: `${turn.id}/working`, seq: undefined }];
}

export function ofEchoes(echoes: readonly Echo[]): readonly Row[] {
  return echoes.map((echo) => ({ kind: "echo", key: `echo/${echo.messageId}`, seq: undefined, echo }));
}
