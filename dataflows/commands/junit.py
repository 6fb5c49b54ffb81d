"""Results of tests as JUnit XML, which every CI reads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from dataflows.commands.outcome import Outcome


def junit_xml(outcomes: Sequence[Outcome], seconds: float) -> bytes:
    """One suite a file, one case a test; what differs is the text of its failure."""
    whole = ElementTree.Element("testsuites", _totals("tocsin", outcomes, seconds))
    for file, group in groupby(outcomes, key=lambda outcome: outcome.file):
        cases = list(group)
        suite = ElementTree.SubElement(whole, "testsuite", _totals(file, cases, sum(case.seconds for case in cases)))
        for case in cases:
            suite.append(_case(case))
    ElementTree.indent(whole)
    text: bytes = ElementTree.tostring(whole, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _totals(name: str, outcomes: Sequence[Outcome], seconds: float) -> dict[str, str]:
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    return {"name": name, "tests": str(len(outcomes)), "failures": str(failed), "errors": "0", "time": f"{seconds:.3f}"}


def _case(outcome: Outcome) -> ElementTree.Element:
    attributes = {"classname": outcome.pattern or outcome.file, "name": outcome.name, "time": f"{outcome.seconds:.3f}"}
    case = ElementTree.Element("testcase", attributes)
    if outcome.problems:
        message = {"message": outcome.problems[0]}
        ElementTree.SubElement(case, "failure", message).text = "\n".join((outcome.place, *outcome.problems))
    return case
