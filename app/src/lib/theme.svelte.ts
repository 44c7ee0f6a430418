// Light or dark: as the system has it, unless somebody chose.

import { local } from "./storage";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const NAME = "dispatch.theme";

/** The grounds of tokens.css: browsers paint their own bars with it. */
const GROUNDS = { light: "#f7f7f5", dark: "#16181b" } as const;

export class ThemeSetting {
  #theme = $state<Theme>(read());

  constructor() {
    this.#apply();
    addEventListener("storage", ({ key }) => {
      if (key !== NAME && key !== null) return;
      this.#theme = read();
      this.#apply();
    });
  }

  get current(): Theme {
    return this.#theme;
  }

  set current(theme: Theme) {
    this.#theme = theme;
    if (theme === "system") local.remove(NAME);
    else local.set(NAME, theme);
    this.#apply();
  }

  /** Whether it is dark at the moment, whoever chose. */
  get isDark(): boolean {
    return this.#theme === "system" ? matchMedia("(prefers-color-scheme: dark)").matches : this.#theme === "dark";
  }

  #apply(): void {
    const root = document.documentElement;
    if (this.#theme === "system") delete root.dataset["theme"];
    else root.dataset["theme"] = this.#theme;
    for (const meta of document.querySelectorAll<HTMLMetaElement>("meta[name=theme-color]")) {
      const own = meta.getAttribute("media")?.includes("dark") ? "dark" : "light";
      meta.content = GROUNDS[this.#theme === "system" ? own : this.#theme];
    }
  }
}

function read(): Theme {
  const kept = local.get(NAME);
  return THEMES.find((theme) => theme === kept) ?? "system";
}

export const theme = new ThemeSetting();
