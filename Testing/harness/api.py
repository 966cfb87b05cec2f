"""What real Slicer has, read in the application (5.10, Qt 5.15).

`reference/slicer_api.json`: names found on live instances. `reference/slicer_app.json`: what its .ui loader knows, and the
signatures of Python functions.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "slicer_api.json"
APPLICATION = REFERENCE.with_name("slicer_app.json")
LINE = "Line"  # Designer's word for a QFrame, which every Qt loader knows without listing it


@functools.cache
def reference() -> dict:
    """The whole file."""
    return json.loads(REFERENCE.read_text())


@functools.cache
def application() -> dict:
    """What was read from the application itself."""
    return json.loads(APPLICATION.read_text())


def loadableFromUi(name: str) -> bool:
    """Whether a .ui file may hold this class: the application makes a plain QWidget of any other, without a word."""
    return name == LINE or name in application()["ui_widgets"]


def signature(name: str) -> str:
    """Of a Python function, e.g. "SampleData.SampleDataLogic.registerCustomSampleDataSource"."""
    return application()["signatures"][name]


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


@functools.cache
def signals(name: str) -> frozenset[str] | None:
    """Names of the signals of a class, or None where the reference does not hold it."""
    listed = classes().get(name)
    if listed is None or "signals" not in listed:
        return None
    return frozenset(
        {*listed["signals"], *classes()["qt.QWidget"].get("signals", ()), "destroyed", "objectNameChanged"}
    )


@functools.cache
def everySignal() -> frozenset[str]:
    """Names of the signals of all classes, and of the application."""
    return frozenset(
        {one for listed in classes().values() for one in listed.get("signals", ())} | set(reference()["slicer.app"])
    )
