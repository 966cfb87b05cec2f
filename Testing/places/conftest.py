"""Inference panels in which places of one volume are found in another."""

from __future__ import annotations

import pytest
from scaffold import phantoms
from scaffold.places import PLACES, PlacesServer


@pytest.fixture
def two(scene):
    """Two volumes of different size and place."""
    first, second = phantoms.volume("first", (48, 40, 32)), phantoms.volume("second", (40, 48, 24), oblique=True)
    second.SetOrigin(*(value + 40.0 for value in second.GetOrigin()))
    return [first, second]


@pytest.fixture
def ready(make_inference, two, process_until):
    """Two volumes are chosen, the backend is up, a model that describes volumes is chosen."""
    panel = make_inference(PlacesServer(), "volumes")
    panel.images = two
    panel.connect(process_until)
    panel.choose(PLACES)
    panel.ui.placesSelector.setCurrentNode(two[0])
    panel.ui.searchedSelector.setCurrentNode(two[1])
    return panel


@pytest.fixture
def found(ready, process_until):
    """A point was put into the first volume, and the second shows where that is."""
    ready.finish(ready.ui.findPlacesButton, process_until)
    return ready
