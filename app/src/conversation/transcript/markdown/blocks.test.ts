import { describe, expect, test } from "vitest";
import { Random } from "../../model/testing/random.js";
import { type Block, Document } from "./blocks.js";
import { markupOf } from "./render.js";

const DOCUMENTS: readonly string[] = [
  "",
  "One paragraph\nover two lines.\n\nAnother one.",
  "# Title\n\nText\n===\n\nMore\n---\n\n## Second\ntext right below",
  "- one\n- two\n\n  still two\n- three\n\n\n- four\n\nafter",
  "1. one\n\n2. two\n\n   ```js\n   let a = 1;\n   ```\n3. three\n\n10) another list",
  "- [ ] to do\n- [x] done\n  - nested\n    1. deeper\n\n      code\n\n* other",
  "before\n```rust\nfn main() {\n\n    println!(\"hi\");\n}\n```\nafter",
  "```\nnever closed\n\n# not a title\n- not a list",
  "~~~python\nx = '```'\n~~~\n\n    indented\n\n    code\n\ntext",
  "| a | b |\n|---|:-:|\n| 1 | 2 |\n| 3 | 4 |\n\nafter\n\n| not | a table |",
  "text\n| a | b |\n| - | - |\n| 1 | 2 |",
  "> quote\nlazy\n> > nested\n\n> another\n\n- list\n> quote",
  "See [one][a] and [two].\n\n[a]: https://example.com \"Title\"\n\nmore [a]\n\n[two]: https://example.org\n",
  "<div>\nraw *html*\n\n</div>\n\n<script>alert(1)\n\n</script>\nafter",
  "a **bold\n\n* list * item\n* * *\n\n***\n_x_",
  "Line\\\nbreak  \nhere\n\n&amp; <b>inline</b> ![alt](https://example.com/a.png) <https://example.com>",
  "1. a\n\n2\n\n3. c",
  "- a\n\n-b\n\n- c\n-\n- d",
  "\n\n\n  leading\n\n\n\n\ntrailing\n\n\n",
  "Setext\nover\nlines\n=====\n\n+ plus\n+ list\n---\nx",
  "Term\n: definition\n\n[^1]: note\n\n[^1] said",
];

const PIECES = [
  "word ", "\n", "\n\n", "- ", "1. ", "2. ", "# ", "```", "```js\n", "~~~\n", "> ", "| a | b |\n", "| - | - |\n", "    ", "  ",
  "**", "`", "[a]", "[a]: https://example.com\n", "](https://example.com)", "---\n", "===\n", "* ", "<div>", "</div>\n", "\\", "  \n",
  "- [x] ", "😀", "é",
];

/** What is shown of it. */
function shown(blocks: readonly Block[]): string {
  return blocks.map(({ raw, code, links }) => (code ? JSON.stringify(code) : markupOf(raw, links))).join("");
}

function atOnce(text: string): string {
  return shown(new Document().update(text));
}

/** Piece by piece, cut in those places. */
function streamed(text: string, cuts: readonly number[]): string {
  const document = new Document();
  for (const cut of cuts) document.update(text.slice(0, cut));
  return shown(document.update(text));
}

describe("a document that grows", () => {
  test.each(DOCUMENTS)("is at its end what it is at once: %j", (text) => {
    const all = Array.from({ length: text.length }, (_, index) => index);
    expect(streamed(text, all)).toBe(atOnce(text));
    for (const cut of all) expect(streamed(text, [cut])).toBe(atOnce(text));
  });

  test.each(Array.from({ length: 120 }, (_, seed) => seed))("is so for any text (seed %i)", (seed) => {
    const random = new Random(seed);
    const text = Array.from({ length: 5 + random.below(60) }, () => random.pick(PIECES)).join("");
    const cuts = Array.from({ length: 1 + random.below(20) }, () => random.below(text.length)).sort((a, b) => a - b);
    expect(streamed(text, cuts)).toBe(atOnce(text));
    expect(streamed(text, Array.from({ length: text.length }, (_, index) => index))).toBe(atOnce(text));
  });

  test("gives its finished blocks as the same objects", () => {
    const document = new Document();
    const first = document.update("# One\n\ntext\n\n- a\n- b\n\nmore\n\nla");
    const second = document.update("# One\n\ntext\n\n- a\n- b\n\nmore\n\nlast, and\n\nnew");
    expect(second).toHaveLength(first.length + 1);
    for (const index of [0, 1, 2, 3]) expect(second[index]).toBe(first[index]);
  });

  test("makes blocks anew that a definition is for", () => {
    const document = new Document();
    const [before] = document.update("See [one].\n\nother\n\nmore\n\nmore\n\n");
    const [after, other] = document.update("See [one].\n\nother\n\nmore\n\nmore\n\n[one]: https://example.com\n");
    expect(markupOf(before!.raw, before!.links)).not.toContain("<a ");
    expect(markupOf(after!.raw, after!.links)).toContain('href="https://example.com"');
    expect(other!.raw).toBe("other");
  });

  test("is cut into pieces of which the finished ones stay", () => {
    const paragraph = `${"word ".repeat(300)}\n\n`;
    const document = new Document();
    document.update(paragraph.repeat(8));
    const before = document.pieces;
    expect(before.length).toBeGreaterThan(2);
    expect(before.flat()).toEqual(document.update(paragraph.repeat(8)));
    document.update(paragraph.repeat(8) + "more");
    for (const [index, piece] of before.slice(0, -1).entries()) expect(document.pieces[index]).toBe(piece);
  });

  test("can be another text, too", () => {
    const document = new Document();
    document.update("# One\n\ntext\n\nmore\n\nlast");
    expect(shown(document.update("other *text*"))).toBe(atOnce("other *text*"));
  });
});
