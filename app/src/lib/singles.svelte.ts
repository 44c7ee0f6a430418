// Whether single keys do something while nothing is typed. Who speaks to the device, or presses keys by mistake, turns it off.

import { local } from "./storage";

const NAME = "dispatch.singleKeys";

class SingleKeys {
  #areOn = $state(local.get(NAME) !== "off");

  /** Reactive. */
  get areOn(): boolean {
    return this.#areOn;
  }

  set areOn(areOn: boolean) {
    this.#areOn = areOn;
    if (areOn) local.remove(NAME);
    else local.set(NAME, "off");
  }
}

export const singleKeys = new SingleKeys();
