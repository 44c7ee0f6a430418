import { afterEach, describe, expect, it, vi } from "vitest";
import { copy } from "./clipboard";

afterEach(() => {
  vi.unstubAllGlobals();
  Reflect.deleteProperty(document, "execCommand");
  document.body.replaceChildren();
});

/** A browser that copies what is selected, or does not. What is selected then is remembered. */
function copiesSelected(works: boolean): string[] {
  const selected: string[] = [];
  const execCommand = () => {
    selected.push((document.activeElement?.closest("dialog") ?? document.body).querySelector("textarea")!.value);
    return works;
  };
  Object.assign(document, { execCommand });
  return selected;
}

describe("copying", () => {
  it("gives the text to the clipboard", async () => {
    const writeText = vi.fn(async () => {});
    vi.stubGlobal("navigator", { clipboard: { writeText } });
    expect(await copy("a text")).toBe(true);
    expect(writeText).toHaveBeenCalledWith("a text");
  });

  it("works where pages have no clipboard, or must not use it", async () => {
    for (const clipboard of [undefined, { writeText: () => Promise.reject(new Error("no")) }]) {
      vi.stubGlobal("navigator", { clipboard });
      const selected = copiesSelected(true);
      expect(await copy("a text")).toBe(true);
      expect(selected).toEqual(["a text"]);
      expect(document.querySelector("textarea")).toBeNull();
    }
  });

  it("selects within the dialog that has the focus, and gives the focus back", async () => {
    vi.stubGlobal("navigator", {});
    document.body.innerHTML = "<dialog open><button>Copy</button></dialog>";
    const button = document.querySelector("button")!;
    button.focus();
    const selected = copiesSelected(true);
    expect(await copy("a text")).toBe(true);
    expect([selected, document.activeElement]).toEqual([["a text"], button]);
  });

  it("says that it did not work", async () => {
    vi.stubGlobal("navigator", {});
    copiesSelected(false);
    expect(await copy("a text")).toBe(false);
    expect(document.querySelector("textarea")).toBeNull();
  });
});
