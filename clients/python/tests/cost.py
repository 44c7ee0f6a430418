"""What it costs to receive 360p30 in Python, beside what it costs in Rust: the same pictures of one session at the same time.

    cargo build --release -p dispatch-client-python --example receive
    python tests/cost.py [SECONDS]

Linux only: processor time is read from /proc. `rust` decodes the pictures; `rust rgb` also converts them, which the Python client
has to, as its pictures are RGB; `python` does that and makes arrays of them.
"""

import asyncio
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
from dispatch_client import Camera, Client
from server import ROOT, Server

HERE = pathlib.Path(__file__).resolve().parent
SIZE = (640, 360)
FPS = 30
CONFIG = f'[[realtime.models]]\nname = "cost"\nwidth = {SIZE[0]}\nheight = {SIZE[1]}\nfps = {FPS}\n'
# What Python may add, as a part of what Rust needs.
TARGET = 0.20


def receive() -> pathlib.Path:
    """The program in Rust."""
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    return target / "release" / "examples" / "receive"


async def film(camera: Camera) -> None:
    """A bar that moves over a gradient with some noise: about as hard to decode as what a camera sees."""
    noise = np.random.default_rng(1).integers(0, 12, (SIZE[1], SIZE[0] * 2, 3), np.uint8)
    still = np.linspace(40, 200, SIZE[0], dtype=np.uint8)[None, :, None].repeat(3, 2).repeat(SIZE[1], 0)
    begun, count = time.monotonic(), 0
    while True:
        at = count * 5 % SIZE[0]
        picture = still + noise[:, at : at + SIZE[0]]
        picture[:, at : at + 40] = (220, 60, 60)
        camera.show(picture)
        count += 1
        await asyncio.sleep(max(0.0, begun + count / FPS - time.monotonic()))


def processor_time(pid: int) -> float:
    """Of all threads of a process, in seconds."""
    return sum(int(task.read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def pictures(log: pathlib.Path) -> int:
    found = re.findall(r"(\d+) pictures of 640x360", log.read_text())
    return int(found[-1]) if found else 0


async def main(seconds: float) -> int:
    with Server(CONFIG) as server, tempfile.TemporaryDirectory() as folder:
        async with Client(server.url) as client:
            camera = Camera(FPS)
            filming = asyncio.create_task(film(camera))
            session = await client.realtime.connect(camera, model="cost")
            where = [server.url, "any", str(session.subscribe_token)]
            commands = {
                "rust": [str(receive()), *where],
                "rust rgb": [str(receive()), *where, "rgb"],
                "python": [sys.executable, str(HERE / "receive.py"), *where],
            }
            logs = {name: pathlib.Path(folder) / name for name in commands}
            processes: dict[str, subprocess.Popen[bytes]] = {}
            try:
                for name, command in commands.items():
                    with logs[name].open("wb") as log:
                        processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log)
                # All of them are under way, and what begins once has begun.
                until = time.monotonic() + 60
                while any(pictures(log) < 100 for log in logs.values()):
                    if time.monotonic() > until:
                        raise RuntimeError(f"no pictures come: { {name: log.read_text() for name, log in logs.items()} }")
                    await asyncio.sleep(0.1)
                before = {name: (processor_time(it.pid), pictures(logs[name])) for name, it in processes.items()}
                begun = time.monotonic()
                await asyncio.sleep(seconds)
                took = time.monotonic() - begun
                after = {name: (processor_time(it.pid), pictures(logs[name])) for name, it in processes.items()}
            finally:
                for process in processes.values():
                    process.kill()
                    process.wait()
                filming.cancel()
        share = {name: (after[name][0] - before[name][0]) / took for name in commands}
        for name in commands:
            rate = (after[name][1] - before[name][1]) / took
            print(f"{name:<9} {share[name] * 100:6.2f} % of a core, {rate:5.1f} pictures a second (to the nearest 100)")
        for name in ("rust", "rust rgb"):
            print(f"python adds {(share['python'] / share[name] - 1) * 100:+.1f} % to {name}")
        more = share["python"] / share["rust rgb"] - 1
        if more > TARGET:
            print(f"FAILED: more than {TARGET:.0%}")
            return 1
        print(f"ok: at most {TARGET:.0%}")
        return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0)))
