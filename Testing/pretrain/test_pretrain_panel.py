"""The pretrain panel, clicked: load, check, preview, start, chart, end; cancel, resume; every state with a picture."""

from __future__ import annotations

import pytest
import qt
import slicer
from scaffold import phantoms
from scaffold.jobs import EVERY, NO_TORCH, STEPS, TrainingServer
from scaffold.pretrain_panel import WIDTH, start
from scaffold.transports import SECOND_MS

from medssl.client import volumes
from medssl.core.errors import CatalogError, ResourceError


def test_nothing_loaded(panel, grab):
    ui = panel.ui
    for button in (ui.startButton, ui.checkButton, ui.previewButton):
        assert not button.enabled and button.toolTip
    assert "Load a CT or MR volume" in ui.checkButton.toolTip
    assert panel.backendUi.startButton.enabled and "Not running" in panel.backendUi.stateLabel.text
    panel.grab(grab, "nothing-loaded")


def test_backend_down(panel, grab):
    panel.ui.volumesSelector.check(phantoms.volume())
    assert panel.ui.startButton.toolTip == "Start the backend first"
    assert panel.ui.cancelJobButton.toolTip == "Start the backend first"
    panel.process.refuse = ResourceError(
        "backend with /opt/env/bin/python", "cannot be started (No module named 'fastapi')",
        "Install MedSSL into that environment (pip install medssl), or choose another one",
    )  # fmt: skip
    panel.backendUi.startButton.click()
    assert "fastapi" in panel.backendUi.errorLabel.text and not panel.ui.startButton.enabled
    panel.grab(grab, "backend-down")


def test_environment_without_torch(make_pretrain, process_until, grab):
    panel = make_pretrain(TrainingServer(devices=NO_TORCH))
    panel.backendUi.startButton.click()
    process_until(lambda: "torch" in panel.backendUi.errorLabel.text)
    assert "pip install torch" in panel.backendUi.errorLabel.text
    panel.grab(grab, "no-torch")


def test_load_check_preview_start_chart_finished(ready, process_until, grab):
    ui, runBox = ready.ui, ready.panel.runBox
    ui.checkButton.click()
    process_until(lambda: ui.dataSummary.text != "")
    assert "2 volumes of 2 patients, CT" in ui.dataSummary.text
    ui.previewButton.click()
    process_until(lambda: ready.panel.dataBox.previewNodes)
    original, distorted = ready.panel.dataBox.previewNodes
    views = [slicer.app.layoutManager().sliceWidget(name) for name in ("MedSSLSamples", "MedSSLDistortedSamples")]
    shown = [view.sliceLogic().GetSliceCompositeNode().GetBackgroundVolumeID() for view in views]
    assert shown == [original.GetID(), distorted.GetID()]
    slicer.app.layoutManager().viewport().show()
    slicer.app.processEvents()
    slicer.app.layoutManager().resetSliceViews()
    grab(slicer.app.layoutManager().viewport(), "pretrain-preview", 760, 420)

    ui.nameEdit.text = "two chests"
    ui.startButton.click()
    process_until(lambda: len(runBox.chart.points("loss")) > 100)
    assert ui.startButton.text == "Cancel" and ui.startButton.enabled
    assert 0 < ui.progressBar.value < 1000 and "left" in ui.progressBar.format
    early = len(runBox.chart.points("loss"))
    (job,) = ready.server.jobs
    pace, job.pace = job.pace, 0  # it waits for its picture
    ready.grab(grab, "running")
    job.pace = pace
    process_until(lambda: not runBox.active)
    assert len(runBox.chart.points("loss")) == STEPS > early
    assert [step for step, _ in runBox.chart.points("validation_loss")] == list(range(EVERY, STEPS + 1, EVERY))
    assert runBox.chart.points("constant_mean_loss")[0][1] == pytest.approx(0.059)
    assert f"Finished at step {STEPS}" in ui.logEdit.plainText and "finished" in ui.jobLabel.text
    assert ui.startButton.text == "Start pretraining" and ui.startButton.enabled
    ready.grab(grab, "finished")


def test_check_of_a_folder_names_what_is_left_out_and_what_cannot_be_used(ready, process_until, grab):
    ui = ready.ui
    ui.sourceCombo.currentIndex = ui.sourceCombo.findData("folder")
    ui.folderPath.currentPath = "/data/pacs"
    ui.checkButton.click()
    process_until(lambda: ui.dataSummary.text != "")
    for text in ("/data/pacs/p3/ct.nii.gz: is cut off", "2 x localiser", "median 1 x 1 x 2", "12 x LPS"):
        assert text in ui.dataSummary.text
    ready.grab(grab, "checked-folder")


