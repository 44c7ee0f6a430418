// What is selected in a transcript. Its rows stay in the page, so that it is copied as a whole.

/** How many rows are kept for it at most. */
const MOST = 400;

export class Selected {
  /** The rows in which it begins and ends, in the order in which it was made. */
  #ends = $state.raw<readonly [from: string, to: string]>();

  /** Whether anything is. Reactive, as is the other. */
  get isAny(): boolean {
    return this.#ends !== undefined;
  }

  /** The places of its rows in the list. */
  placesIn(rows: readonly { readonly key: string }[]): readonly number[] {
    if (!this.#ends) return [];
    const [first, last] = this.#ends
      .map((end) => rows.findIndex(({ key }) => key === end))
      .sort((a, b) => a - b) as [number, number];
    if (first === -1) return [];
    return Array.from({ length: Math.min(MOST, last - first + 1) }, (_, index) => first + index);
  }

  /** Looks at what the page has selected. */
  read(list: HTMLElement): void {
    const { anchorNode = null, focusNode = null, isCollapsed = true } = getSelection() ?? {};
    const from = isCollapsed ? undefined : rowOf(anchorNode, list);
    // It can be dragged out of the list.
    const to = rowOf(focusNode, list) ?? this.#ends?.[1] ?? from;
    if (from === this.#ends?.[0] && to === this.#ends?.[1]) return;
    this.#ends = from === undefined || to === undefined ? undefined : [from, to];
  }
}

/** The row of the list that has it. */
export function rowOf(node: EventTarget | null, list: HTMLElement): string | undefined {
  const element = node instanceof Element ? node : node instanceof Node ? node.parentElement : undefined;
  const row = element?.closest<HTMLElement>("[data-row]");
  return row && list.contains(row) ? row.dataset["row"] : undefined;
}
