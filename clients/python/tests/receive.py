"""Watches a session, as `receive.rs` does: for the comparison in `cost.py`.

    python tests/receive.py http://127.0.0.1:24203 KEY TOKEN
"""

import asyncio
import sys

from dispatch_client import Client


async def main(url: str, key: str, token: str) -> None:
    async with Client(url, key) as client:
        viewer = await client.realtime.subscribe(token)
        count = 0
        async for frame in viewer.frames():
            count += 1
            if count % 100 == 0:
                height, width, _ = frame.image.shape
                print(f"{count} pictures of {width}x{height}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
