"""Inference panels in which radiographs are compared, in the states that most tests begin with."""

from __future__ import annotations

import pytest
from scaffold import phantoms
from scaffold.radiographs import RadiographServer


@pytest.fixture
def panel(make_inference):
    """A panel over a backend that is down."""
    return make_inference(RadiographServer(), "radiographs")


@pytest.fixture
def two(scene):
    """Two radiographs of different size and place."""
    return [phantoms.radiograph("first"), phantoms.radiograph("second", (90, 110), seed=1, origin=30.0)]


@pytest.fixture
def ready(panel, two, process_until):
    """Two radiographs are ticked, the backend is up, a PEAC model is chosen."""
    panel.images = two
    panel.connect(process_until)
    for node in two:
        panel.ui.imagesSelector.check(node)
    return panel


@pytest.fixture
def found(ready, process_until):
    """A point was put into the first radiograph, and the second shows where that is."""
    ready.ui.tabs.currentIndex = 1
    ready.finish(ready.ui.findButton, process_until)
    return ready