def test_volumes_travel_once(ready, process_until):
    ready.ui.checkButton.click()
    process_until(lambda: ready.ui.dataSummary.text != "")
    start(ready, process_until, "finished")
    assert sum(call.startswith("PUT /volumes") for call in ready.server.calls) == 2
    assert len(ready.server.jobs[0].spec.data.volumes) == 2


def test_form_values_reach_the_job(ready, process_until):
    form = ready.panel.methodBox.form
    form.fields["training"].fields["steps"].widget.value = 80
    assert "changed" in ready.ui.presetCombo.currentText and "training.steps" in ready.ui.presetCombo.toolTip
    ready.backendUi.deviceCombo.currentIndex = 2
    start(ready, process_until, "finished")
    spec = ready.server.jobs[0].spec
    assert spec.config["training"]["steps"] == 80 and spec.config["base_width"] == 8 and spec.device == "cpu"


def test_a_text_that_is_no_number_disables_start_and_says_so(ready):
    field = ready.panel.methodBox.form.fields["training"].fields["learning_rate"]
    field.widget.text = "fast"
    ready.panel.update()
    assert not ready.ui.startButton.enabled and "must be a number" in ready.ui.startButton.toolTip


def test_cancel_and_resume(ready, process_until, grab):
    ui, runBox = ready.ui, ready.panel.runBox
    ready.server.pace = 30
    ui.startButton.click()
    process_until(lambda: len(runBox.chart.points("loss")) >= 60)
    ui.startButton.click()
    process_until(lambda: runBox.view.status.state == "cancelled")
    assert "cancelled" in ui.jobLabel.text
    stopped = runBox.view.status.step
    process_until(lambda: ui.resumeJobButton.enabled and not ui.cancelJobButton.enabled)
    ready.grab(grab, "cancelled")
    ui.resumeJobButton.click()
    process_until(lambda: runBox.view.status.state == "finished")
    steps = [step for step, _ in runBox.chart.points("loss")]
    assert steps == list(range(1, STEPS + 1)) and stopped < STEPS  # the repeated steps replaced the old ones


def test_failed_job_shows_value_rule_and_remedy(ready, process_until, grab):
    ready.server.failAt = 120
    start(ready, process_until, "failed")
    process_until(lambda: "Traceback" in ready.ui.logEdit.plainText)
    for part in ("results/model.safetensors", "the disk is full", "Free 80 MB"):
        assert part in ready.ui.runError.text
    process_until(lambda: ready.ui.resumeJobButton.enabled)
    ready.grab(grab, "failed")


def test_a_killed_job_reads_interrupted_and_resumes(ready, process_until, grab):
    ui, runBox = ready.ui, ready.panel.runBox
    ready.server.pace = 20
    ui.startButton.click()
    process_until(lambda: len(runBox.chart.points("loss")) >= 100)
    ready.server.jobs[0].state = "interrupted"
    process_until(lambda: "was interrupted" in ui.runError.text and ui.resumeJobButton.enabled)
    ready.grab(grab, "interrupted")
    ui.resumeJobButton.click()
    process_until(lambda: runBox.view.status.state == "finished")
    assert [step for step, _ in runBox.chart.points("loss")] == list(range(1, STEPS + 1))
    assert "Resumed at step" in ui.logEdit.plainText and not ui.runError.visible


def test_a_refused_start_is_shown_and_nothing_is_lost(ready, process_until):
    ready.server.refusal = CatalogError("training set", "has one patient", "Add another patient")
    ready.ui.startButton.click()
    process_until(lambda: "has one patient" in ready.ui.startError.text)
    assert ready.ui.startButton.enabled and len(ready.ui.volumesSelector.checkedNodes()) == 2
    ready.ui.checkButton.click()
    process_until(lambda: "Add another patient" in ready.ui.dataError.text)


def test_server_dies_during_the_job(ready, process_until, grab):
    ui, runBox = ready.ui, ready.panel.runBox
    ready.server.pace = 10
    ui.startButton.click()
    process_until(lambda: len(runBox.chart.points("loss")) > 40)
    ready.process.die()
    assert not ui.startButton.enabled and "went on" in ready.backendUi.errorLabel.text
    ready.grab(grab, "server-gone")
    ready.server.pace = 100
    ready.backendUi.startButton.click()
    process_until(lambda: runBox.view.status.state == "finished")
    assert [step for step, _ in runBox.chart.points("loss")] == list(range(1, STEPS + 1))


def test_stopping_the_backend_ends_the_sending(ready, process_until):
    ready.ui.startButton.click()
    assert ready.ui.startButton.text == "Cancel sending"
    ready.backendUi.startButton.click()
    process_until(lambda: not ready.panel.startBox.busy)
    assert (
        ready.ui.startButton.text == "Start pretraining" and ready.ui.startButton.toolTip == "Start the backend first"
    )
    assert "was disconnected" in ready.panel.startBox._errorLabel.text
    assert not ready.ui.jobsError.text, "the list is asked for again and again"


