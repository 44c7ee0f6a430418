// Which of the app's own dialogs is open. There is one at a time.

export type Name = "palette" | "shortcuts" | "key";

class Dialogs {
  #open = $state<Name>();

  get open(): Name | undefined {
    return this.#open;
  }

  show(name: Name): void {
    this.#open = name;
  }

  close(): void {
    this.#open = undefined;
  }
}

export const dialogs = new Dialogs();
