"""What is asked again when the server has taken a request and its answer was lost."""

import unittest
from typing import cast

from dispatch_client import DispatchError, _native
from dispatch_client._http import Http


class Forgetful:
    """An extension whose first answer is lost."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def request(self, method: str, *_: object) -> str:
        self.asked.append(method)
        if len(self.asked) == 1:
            raise DispatchError("unreachable", "the connection broke")
        return "{}"


class Requests(unittest.IsolatedAsyncioTestCase):
    async def asked(self, method: str, *, is_repeatable: bool = False) -> int:
        server = Forgetful()
        try:
            await Http(cast(_native.Client, server)).json(method, "path", is_repeatable=is_repeatable)
        except DispatchError as error:
            self.assertEqual(error.code, "unreachable")
        return len(server.asked)

    async def test_what_reads_or_sets_is_asked_again(self) -> None:
        self.assertEqual([await self.asked("GET"), await self.asked("PUT")], [2, 2])

    async def test_what_has_an_id_of_its_own_is_asked_again(self) -> None:
        self.assertEqual(await self.asked("POST", is_repeatable=True), 2)

    async def test_a_stop_a_token_and_a_deletion_are_not(self) -> None:
        self.assertEqual([await self.asked("POST"), await self.asked("DELETE")], [1, 1])
