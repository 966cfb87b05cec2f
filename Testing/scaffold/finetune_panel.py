"""The section "Fine-tune" of a pretrain panel on a backend in memory, with what its tests click."""

from __future__ import annotations

import pytest
import qt

from scaffold import phantoms
from scaffold.finetuning import FinetuneServer


@pytest.fixture
def tuning(make_pretrain, process_until):
    """A panel whose backend runs; the section is open, the others are not."""
    panel = make_pretrain(FinetuneServer(pace=60))
    panel.parent.show()
    panel.box = panel.panel.finetuneBox
    for section in (panel.ui.dataSection, panel.ui.methodSection, panel.ui.backendSection):
        section.collapsed = True
    panel.box.ui.finetuneSection.collapsed = False
    panel.backendUi.startButton.click()
    process_until(lambda: panel.backendUi.deviceCombo.count == 3)
    return panel


@pytest.fixture
def two(tuning, process_until):
    """Two segmented volumes, ticked."""
    tuning.pairs = [
        phantoms.segmented("chest 1"),
        phantoms.segmented("chest 2", ("right lung", "left lung"), oblique=True),
    ]
    process_until(lambda: tuning.box.ui.volumesTable.rowCount == 2)
    tick(tuning, 0, 1)
    return tuning


def tick(panel, *rows) -> None:
    """Tick volumes of the table."""
    for row in rows:
        panel.box.ui.volumesTable.item(row, 0).setCheckState(qt.Qt.Checked)


def chooseTask(panel, name: str) -> None:
    """Choose the task."""
    combo = panel.box.ui.methodCombo
    combo.currentIndex = combo.findData(name)


def finish(panel, process_until) -> None:
    """Click, and follow the job to its end."""
    jobs = len(panel.server.jobs)
    panel.box.ui.finetuneButton.click()
    process_until(lambda: len(panel.server.jobs) > jobs or panel.box.ui.finetuneError.visible)
    assert not panel.box.ui.finetuneError.visible, panel.box.ui.finetuneError.text
    ended(panel, process_until)


def ended(panel, process_until) -> None:
    """Wait until the newest job is followed to its end, and its model is offered."""
    job = panel.server.jobs[-1].id
    process_until(lambda: panel.panel.runBox.view is not None and panel.panel.runBox.view.id == job)
    process_until(lambda: not panel.panel.runBox.active)
    process_until(lambda: panel.box.ui.startFromCombo.findData(job) > 0)
