import { beforeEach, expect, test } from "vitest";
import { remembered } from "./focus";

beforeEach(() => {
  document.body.innerHTML = `
    <main tabindex="-1">
      <ul>
        <li><button tabindex="-1">More</button><a href="/1" tabindex="-1">One</a></li>
        <li><a href="/2" tabindex="0">Two</a></li>
      </ul>
      <button>Beside</button>
    </main>`;
});

const all = () => [...document.querySelectorAll<HTMLElement>("a, button")];
const named = (text: string) => all().find(({ textContent }) => textContent === text)!;
const focused = () => document.activeElement?.textContent?.trim();

/** The focus is on that; then something happens, and it is given back. */
function after(text: string, happens: () => void): void {
  named(text).focus();
  const back = remembered();
  (document.activeElement as HTMLElement).blur();
  happens();
  back();
}

test("what had the focus has it again", () => {
  after("More", () => undefined);
  expect(focused()).toBe("More");
});

test("where that is gone, what Tab comes to beside it has it", () => {
  after("One", () => named("One").closest("li")?.remove());
  expect(focused()).toBe("Two");
});

test("where nothing is left beside it, the view has it", () => {
  after("One", () => document.querySelector("ul")?.replaceChildren());
  expect(document.activeElement?.tagName).toBe("MAIN");
});

test("who has it by then keeps it", () => {
  after("More", () => named("Beside").focus());
  expect(focused()).toBe("Beside");
});
