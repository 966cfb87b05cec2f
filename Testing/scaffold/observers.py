"""Who observes the scene: Python callables, counted without the help of VTK, which has no count."""

from __future__ import annotations

import gc

import slicer


def observersOf(thing) -> list:
    """The Python callables that observe a node or the scene; VTK lets the collector see them as what the object refers to."""
    return [one for one in gc.get_referents(thing) if callable(one) and not isinstance(one, type)]


def observerCounts() -> dict[str, int]:
    """How many observe the scene, each of its nodes, and the application's logics; only those that somebody observes."""
    found = {"scene": len(observersOf(slicer.mrmlScene))}
    for number in range(slicer.mrmlScene.GetNumberOfNodes()):
        node = slicer.mrmlScene.GetNthNode(number)
        found[node.GetID()] = len(observersOf(node))
    return {name: count for name, count in found.items() if count}


def living(*names: str) -> dict[str, int]:
    """How many objects of the classes of these names are alive, whichever version of the source made them."""
    gc.collect()
    found = dict.fromkeys(names, 0)
    for one in gc.get_objects():
        name = type(one).__name__
        if name in found:
            found[name] += 1
    return found