def test_cancel_stops_the_sending_between_two_pieces(ready, process_until, monkeypatch):
    monkeypatch.setattr(volumes, "pieces", lambda total: ((a, min(a + 999, total)) for a in range(0, total, 999)))
    button, sent = ready.ui.startButton, ready.server.calls
    button.click()
    process_until(lambda: [call for call in sent if call.startswith("PUT")])
    assert button.enabled
    button.click()
    assert button.text == "Cancelling..." and not button.enabled
    pieces = len([call for call in sent if call.startswith("PUT")])
    process_until(lambda: not ready.panel.startBox.busy)
    assert len([call for call in sent if call.startswith("PUT")]) <= pieces + 1 and not ready.server.jobs
    assert button.text == "Start pretraining" and button.enabled and not ready.ui.startError.text


def test_a_cancel_after_the_last_piece_asks_for_no_job(ready, process_until, monkeypatch):
    take = ready.server._volume

    def taken(call, sha256):
        answer = take(call, sha256)
        if call.method == "PUT" and len(ready.server.volumes) == 2:
            ready.ui.startButton.click()  # while the answer is on its way
        return answer

    monkeypatch.setattr(ready.server, "_volume", taken)
    ready.ui.startButton.click()
    process_until(lambda: not ready.panel.startBox.busy)
    assert "POST /jobs" not in ready.server.calls and not ready.server.jobs


def test_a_job_that_was_asked_for_before_the_cancel_is_cancelled(ready, process_until, monkeypatch):
    submit = ready.server._submit

    def submitted(call):
        view = submit(call)
        ready.ui.startButton.click()  # while the answer is on its way
        return view

    monkeypatch.setattr(ready.server, "_submit", submitted)
    ready.ui.startButton.click()
    process_until(lambda: not ready.panel.startBox.busy)
    (job,) = ready.server.jobs
    assert job.state == "cancelled" and ready.panel.runBox.view is None
    assert ready.ui.startButton.text == "Start pretraining" and not ready.ui.startError.text


def test_a_stop_while_the_lists_are_asked_for_is_no_error_of_theirs(panel, qapp):
    panel.backendUi.startButton.click()
    panel.backendUi.startButton.click()
    for _ in range(20):
        qapp.processEvents()
    assert panel.process.state == "down"
    assert [label.text for label in (panel.ui.runError, panel.sets.ui.setsError, panel.ui.jobsError)] == [""] * 3


def test_a_look_that_failed_is_repeated(ready, process_until, monkeypatch):
    monkeypatch.setattr("MedSSLLib.steps.SECOND_MS", SECOND_MS)
    ready.server.pace = 1
    start(ready, process_until, "running")
    ready.process.transport.broken = ResourceError("backend", "does not answer", "Wait")
    process_until(lambda: "does not answer" in ready.ui.runError.text)
    assert ready.ui.startButton.text == "Cancel"
    (job,) = ready.server.jobs
    ready.process.transport.broken, job.pace = None, 100
    process_until(lambda: ready.panel.runBox.view.status.state == "finished")
    assert not ready.ui.runError.text and ready.ui.startButton.text == "Start pretraining"


def test_a_job_that_was_deleted_elsewhere_is_followed_no_more(ready, process_until):
    ready.server.pace = 1
    start(ready, process_until, "running")
    ready.server.jobs.clear()
    process_until(lambda: ready.panel.runBox.view is None)
    assert "is not there" in ready.ui.runError.text and ready.ui.jobLabel.text == "No job yet"
    assert ready.ui.startButton.text == "Start pretraining" and ready.ui.startButton.enabled


def test_only_images_are_offered(panel, scene):
    ct, grey = phantoms.volume("ct"), phantoms.picture("radiograph")
    for kind in ("vtkMRMLLabelMapVolumeNode", "vtkMRMLDiffusionTensorVolumeNode", "vtkMRMLStreamingVolumeNode"):
        scene.AddNewNodeByClass(kind, kind)
    selector = panel.ui.volumesSelector
    assert [selector.nodeFromIndex(n) for n in range(selector.nodeCount())] == [ct, grey]


