// What can be done everywhere.

import type { ConversationMeta } from "@dispatch/client";
import type { Command } from "../lib/commands.svelte";
import { conversations } from "../lib/conversations.svelte";
import { dialogs } from "../lib/dialogs.svelte";
import { type Route, router } from "../lib/router.svelte";
import { server } from "../lib/server.svelte";
import { tabs } from "../lib/tabs.svelte";
import { type Theme, theme } from "../lib/theme.svelte";
import { canReopen, close, closeTab, deleting, reopen, show } from "./actions.svelte";

/** What only the shell's own parts can do. */
export interface Hands {
  readonly toggleSidebar: () => unknown;
  readonly search: () => void;
  readonly write: () => void;
}

export function shellCommands({ toggleSidebar, search, write }: Hands): readonly Command[] {
  const go = (route: Route) => () => router.go(route);
  const isListed = () => listed() !== undefined;
  const isOpen = () => isListed() && listed()?.status !== "closed";
  return [
    ...group("Conversations", [
      { id: "new", title: "New conversation", keys: "Mod+Shift+O", words: "chat start begin", run: go({ view: "new" }) },
      { id: "search", title: "Search conversations", keys: "G C", words: "list find", run: search },
    ]),
    ...group("Conversation", [
      { id: "write", title: "Write a message", keys: "/", words: "composer focus", when: isWritten, run: write },
      { id: "close", title: "Close this conversation", words: "archive finish", when: isOpen, run: () => withMeta(close) },
      {
        id: "reopen",
        title: "Open this conversation again",
        words: "reopen unarchive",
        when: isClosed,
        run: () => withMeta(reopen),
      },
      {
        id: "delete",
        title: "Delete this conversation",
        words: "remove",
        when: isListed,
        run: () => withMeta((meta) => deleting.ask(meta)),
      },
    ]),
    ...group("Go to", [
      { id: "go.realtime", title: "Realtime", keys: "G R", words: "video camera", run: go({ view: "realtime" }) },
      { id: "go.usage", title: "Usage", keys: "G U", words: "tokens credits cost plots", run: go({ view: "usage" }) },
      { id: "go.keys", title: "Keys", keys: "G K", words: "api secret balance tokens", run: go({ view: "keys" }) },
      { id: "go.settings", title: "Settings", keys: "G S", words: "theme system prompt", run: go({ view: "settings" }) },
    ]),
    ...group("Tabs", [
      { id: "tab.next", title: "Next tab", keys: "Alt+PageDown", when: hasTabs, run: () => toTab(1) },
      { id: "tab.previous", title: "Previous tab", keys: "Alt+PageUp", when: hasTabs, run: () => toTab(-1) },
      { id: "tab.close", title: "Close the tab", keys: "Alt+W", when: isConversation, run: () => withId(closeTab) },
      { id: "tab.left", title: "Move the tab to the left", when: isConversation, run: () => withId((id) => tabs.move(id, -1)) },
      { id: "tab.right", title: "Move the tab to the right", when: isConversation, run: () => withId((id) => tabs.move(id, 1)) },
    ]),
    ...group("App", [
      { id: "sidebar", title: "Show or hide the sidebar", keys: "Mod+B", run: toggleSidebar },
      { id: "palette", title: "Show all commands", keys: "Mod+K", run: () => dialogs.show("palette") },
      {
        id: "shortcuts",
        title: "Show the keyboard shortcuts",
        keys: "Shift+?",
        words: "help keys",
        run: () => dialogs.show("shortcuts"),
      },
      themed("light", "Use the light theme"),
      themed("dark", "Use the dark theme"),
      themed("system", "Use the theme of the system"),
      { id: "key", title: "Enter a key", words: "sign in log in password secret", run: () => dialogs.show("key") },
      {
        id: "retry",
        title: "Connect now",
        words: "offline reconnect",
        when: () => server.link.state === "waiting" || server.link.state === "refused",
        run: () => server.workspace.retry(),
      },
    ]),
  ];
}

type Ungrouped = Omit<Command, "group">;

function group(name: string, commands: readonly Ungrouped[]): readonly Command[] {
  return commands.map((command) => ({ ...command, group: name }));
}

function themed(name: Theme, title: string): Ungrouped {
  const run = () => (theme.current = name);
  return { id: `theme.${name}`, title, words: "colour appearance", when: () => theme.current !== name, run };
}

function shownId(): string | undefined {
  return router.route.view === "conversation" ? router.route.id : undefined;
}

function isWritten(): boolean {
  return router.route.view === "new" || isConversation();
}

function isConversation(): boolean {
  return shownId() !== undefined;
}

function listed(): ConversationMeta | undefined {
  return conversations.get(shownId() ?? "");
}

function isClosed(): boolean {
  const meta = listed();
  return meta !== undefined && canReopen(meta);
}

function hasTabs(): boolean {
  return tabs.ids.length > 0;
}

function withId(act: (id: string) => void): void {
  const id = shownId();
  if (id !== undefined) act(id);
}

function withMeta(act: (meta: ConversationMeta) => unknown): void {
  const meta = listed();
  if (meta) act(meta);
}

function toTab(by: 1 | -1): void {
  const next = tabs.beside(shownId(), by);
  if (next !== undefined) show(next);
}
