// What the window is like.

import { MediaQuery } from "svelte/reactivity";

/** Too narrow for a list beside the view: phones, and small windows. */
export const narrow = new MediaQuery("(max-width: 800px)");