def test_history_survives_a_restart_of_slicer(ready, make_pretrain, process_until, grab):
    start(ready, process_until, "finished")
    again = make_pretrain(ready.server)
    again.backendUi.startButton.click()
    process_until(lambda: again.ui.jobsTable.rowCount == 1)
    cells = [again.ui.jobsTable.item(0, column).text() for column in range(3)]
    assert cells[0].startswith("pretrain of") and cells[1:] == ["finished", "100 %"]
    assert "Select a job" in again.ui.jobCard.text
    again.ui.jobsTable.selectRow(0)
    process_until(lambda: "Last loss 0.0340" in again.ui.jobCard.text)
    for text in ("pretrain: Models Genesis", "2 volumes (chest 1, chest 2)", f"{STEPS} of {STEPS} steps"):
        assert text in again.ui.jobCard.text
    assert ready.server.jobs[0].id in again.ui.jobCard.toolTip and ready.server.jobs[0].id not in again.ui.jobCard.text
    process_until(lambda: len(again.panel.runBox.chart.points("loss")) == STEPS)
    assert "Finished" in again.ui.logEdit.plainText


def test_history_buttons(ready, process_until):
    ui = ready.ui
    start(ready, process_until, "finished")
    process_until(lambda: ui.deleteJobButton.enabled)
    assert not ui.cancelJobButton.enabled and "queued or running" in ui.cancelJobButton.toolTip
    assert "another computer" in ui.revealJobButton.toolTip
    ui.deleteJobButton.click()
    process_until(lambda: ui.jobsTable.rowCount == 0)
    assert not ready.server.jobs and len(ready.questions) == 1 and ui.jobLabel.text == "No job yet"


def test_reveal_opens_the_job_folder(ready, process_until):
    start(ready, process_until, "finished")
    ready.process.transport.sharesFiles = True
    ready.panel.history.update()
    ready.ui.revealJobButton.click()
    assert ready.opened[0].endswith(ready.server.jobs[0].id)


def test_another_computer(panel, process_until, grab):
    ui = panel.backendUi
    ui.settingsSection.collapsed = False
    ui.placeCombo.currentIndex = 1
    assert not ui.startButton.enabled and "token" in ui.startButton.toolTip
    ui.addressEdit.text, ui.tokenEdit.text = "server.example", "secret"
    ui.startButton.click()
    assert "is not an address" in ui.errorLabel.text
    ui.addressEdit.text = "http://server.example:8443"
    ui.startButton.click()
    assert "without encryption" in ui.errorLabel.text and "secret" not in ui.errorLabel.text
    ui.addressEdit.text = "https://server.example:8443/"
    panel.grab(grab, "another-computer")
    ui.startButton.click()
    process_until(lambda: panel.widget.backend.transport is not None)
    assert ui.startButton.text == "Disconnect"
    ui.startButton.click()
    assert panel.widget.backend.transport is None
    slicer.app.processEvents()  # who waited is told


def test_creating_the_environment(panel, process_until, grab):
    ui, box = panel.backendUi, panel.widget.backend.installing
    ui.environmentCombo.currentIndex = ui.environmentCombo.findData("own")
    process_until(lambda: box.ui.installButton.enabled)
    assert box.ui.installButton.text == "Create environment"
    box.ui.installButton.click()
    process_until(lambda: panel.builder.built)
    assert [step.key for step in panel.builder.built[0].steps] == [
        "tool",
        "python",
        "torch",
        "source",
        "packages",
        "check",
    ]
    assert "Collecting uv" in box.ui.installLog.plainText and box.ui.installButton.text == "Cancel"
    panel.grab(grab, "creating-environment")
    panel.builder.end(ResourceError("PyTorch", "cannot be installed (no space left)", "Free some space"))
    assert "no space left" in box.ui.installError.text and not panel.builder.running


def test_overview(ready, process_until, grab):
    """The module beside the views, as a user sees them."""
    ready.ui.previewButton.click()
    process_until(lambda: ready.panel.dataBox.previewNodes)
    ready.ui.nameEdit.text = "two chests"
    ready.ui.methodSection.collapsed = True
    start(ready, process_until, "running")
    process_until(lambda: len(ready.panel.runBox.chart.points("loss")) > 200)
    process_until(lambda: ready.ui.jobsTable.rowCount == 1)
    views, window = slicer.app.layoutManager().viewport(), qt.QWidget()
    row = qt.QHBoxLayout(window)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(ready.parent)
    row.addWidget(views)
    ready.parent.setFixedWidth(WIDTH)
    ready.parent.show()
    views.show()
    window.show()
    slicer.app.processEvents()
    window.resize(1400, ready.parent.layout().totalHeightForWidth(WIDTH))
    slicer.app.processEvents()
    slicer.app.layoutManager().resetSliceViews()
    grab(window, "pretrain-overview")
    assert ready.panel.runBox.chart.points("validation_loss")
    for widget in (ready.parent, views):
        widget.setParent(None)


def test_panel_without_main_window(make_pretrain, qapp):
    manager, qapp._layoutManager = qapp._layoutManager, None
    try:
        panel = make_pretrain()
        assert not panel.ui.startButton.enabled
    finally:
        qapp._layoutManager = manager
