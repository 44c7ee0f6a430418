// What the palette offers: commands and conversations, the best first.

import type { ConversationMeta } from "@dispatch/client";
import type { Command } from "../lib/commands.svelte";
import { titleOf } from "../lib/conversations.svelte";
import { find } from "../lib/search";

interface Offer {
  /** Unique. */
  readonly id: string;
  readonly title: string;
  /** What kind of thing it is. */
  readonly group: string;
  /** Which letters of the title were looked for. */
  readonly at: readonly number[];
}

export type Choice = Offer &
  (
    | { readonly kind: "command"; readonly command: Command }
    | { readonly kind: "conversation"; readonly meta: ConversationMeta }
  );

/** How many conversations are offered before anything is looked for, and how many choices at most. */
const RECENT = 5;
const MOST = 50;

/** Words that a command is found by, but that are not seen, count for less. */
const UNSEEN = 6;

export function offered(
  query: string,
  commands: readonly Command[],
  conversations: readonly ConversationMeta[],
): readonly Choice[] {
  const doable = commands.filter(({ id }) => id !== "palette");
  if (!query.trim()) {
    const recent = conversations.slice(0, RECENT).map((meta) => ofMeta(meta));
    return [...recent, ...doable.map((command) => ofCommand(command))];
  }
  const scored = [
    ...doable.flatMap((command) => {
      const found = find(query, command.title);
      if (found) return [{ score: found.score + 1, choice: ofCommand(command, found.at) }];
      const beside = find(query, `${command.title} ${command.group} ${command.words ?? ""}`);
      return beside ? [{ score: beside.score - UNSEEN, choice: ofCommand(command) }] : [];
    }),
    ...conversations.flatMap((meta) => {
      const found = find(query, titleOf(meta));
      if (found) return [{ score: found.score, choice: ofMeta(meta, found.at) }];
      return meta.id.startsWith(query.trim()) ? [{ score: 0, choice: ofMeta(meta) }] : [];
    }),
  ];
  return scored
    .sort((a, b) => b.score - a.score)
    .slice(0, MOST)
    .map(({ choice }) => choice);
}

export interface Piece {
  readonly text: string;
  readonly isFound: boolean;
}

/** A text in pieces: those that were found, and what is between them. */
export function pieces(text: string, at: readonly number[]): readonly Piece[] {
  const found = new Set(at);
  const all: { text: string; isFound: boolean }[] = [];
  for (let index = 0; index < text.length; index += 1) {
    const isFound = found.has(index);
    const last = all.at(-1);
    if (last?.isFound === isFound) last.text += text[index];
    else all.push({ text: text[index]!, isFound });
  }
  return all;
}

function ofCommand(command: Command, at: readonly number[] = []): Choice {
  return { kind: "command", command, id: `command ${command.id}`, title: command.title, group: command.group, at };
}

function ofMeta(meta: ConversationMeta, at: readonly number[] = []): Choice {
  return { kind: "conversation", meta, id: `conversation ${meta.id}`, title: titleOf(meta), group: "Conversation", at };
}
