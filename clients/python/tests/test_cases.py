"""Runs the language-neutral cases in `clients/cases`: their README says what they mean."""

import json
import pathlib
import unittest
from typing import Any

from dispatch_client import DispatchError, _native

CASES = pathlib.Path(__file__).resolve().parents[2] / "cases"


def failure(case: dict[str, Any], preludes: dict[str, list[Any]]) -> str | None:
    """What the machine does otherwise."""
    machine = _native.Machine(json.dumps(case.get("options", {})))
    try:
        for step in preludes[case["after"]] if "after" in case else []:
            machine.step(json.dumps(step))
        for number, step in enumerate(case["steps"]):
            outputs = json.loads(machine.step(json.dumps(step)))
            if outputs != (expected := step.get("out", [])):
                return f"step {number}: instead of {json.dumps(expected)} it says {json.dumps(outputs)}"
            if "state" in step and (state := json.loads(machine.state)) != step["state"]:
                return f"step {number}: the state is {state}"
            if "deadline" in step and machine.deadline != step["deadline"]:
                return f"step {number}: the deadline is {machine.deadline}"
    except DispatchError as error:
        return error.message
    return None


class Cases(unittest.TestCase):
    """All of them."""

    def test_every_case_of_the_connection_holds(self) -> None:
        preludes = json.loads((CASES / "preludes.json").read_text())
        cases = [case for file in sorted((CASES / "connection").iterdir()) for case in json.loads(file.read_text())]
        self.assertEqual(len({case["name"] for case in cases}), len(cases))
        self.assertGreater(len(cases), 80)
        failed = 0
        for case in cases:
            with self.subTest(case["name"]):
                why = failure(case, preludes)
                failed += why is not None
                self.assertIsNone(why)
        print(f"{len(cases)} cases, {failed} failed")

    def test_a_case_that_does_not_hold_fails(self) -> None:
        case = {"name": "wrong", "steps": [{"in": {"type": "connect", "call": 1}, "out": [], "state": "connected"}]}
        why = failure(case, {})
        self.assertIsNotNone(why)
        self.assertRegex(str(why), "step 0: instead of")
        self.assertRegex(str(failure({"name": "none", "steps": [{"in": {"type": "no-such"}}]}, {})), "no-such")
