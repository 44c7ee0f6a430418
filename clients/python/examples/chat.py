"""A conversation: sends a message, prints the answer as it comes, and what it cost.

    python examples/chat.py "say hello"
"""

import asyncio
import os
import sys

from dispatch_client import Client


async def main(message: str) -> None:
    url = os.environ.get("DISPATCH_URL", "http://127.0.0.1:24203")
    async with Client(url, os.environ.get("DISPATCH_KEY")) as client:
        turn = client.conversations.stream(message)
        async for event in turn:
            match event.type:
                case "text-delta":
                    print(event.delta, end="", flush=True)
                case "tool-call":
                    print(f"\n[{event.tool_name}]")
                case "error":
                    print(f"\n{event.message}")
                case _:
                    pass
        [metrics] = await client.conversations.metrics(turn.conversation_id)
        print(f"\n\n{metrics.usage.input_tokens} tokens in, {metrics.usage.output_tokens} out")


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "help"))
