"""What real Slicer has: `reference/slicer_api.json`, names found on live instances in the application (5.10, Qt 5.15)."""

from __future__ import annotations

import functools
import json
from pathlib import Path

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "slicer_api.json"


@functools.cache
def reference() -> dict:
    """The whole file."""
    return json.loads(REFERENCE.read_text())


def classes() -> dict[str, dict[str, list[str]]]:
    """Per class ("qt.QLabel") the lists `properties`, `methods`, `signals`; widgets list what they add to qt.QWidget."""
    return {name: listed for name, listed in reference()["classes"].items() if listed}


@functools.cache
def members(name: str) -> frozenset[str] | None:
    """Every name on an instance of a class, or None where the reference does not hold the class."""
    listed = classes().get(name)
    if listed is None or "properties" not in listed:  # some could not be made without arguments, so nothing is known
        return None
    own = {n for group in ("properties", "methods", "signals") for n in listed.get(group, ())}
    shared = {n for group in ("properties", "methods", "signals") for n in classes()["qt.QWidget"].get(group, ())}
    return frozenset(own | shared | {"name"})  # childWidgetVariables of slicer.util relies on `name`
