import { describe, expect, test } from "vitest";
import { Document } from "./blocks.js";
import { markupOf, show } from "./render.js";
import { FORBIDDEN, VECTORS } from "./testing/vectors.js";

const html = (text: string) =>
  new Document()
    .update(text)
    .map(({ raw, links }) => markupOf(raw, links))
    .join("");

function page(text: string): HTMLElement {
  const element = document.createElement("div");
  element.innerHTML = html(text);
  return element;
}

describe("what a model writes", () => {
  test.each(VECTORS)("can do nothing: %j", (text) => {
    const within = page(text);
    expect(within.querySelectorAll(FORBIDDEN)).toHaveLength(0);
    for (const element of within.querySelectorAll("*")) {
      for (const { name, value } of element.attributes) {
        expect(name).not.toMatch(/^on|^style$|^srcdoc$|^formaction$|^id$|^name$/);
        if (/^(href|src|data-image)$/.test(name)) expect(value).toMatch(/^(https?:|mailto:|data:image\/(png|jpeg|gif|webp);)/i);
      }
    }
  });

  test("that is HTML is shown as text", () => {
    expect(page("<b>bold</b> and <div>more</div>").textContent?.trim()).toBe("<b>bold</b> and <div>more</div>");
    expect(page("<div>\n*block*\n</div>").textContent?.trim()).toBe("<div>\n*block*\n</div>");
  });

  test("has links that open elsewhere and tell nothing", () => {
    const link = page("[x](https://example.com/a?b=c&d)").querySelector("a");
    expect(link?.getAttribute("href")).toBe("https://example.com/a?b=c&d");
    expect(link?.target).toBe("_blank");
    expect(link?.rel).toBe("noopener noreferrer nofollow");
    // A path is one of the project, not of this app.
    expect(page("[main](src/main.rs)").querySelector("a")).toBeNull();
    expect(page("[main](src/main.rs)").textContent?.trim()).toBe("main");
  });

  test("loads no image of another host before somebody asks for it", () => {
    const address = "https://pictures.example/cat.png";
    const before = page(`![a cat](${address})`);
    expect(before.querySelector("img")).toBeNull();
    expect(before.querySelector("button")?.textContent).toBe("Show the image “a cat” from pictures.example");
    show(address);
    expect(page(`![a cat](${address})`).querySelector("img")?.getAttribute("src")).toBe(address);
    expect(page("![dot](data:image/png;base64,AAAA)").querySelector("img")).not.toBeNull();
  });

  test("has task lists that can be read, tables that can be scrolled, and no first heading", () => {
    const tasks = page("- [x] bread\n- [ ] milk");
    expect([...tasks.querySelectorAll("li")].map((item) => item.textContent?.trim())).toEqual([
      "☑Done:  bread",
      "☐To do:  milk",
    ]);
    expect(page("| a |\n|:-:|\n| b |").querySelector(".table[tabindex='0'] td")?.getAttribute("align")).toBe("center");
    expect(page("# one\n\n###### six").innerHTML).toMatch(/<h2>one<\/h2>\s*<h6>six<\/h6>/);
  });

  test("has code in lists with a button that copies it", () => {
    const list = page("- a\n  ```rust\n  fn main() {}\n  ```");
    expect(list.querySelector("figcaption span")?.textContent).toBe("rust");
    expect(list.querySelector("pre")?.textContent).toBe("fn main() {}");
    expect(list.querySelector("button[data-copy]")).not.toBeNull();
  });
});
