// A secret that was made and is shown this once. It stays in the memory of the page until somebody said that it is kept, also
// when another view is looked at meanwhile; nothing writes it down.

/** What can be shown only once. */
export interface Secret {
  readonly kind: "key" | "token";
  /** Whose it is, if that has a name. */
  readonly name?: string;
  readonly secret: string;
  /** When a token opens nothing any more, in milliseconds since the Unix epoch. */
  readonly expiresAt?: number;
}

class Issued {
  #secret = $state.raw<Secret>();

  get secret(): Secret | undefined {
    return this.#secret;
  }

  show(secret: Secret): void {
    this.#secret = secret;
  }

  forget(): void {
    this.#secret = undefined;
  }
}

export const issued = new Issued();
