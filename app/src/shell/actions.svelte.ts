// What can be done with a conversation from the shell, and the questions that are asked before.

import type { ConversationMeta } from "@dispatch/client";
import { copy } from "../lib/clipboard";
import { conversations, titleOf } from "../lib/conversations.svelte";
import { router } from "../lib/router.svelte";
import { tabs } from "../lib/tabs.svelte";
import { toasts } from "../lib/toasts.svelte";
import type { MenuItem } from "../ui/Menu.svelte";

class Question {
  #about = $state.raw<ConversationMeta>();

  /** The conversation that is asked about. */
  get about(): ConversationMeta | undefined {
    return this.#about;
  }

  ask(about: ConversationMeta): void {
    this.#about = about;
  }

  done(): void {
    this.#about = undefined;
  }
}

/** Which conversation is to have another title. */
export const renaming = new Question();

/** Which conversation is to be deleted. */
export const deleting = new Question();

/** What the menu of an entry of the list offers. */
export function menuOf(meta: ConversationMeta): readonly MenuItem[] {
  return [
    { label: "Rename", icon: "edit", run: () => renaming.ask(meta) },
    ...(meta.status !== "closed" ? [{ label: "Close", icon: "archive", run: () => void close(meta) } as const] : []),
    ...(canReopen(meta) ? [{ label: "Open again", icon: "chat", run: () => void reopen(meta) } as const] : []),
    { label: "Copy id", icon: "copy", run: () => void copyId(meta.id) },
    { label: "Delete", icon: "trash", danger: true, run: () => deleting.ask(meta) },
  ];
}

/** Goes to a conversation. */
export function show(id: string): void {
  router.go({ view: "conversation", id });
}

/** Closes a tab. If it is the one that is looked at, its neighbour is shown. */
export function closeTab(id: string): void {
  const next = tabs.close(id);
  if (router.route.view !== "conversation" || router.route.id !== id) return;
  router.go(next === undefined ? { view: "new" } : { view: "conversation", id: next });
}

/** Closes a conversation, and its tab. */
export async function close(meta: ConversationMeta): Promise<void> {
  try {
    await conversations.close(meta.id);
    closeTab(meta.id);
    toasts.say(`Closed “${titleOf(meta)}”.`, { action: { label: "Open again", run: () => void reopen(meta) } });
  } catch (error) {
    toasts.fail(error, "close the conversation");
  }
}

/** An archive stays closed: what was said in it is summarised elsewhere, and goes on there. */
export function canReopen({ id, status }: ConversationMeta): boolean {
  return status === "closed" && !conversations.isArchive(id);
}

/** Opens a closed conversation again, and goes to it. */
export async function reopen(meta: ConversationMeta): Promise<void> {
  try {
    await conversations.reopen(meta.id);
    show(meta.id);
  } catch (error) {
    toasts.fail(error, "open the conversation again");
  }
}

async function copyId(id: string): Promise<void> {
  if (await copy(id)) toasts.say("Copied the id.", { tone: "good" });
  else toasts.say(`The browser does not allow copying. The id is ${id}`, { tone: "warn" });
}
