"""Pretrain panels in the states that most tests begin with."""

from __future__ import annotations

import pytest
from scaffold import phantoms
from scaffold.finetune_panel import tuning, two  # noqa: F401


@pytest.fixture
def panel(make_pretrain):
    """A panel over a backend that is down."""
    return make_pretrain()


@pytest.fixture
def ready(panel, process_until):
    """A panel with a running backend and two ticked volumes."""
    for number in (1, 2):
        panel.ui.volumesSelector.check(phantoms.volume(f"chest {number}", oblique=number == 2))
    panel.backendUi.startButton.click()
    process_until(lambda: panel.backendUi.deviceCombo.count == 3)
    return panel
