// What a browser keeps for the app. A browser that keeps nothing, or is full, is no reason to fail.

export interface Kept {
  get(name: string): string | undefined;
  /** Whether it is kept. */
  set(name: string, value: string): boolean;
  remove(name: string): void;
}

/** Kept for all tabs of this device. */
export const local: Kept = kept(() => localStorage);

/** Kept for this tab, also over a reload. */
export const session: Kept = kept(() => sessionStorage);

function kept(storage: () => Storage): Kept {
  return {
    get: (name) => attempt(() => storage().getItem(name) ?? undefined),
    set: (name, value) => attempt(() => (storage().setItem(name, value), true)) ?? false,
    remove: (name) => attempt(() => storage().removeItem(name)),
  };
}

function attempt<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch {
    return undefined;
  }
}
