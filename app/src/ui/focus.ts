// Giving the focus back.

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";

/**
 * Remembers what has the focus. The returned function gives it back: to what had it, or else to what is left around it, so
 * that nobody begins again at the top of the page. Whoever has the focus by then keeps it.
 */
export function remembered(): () => void {
  const around: Element[] = [];
  for (let at = document.activeElement; at && at !== document.body; at = at.parentElement) around.push(at);
  return () => {
    if (document.activeElement && document.activeElement !== document.body) return;
    for (const element of around) if (element.isConnected && take(element)) return;
  };
}

/** Gives it to that, or to the first in it that takes it. */
function take(element: Element): boolean {
  for (const candidate of [element, ...element.querySelectorAll(FOCUSABLE)]) {
    if (!candidate.matches(FOCUSABLE) || (candidate !== element && (candidate as HTMLElement).tabIndex < 0)) continue;
    (candidate as HTMLElement).focus();
    if (document.activeElement === candidate) return true;
  }
  return false;
}
