// Whether a view can be used without a mouse: Tab comes to everything, and one sees where it is.

import type { Page } from "playwright-core";
import { still } from "./support/still.js";

/** What a page tells of the element that has the focus. */
interface Stop {
  /** One number for each element, in the order in which Tab came to them. */
  readonly element: number;
  readonly name: string;
  /** Whether it looks otherwise than without the focus. */
  readonly isShown: boolean;
}

/** More than any view has. */
const MOST = 400;

/**
 * Presses Tab until it is where it began. Fails if something that can be used was not on the way and is not within a group
 * that arrow keys move in, if the focus could not be seen somewhere, or if it could not get on. Gives the names of all
 * stops.
 */
export async function keyboard(page: Page): Promise<readonly string[]> {
  // What has not come in yet is not in view.
  await still(page);
  await page.evaluate(begin);
  const stops: Stop[] = [];
  for (let presses = 0; presses < MOST; presses += 1) {
    await page.keyboard.press("Tab");
    const stop = await page.evaluate(stopped);
    // Past the last element the focus is the browser's, and then again the first one's.
    if (!stop) {
      if (stops.length > 0) break;
      continue;
    }
    const before = stops.findIndex(({ element }) => element === stop.element);
    if (before > 0) throw new Error(`Tab gets no further than ${stops.at(-1)?.name}, and back to ${stop.name}.`);
    if (before === 0) break;
    stops.push(stop);
  }
  const unseen = stops.filter(({ isShown }) => !isShown).map(({ name }) => name);
  if (unseen.length > 0) throw new Error(`One cannot see that the focus is on:\n${unseen.join("\n")}`);
  const missed = await page.evaluate(unreached);
  if (missed.length > 0) throw new Error(`Tab does not come to:\n${missed.join("\n")}`);
  return stops.map(({ name }) => name);
}

/** What the walk keeps in the page. */
interface Walk {
  /** What could be used when it began. */
  readonly usable: readonly Element[];
  /** What Tab came to, in that order. */
  readonly reached: Element[];
}

/** In the page: the next Tab comes to the first element of all, or of the dialog that is open. */
function begin(): void {
  const within = document.querySelector(":modal") ?? document.body;
  const used = "a[href], button, input, select, textarea, summary, [role=button], [role=tab], [role=slider], [role=switch]";
  const usable = [...within.querySelectorAll(`${used}, [tabindex]:not([tabindex="-1"])`)].filter(
    (element) =>
      element.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true }) &&
      !element.matches(":disabled") &&
      !element.closest("[inert]"),
  );
  const walk: Walk = { usable, reached: [] };
  Object.assign(window, { walk });
  const start = document.createElement("span");
  start.tabIndex = -1;
  within.prepend(start);
  start.focus();
  // Where an element was that is taken away, the browser goes on.
  start.remove();
}

/** In the page: the element that has the focus, remembered as one that was reached. */
function stopped(): Stop | undefined {
  const element = document.activeElement;
  if (!(element instanceof HTMLElement || element instanceof SVGElement) || element === document.body) return undefined;
  const { reached } = (window as unknown as { walk: Walk }).walk;
  if (!reached.includes(element)) reached.push(element);
  const look = () => {
    const looks: string[] = [];
    for (let part: Element | null = element, depth = 0; part && depth < 4; part = part.parentElement, depth += 1) {
      const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor, backgroundColor, clipPath } = getComputedStyle(part);
      looks.push([outlineStyle === "none" ? "" : `${outlineWidth} ${outlineColor}`, boxShadow, borderColor, backgroundColor, clipPath].join());
    }
    return looks.join("|");
  };
  const focused = look();
  const { top, bottom, left, right } = element.getBoundingClientRect();
  const isInView = bottom > 0 && top < innerHeight && right > 0 && left < innerWidth;
  // Looking at the same element without the focus, for a moment and unheard.
  const quiet = (event: Event) => event.stopImmediatePropagation();
  const events = ["blur", "focus", "focusin", "focusout", "change"];
  for (const name of events) addEventListener(name, quiet, { capture: true });
  element.blur();
  const blurred = look();
  element.focus({ preventScroll: true });
  for (const name of events) removeEventListener(name, quiet, { capture: true });
  const name = `${element.tagName.toLowerCase()} "${element.getAttribute("aria-label") ?? element.textContent?.trim().slice(0, 60)}"`;
  return { element: reached.indexOf(element), name, isShown: isInView && focused !== blurred };
}

/** In the page: what was there all the time, and was not reached. What a list shows only when one comes near is not. */
function unreached(): string[] {
  const { usable, reached } = (window as unknown as { walk: Walk }).walk;
  /** One stop for all: arrow keys do the rest. */
  const isInGroup = (element: Element) => {
    if (element instanceof HTMLInputElement && element.type === "radio") {
      return reached.some((other) => other instanceof HTMLInputElement && other.name === element.name);
    }
    if (element.getAttribute("tabindex") !== "-1") return false;
    const group = element.parentElement?.closest("[role], ul, ol, nav, fieldset");
    if (!group) return false;
    return reached.some((other) => group.contains(other) || (group.id !== "" && other.getAttribute("aria-controls") === group.id));
  };
  return usable
    .filter((element) => element.isConnected && element.checkVisibility() && !reached.includes(element) && !isInGroup(element))
    .map((element) => element.outerHTML.slice(0, 200));
}
