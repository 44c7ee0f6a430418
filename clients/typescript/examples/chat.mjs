// A conversation, in Node: sends a message, prints the answer as it comes, and what it cost.
//
//     node examples/chat.mjs "say hello"

import { createClient } from "@dispatch/client";

const { DISPATCH_URL, DISPATCH_KEY } = process.env;
const client = createClient({
  ...(DISPATCH_URL && { baseUrl: DISPATCH_URL }),
  ...(DISPATCH_KEY && { apiKey: DISPATCH_KEY }),
});

const turn = client.conversations.stream(process.argv[2] ?? "help");
for await (const event of turn) {
  if (event.type === "text-delta") process.stdout.write(event.delta);
  if (event.type === "tool-call") process.stdout.write(`\n[${event.toolName}]\n`);
  if (event.type === "error") process.stdout.write(`\n${event.message}\n`);
}

const [metrics] = await client.conversations.metrics(turn.conversationId);
console.log(`\n\n${metrics.usage.inputTokens} tokens in, ${metrics.usage.outputTokens} out`);
