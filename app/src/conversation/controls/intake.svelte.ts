// Images on their way into a message: chosen, pasted, or dropped somewhere in the window.

import type { Draft } from "./drafts.svelte";
import { choose, filesOf } from "./images";

export class Intake {
  readonly #draft: () => Draft;
  readonly #takesImages: () => boolean;
  #refused = $state.raw<readonly string[]>([]);
  #isTarget = $state(false);

  /** For the message that is written at that moment. */
  constructor(draft: () => Draft, takesImages: () => boolean) {
    this.#draft = draft;
    this.#takesImages = takesImages;
  }

  /** Why what was given last was not taken. Reactive, as is the other. */
  get refused(): readonly string[] {
    return this.#refused;
  }

  /** Files are being dragged over the window. */
  get isTarget(): boolean {
    return this.#isTarget;
  }

  /** What was refused has been read, or is about another message. */
  forget(): void {
    this.#refused = [];
  }

  async take(files: readonly File[]): Promise<void> {
    if (files.length === 0) return;
    if (!this.#takesImages()) {
      this.#refused = ["This model does not take images. Choose another model to send them."];
      return;
    }
    const draft = this.#draft();
    const { taken, refused } = await choose(files, draft.images);
    this.#refused = refused;
    draft.attach(taken);
  }

  readonly onpaste = (event: ClipboardEvent): void => {
    const files = filesOf(event.clipboardData);
    // Office programs add a picture of the text that was copied.
    if (files.length === 0 || event.clipboardData?.types.includes("text/plain")) return;
    event.preventDefault();
    void this.take(files);
  };

  // Anywhere in the window: a file that misses the composer would take the place of the app.
  readonly ondragover = (event: DragEvent): void => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    this.#isTarget = true;
  };

  readonly ondragleave = (event: DragEvent): void => {
    if (event.relatedTarget === null) this.#isTarget = false;
  };

  readonly ondrop = (event: DragEvent): void => {
    this.#isTarget = false;
    if (!bringsFiles(event)) return;
    event.preventDefault();
    void this.take(filesOf(event.dataTransfer));
  };
}

function bringsFiles({ dataTransfer, defaultPrevented }: DragEvent): boolean {
  return !defaultPrevented && dataTransfer !== null && dataTransfer.types.includes("Files");
}
