"""The pretrain panel at 400 and 550 pixels: nothing is cut, nothing asks for more, steps fold, the Tab key follows the screen."""

from __future__ import annotations

import pytest
import qt
import slicer
from scaffold import phantoms
from scaffold.datasets import CLINIC, HOSPITAL, SetsServer
from scaffold.finetuning import FinetuneServer
from scaffold.inference_panel import choose
from scaffold.pretrain_panel import start
from watch.pictures import darkColours

LONG = "lidc-idri-0314-chest-with-contrast-thin-slices-reconstruction"
pytestmark = pytest.mark.usefixtures("nothing_cut")


@pytest.fixture
def long(make_pretrain, process_until):
    """A panel whose volumes, job and model have long names."""
    panel = make_pretrain(FinetuneServer(pace=60))
    panel.parent.show()
    for number in (1, 2):
        panel.ui.volumesSelector.check(phantoms.segmented(f"{LONG}-{number}")[0])
    panel.backendUi.startButton.click()
    process_until(lambda: panel.ui.startButton.enabled)
    panel.ui.nameEdit.text = f"pretraining on {LONG}"
    return panel


def sections(panel) -> list:
    ui = panel.ui
    fine, compare = panel.panel.finetuneBox.section, panel.panel.compareBox.section
    return [ui.dataSection, ui.methodSection, ui.runSection, fine, compare, ui.jobsSection]


def test_long_names_fit_in_every_section(long, process_until, grab):
    start(long, process_until, "finished")
    process_until(lambda: long.ui.jobsTable.rowCount == 1 and "Last loss" in long.ui.jobCard.text)
    process_until(lambda: long.panel.finetuneBox.ui.startFromCombo.count == 3)
    for section in sections(long):
        for other in sections(long):
            other.collapsed = other is not section
        if section is long.panel.finetuneBox.section:
            long.panel.finetuneBox.ui.tickAllButton.click()
            long.panel.finetuneBox.models.select(long.server.jobs[0].id)
        if section is long.panel.compareBox.section:
            long.panel.compareBox.ui.addArmButton.click()
        long.grab(grab, f"long-{section.text.lower().replace(' ', '-')}")


def test_every_setting_fits(long, grab):
    """All settings of all methods and tasks, opened."""
    for box, section in (
        (long.panel.methodBox, long.ui.methodSection), (long.panel.finetuneBox.tasks, long.panel.finetuneBox.section),
    ):  # fmt: skip
        for other in sections(long):
            other.collapsed = other is not section
        for method in box.methods:
            choose(box.ui.methodCombo, method["name"])
            assert box.form.fields
            for fold in [child for child in section.findChildren(qt.QWidget) if child.inherits("ctkCollapsibleButton")]:
                fold.collapsed = False
            long.grab(grab, f"settings-{method['name']}")


def test_all_fields_of_a_dataset_fit(make_pretrain, process_until, grab):
    panel = make_pretrain(SetsServer())
    panel.parent.show()
    panel.backendUi.startButton.click()
    process_until(lambda: panel.sets.ui.addSetCombo.count > 2)
    choose(panel.ui.methodCombo, "ark")
    panel.sets.add({**HOSPITAL, "name": "a-hospital-with-quite-a-long-name-2021", "root": f"/data/{LONG}/{LONG}"})
    panel.sets.form._further.collapsed = False
    panel.grab(grab, "sets-further")
    panel.sets.add(CLINIC)
    panel.ui.checkButton.click()
    process_until(lambda: panel.ui.dataSummary.text != "")
    panel.grab(grab, "sets-two-checked")


def test_many_jobs(long, process_until, grab):
    long.ui.nameEdit.text = "short"
    start(long, process_until, "finished")
    for number, state in enumerate(
        ("cancelled", "failed", "interrupted", "queued", "finished", "finished", "finished")
    ):
        job = long.server.makeJob(long.server.jobs[0].spec)
        job.id, job.state = f"20261123-0931{number:02d}-genesis", state
        long.server.jobs.append(job)
    long.panel.history.refresh()
    process_until(lambda: long.ui.jobsTable.rowCount == 8)
    for section in sections(long):
        section.collapsed = section is not long.ui.jobsSection
    table = long.ui.jobsTable
    assert {table.item(row, 1).text() for row in range(8)} >= {"cancelled", "failed", "interrupted", "queued"}
    assert long.server.jobs[-1].id in table.item(0, 0).toolTip()
    long.grab(grab, "many-jobs")


