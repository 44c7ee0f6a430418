"""The events are those of the contract, and are what type checkers take them for."""

import dataclasses
import json
import pathlib
import unittest
from typing import Any, get_args

from dispatch_client import events

SCHEMA = pathlib.Path(__file__).resolve().parents[3] / "schema" / "dispatch.schema.json"


def variants(name: str) -> list[dict[str, Any]]:
    definition = json.loads(SCHEMA.read_text())["$defs"][name]
    return list(definition["oneOf"])


def extras() -> set[str]:
    return set(json.loads(SCHEMA.read_text())["$defs"]["EventExtras"]["properties"])


class Events(unittest.TestCase):
    def test_the_events_are_those_of_the_contract(self) -> None:
        ours: dict[str, Any] = {kind.type: kind for kind in get_args(events.Event)}
        del ours["gap"], ours["unknown"]
        theirs = {}
        for variant in variants("AgentEvent") + variants("ExtensionEvent"):
            properties = dict(variant["properties"])
            name = properties.pop("type")["const"]
            theirs[name] = (set(properties), set(variant["required"]) - {"type"})
        self.assertEqual(set(ours), set(theirs))
        for name, (known, required) in theirs.items():
            fields = {events._camel(field.name): field for field in dataclasses.fields(ours[name])}
            del fields["type"]
            self.assertEqual(set(fields) - extras(), known - extras(), name)
            needed = {key for key, field in fields.items() if field.default is dataclasses.MISSING}
            self.assertEqual(needed, required, name)

    def test_an_event_is_read(self) -> None:
        said = {
            "type": "tool-call",
            "conversationId": "c",
            "turnId": "t",
            "stepId": "s",
            "toolCallId": "1",
            "toolName": "run",
            "input": {"aB": [1]},
            "eventSeq": 4,
            "news": True,
        }
        self.assertEqual(
            events.parse(said),
            events.ToolCall(
                conversation_id="c",
                turn_id="t",
                step_id="s",
                tool_call_id="1",
                tool_name="run",
                input={"aB": [1]},
                event_seq=4,
            ),
        )

    def test_what_is_not_known_is_passed_on(self) -> None:
        for said in ({"type": "news", "conversationId": "c"}, {"type": "text-delta"}):
            self.assertEqual(events.parse(said), events.Unknown(data=said))

    def test_events_do_not_change(self) -> None:
        event = events.parse({"type": "text-delta", "conversationId": "c", "turnId": "t", "delta": "a"})
        with self.assertRaises(dataclasses.FrozenInstanceError):
            event.type = "gap"  # type: ignore[misc]
        usage = {"inputTokens": 1, "outputTokens": 2}
        done = events.parse(
            {"type": "done", "conversationId": "c", "turnId": "t", "reason": "stop", "usage": usage}
        )
        assert done.type == "done"
        self.assertEqual(done.usage, events.Usage(input_tokens=1, output_tokens=2))
