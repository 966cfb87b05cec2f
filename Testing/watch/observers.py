"""Who observes the scene: Python callables, counted without the help of VTK, which has no count."""

from __future__ import annotations

import gc

import slicer


def observersOf(thing) -> list:
    """The Python callables that observe a node or the scene; VTK lets the collector see them as what the object refers to."""
    return [one for one in gc.get_referents(thing) if callable(one) and not isinstance(one, type)]


def observerCounts() -> dict[str, tuple[int, int]]:
    """Class of node -> how many there are in the scene, and how many observe them; "scene": who observes the scene."""
    gc.collect()
    found = {"scene": (1, len(observersOf(slicer.mrmlScene)))}
    for number in range(slicer.mrmlScene.GetNumberOfNodes()):
        node = slicer.mrmlScene.GetNthNode(number)
        nodes, observers = found.get(node.GetClassName(), (0, 0))
        found[node.GetClassName()] = nodes + 1, observers + len(observersOf(node))
    return found


def living(*names: str) -> dict[str, int]:
    """How many objects of the classes of these names are alive, whichever version of the source made them."""
    gc.collect()
    found = dict.fromkeys(names, 0)
    for one in gc.get_objects():
        name = type(one).__name__
        if name in found:
            found[name] += 1
    return found
