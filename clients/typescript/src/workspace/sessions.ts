// Realtime sessions of a workspace. Most of what is done with one needs none: they are loaded when they are wanted.

import type { Client } from "../client.js";
import { DispatchError } from "../error.js";
import type { RealtimeModelsResponse } from "../extensions.js";
import type { Realtime } from "../realtime/realtime.js";

export function sessions(...parts: ConstructorParameters<typeof Realtime>): Client["realtime"] {
  const [http] = parts;
  const loaded = async () => {
    try {
      const { Realtime } = await import("../realtime/realtime.js");
      return new Realtime(...parts);
    } catch {
      throw new DispatchError("unreachable", "what sessions are made of could not be loaded");
    }
  };
  return {
    models: async () => {
      // Who asks is likely to begin a session. Who then cannot is told so.
      loaded().catch(() => {});
      return (await http.json<RealtimeModelsResponse>("GET", "/v1/realtime/models")).models;
    },
    connect: async (stream, options) => (await loaded()).connect(stream, options),
    subscribe: async (options) => (await loaded()).subscribe(options),
  };
}
