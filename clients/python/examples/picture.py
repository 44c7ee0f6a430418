"""A realtime session: sends moving pictures, and says what comes back. With a file name, the last picture is written there.

    python examples/picture.py invert picture.ppm
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
from dispatch_client import Client, Frame, Picture

FPS = 25


async def film() -> AsyncIterator[Picture]:
    """A red bar that moves over grey."""
    at = 0
    while True:
        picture = np.full((360, 640, 3), 110, np.uint8)
        picture[:, at : at + 80] = (200, 20, 20)
        yield picture
        at = (at + 4) % 640
        await asyncio.sleep(1 / FPS)


async def main(prompt: str, file: str | None) -> None:
    url = os.environ.get("DISPATCH_URL", "http://127.0.0.1:24203")
    model = os.environ.get("DISPATCH_MODEL", "mirage")
    async with Client(url, os.environ.get("DISPATCH_KEY")) as client:
        async with await client.realtime.connect(film(), model=model, prompt=prompt) as session:
            session.on("connection_change", print)
            session.on("generation_tick", lambda tick: print(f"{tick.seconds} seconds"))
            frame = await pictures(session.frames(), 50)
        receipt = await session.receipt()
        height, width, _ = frame.image.shape
        print(f"pictures of {width}×{height} came back; {receipt.seconds} seconds cost {receipt.credits} credits")
    if file is not None:
        Path(file).write_bytes(b"P6 %d %d 255\n" % (width, height) + frame.image.tobytes())


async def pictures(frames: AsyncIterator[Frame], count: int) -> Frame:
    """Waits for so many; the last of them."""
    for _ in range(count - 1):
        await anext(frames)
    return await anext(frames)


asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "cartoon", sys.argv[2] if len(sys.argv) > 2 else None))
