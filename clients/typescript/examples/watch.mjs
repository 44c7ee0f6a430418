// What happens in a conversation, as it is to be shown: what is written, and what is being said.
//
//     node examples/watch.mjs CONVERSATION

import { createClient } from "@dispatch/client";

const { DISPATCH_URL, DISPATCH_KEY } = process.env;
const client = createClient({
  ...(DISPATCH_URL && { baseUrl: DISPATCH_URL }),
  ...(DISPATCH_KEY && { apiKey: DISPATCH_KEY }),
});

let shown = 0;
for await (const { chunks, live } of client.conversations.follow(process.argv[2])) {
  for (const { seq, role, chunk } of chunks.slice(shown)) console.log(`${seq} ${role}: ${chunk.text ?? chunk.type}`);
  shown = chunks.length;
  if (live) console.log(`… ${live.entries.length} pieces so far`);
}
