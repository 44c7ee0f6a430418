import { flushSync, mount, unmount } from "svelte";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import Figure from "./Figure.svelte";
import type { Plot } from "./plot";

const plot: Plot = {
  title: "Tokens",
  places: ["1 Nov", "2 Nov", "3 Nov"].map((short) => ({ id: short, short, long: `${short} 2026` })),
  series: [
    { name: "Input", fill: 0, values: [5, 0, 1], texts: ["5", "0", "1"], total: "6" },
    { name: "Output", fill: 3, values: [2, 0, 0], texts: ["2", "0", "0"], total: "2" },
  ],
  texts: ["7", "0", "1"],
  total: "8",
};

let figure: ReturnType<typeof mount>;

beforeEach(() => {
  figure = mount(Figure, { target: document.body, props: { plot, all: "3 days" } });
  flushSync();
});

afterEach(() => unmount(figure));

const find = (selector: string) => document.querySelector(selector) as HTMLElement;
const readout = () => [...document.querySelectorAll("dl > div")].map((entry) => entry.textContent?.replace(/\s+/g, " ").trim());

function press(key: string): void {
  find("[role=slider]").dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  flushSync();
}

describe("a figure", () => {
  it("says everything together until a place is read", () => {
    expect(readout()).toEqual(["3 days 8", "Input 6", "Output 2"]);
    expect(find("[role=slider]").getAttribute("aria-valuetext")).toBe("All together: 8");
  });

  it("is read place by place with the arrow keys, and as a whole again after Escape", () => {
    press("ArrowLeft");
    expect(readout()).toEqual(["3 Nov 2026 1", "Input 1", "Output 0"]);
    expect(find("[role=slider]").getAttribute("aria-valuetext")).toBe("3 Nov 2026: 1. Input 1.");
    press("Home");
    expect(readout()[0]).toBe("1 Nov 2026 7");
    expect(find("[role=slider]").getAttribute("aria-valuenow")).toBe("0");
    press("Escape");
    expect(readout()[0]).toBe("3 days 8");
  });

  it("leaves other keys to the page", () => {
    const event = new KeyboardEvent("keydown", { key: "Tab", bubbles: true, cancelable: true });
    find("[role=slider]").dispatchEvent(event);
    expect(event.defaultPrevented).toBe(false);
  });

  it("is a table as well, without places at which there is nothing", () => {
    find("button").click();
    flushSync();
    const rows = [...document.querySelectorAll("tr")].map((row) => [...row.children].map(({ textContent }) => textContent?.trim()));
    expect(rows).toEqual([
      ["Day", "Input", "Output", "Together"],
      ["1 Nov 2026", "5", "2", "7"],
      ["3 Nov 2026", "1", "0", "1"],
      ["All together", "6", "2", "8"],
    ]);
    expect(find("[role=slider]")).toBeNull();
  });
});