def test_the_width_never_jumps(long, process_until):
    """From state to state, whatever is loaded, running or wrong."""
    widths = set()

    def look() -> None:
        slicer.app.processEvents()
        widths.add(long.parent.minimumSizeHint.width())

    look()
    for section in sections(long):
        section.collapsed = False
        look()
    long.ui.folderPath.currentPath = f"/data/{LONG}/{LONG}/{LONG}"
    choose(long.ui.sourceCombo, "folder")
    look()
    choose(long.ui.sourceCombo, "scene")
    start(long, process_until, "finished")
    look()
    choose(long.ui.methodCombo, "ark")
    look()
    assert max(widths) <= 380


def test_steps_fold_when_their_work_is_done(long, process_until):
    ui = long.ui
    assert not ui.dataSection.collapsed and not ui.methodSection.collapsed and ui.runSection.collapsed
    start(long, process_until, "finished")
    assert ui.dataSection.collapsed and ui.methodSection.collapsed and not ui.runSection.collapsed
    steps = long.panel.steps
    assert steps.data.label.visible and steps.data.label.text.startswith("2 volumes")
    assert "Models Genesis, laptop, 240 steps" in steps.method.label.text
    ui.dataSection.collapsed = False  # the user looks again
    start(long, process_until, "finished")
    process_until(lambda: len(long.server.jobs) == 2)
    assert not ui.dataSection.collapsed, "it folds by itself once"
    assert "2 jobs" in steps.jobs.label.text


def test_the_tab_key_follows_the_screen(long):
    for section in sections(long):
        section.collapsed = False
    slicer.app.processEvents()
    ui, fine = long.ui, long.panel.finetuneBox.ui
    wanted = [
        long.backendUi.startButton, ui.sourceCombo, ui.checkButton, ui.previewButton, ui.methodCombo, ui.presetCombo,
        ui.nameEdit, long.panel.methodBox.form.fields["training"].fields["steps"].widget, ui.startButton, fine.methodCombo,
        fine.tickAllButton, fine.startFromCombo, fine.finetuneButton, long.panel.compareBox.ui.armsTable,
        long.panel.compareBox.ui.compareButton, ui.jobsTable, ui.showJobButton, ui.deleteJobButton,
    ]  # fmt: skip
    chain, widget = [], wanted[0]
    while True:
        chain.append(widget)
        widget = widget.nextInFocusChain()
        if widget is wanted[0] or len(chain) > 2000:
            break
    places = [chain.index(widget) for widget in wanted]
    assert places == sorted(places)


def test_a_disabled_button_says_why(long, process_until):
    """In every state of the panel."""
    silent = []

    def look(state: str) -> None:
        slicer.app.processEvents()
        for button in long.parent.findChildren(qt.QPushButton):
            if not button.enabled and button.isVisibleTo(long.parent) and not button.toolTip:
                silent.append((state, button.objectName or button.text))

    for section in sections(long):
        section.collapsed = False
    look("ready")
    long.server.pace = 1
    start(long, process_until, "running")
    look("running")
    choose(long.ui.methodCombo, "ark")
    look("datasets")
    choose(long.panel.finetuneBox.ui.methodCombo, "classification")
    look("labels")
    long.process.stop()
    look("backend down")
    assert not silent


def test_a_panel_opens_without_what_nobody_sees(panel):
    """The chart's view, the form of datasets and folded settings are made when they are first shown."""
    assert panel.panel.runBox._plotView is None and panel.sets._form is None
    assert len(panel.panel.methodBox.form._made) < 5 and len(panel.panel.finetuneBox.tasks.form._made) < 5
    panel.ui.runSection.collapsed = False
    assert panel.panel.runBox._plotView is not None
    panel.sets.add(HOSPITAL)
    assert panel.sets._form is not None


def test_unticked_boxes_are_seen_in_a_dark_style(make_pretrain):
    with darkColours():
        panel = make_pretrain()
        boxes = [panel.panel.finetuneBox.ui.partialCheck]
        form = panel.panel.methodBox.form
        assert form.fields
        boxes += [one.widget for one in form._made.values() if one.widget.inherits("QCheckBox")]
        assert len(boxes) > 1
        for box in boxes:
            window = panel.parent.palette.color(qt.QPalette.Window).lightness()
            assert box.palette.color(qt.QPalette.Base).lightness() > window + 40
        panel.close()
