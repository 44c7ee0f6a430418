"""What the extension needs of the running event loop."""

import asyncio
import weakref
from typing import Any

from . import _native
from ._error import DispatchError

_inboxes: "weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _native.Inbox]" = weakref.WeakKeyDictionary()


def inbox() -> _native.Inbox:
    """Where the extension puts what is done."""
    loop = asyncio.get_running_loop()
    if (known := _inboxes.get(loop)) is not None:
        return known
    made = _native.Inbox()
    try:
        loop.add_reader(made.fileno(), made.empty)
    except NotImplementedError:
        raise DispatchError("invalid_state", "this event loop cannot wait for files: a selector loop is needed") from None
    _inboxes[loop] = made
    return made


def create_future() -> "asyncio.Future[Any]":
    """A future of the running loop."""
    return asyncio.get_running_loop().create_future()
