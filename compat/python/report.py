"""Runs checks and says how they went: a line for each, and a last one with the sums."""

import argparse
import asyncio
import os
import re
import traceback
from collections.abc import Awaitable, Callable


class Skip(Exception):
    """The check cannot be made with what was given."""


Check = Callable[[], Awaitable[None]]


def options(about: str) -> argparse.Namespace:
    """The command line that all clients share."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--url", required=True, help="of the server, as http://127.0.0.1:8090")
    parser.add_argument("--key", default="good", help="a key with credit for some minutes")
    parser.add_argument("--broke-key", default="", help="a key with credit for some seconds, which is used up")
    parser.add_argument("--broke-seconds", type=int, default=0, help="how many; 0 if that is not known")
    parser.add_argument("--operator-key", default="", help="a key that may end sessions; without one, --key is used")
    parser.add_argument("--model", default="mirage_v2", help="the model to ask for")
    parser.add_argument("--only", default="", help="checks to make, with commas between them")
    parser.add_argument("--skip", default="", help="checks to leave out")
    return parser.parse_args()


async def run(client: str, checks: dict[str, Check], given: argparse.Namespace, seconds: float = 120) -> int:
    """Makes the checks one after another. Returns what the process is to exit with."""
    only, skip = (set(filter(None, names.split(","))) for names in (given.only, given.skip))
    passed = failed = skipped = 0
    for name, check in checks.items():
        if (only and name not in only) or name in skip:
            continue
        try:
            # Not `wait_for`: it runs the check in a task of its own, and Python's SDK then tells events before anybody
            # can listen.
            async with asyncio.timeout(seconds):
                await check()
        except Skip as why:
            skipped += 1
            print(f"skipped {name}: {why}", flush=True)
        except Exception as error:
            failed += 1
            # Errors of the SDK can have the whole address in them.
            why = re.sub(r"api_key=[^&\s'\"]*", "api_key=…", " ".join(f"{type(error).__name__}: {error}".split()))
            print(f"FAILED {name}: {why}", flush=True)
            if os.environ.get("COMPAT_TRACE"):
                traceback.print_exc()
        else:
            passed += 1
            print(f"ok {name}", flush=True)
    rest = f", {skipped} skipped" if skipped else ""
    print(f"compat {client}: {passed} passed, {failed} failed{rest}", flush=True)
    return 1 if failed else 0
