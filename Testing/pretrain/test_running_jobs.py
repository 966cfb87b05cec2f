"""The strip of running jobs below the backend box, in both panels."""

from __future__ import annotations

import pytest
from MedSSLLib.widgets.jobTexts import nameOf, whenText
from MedSSLLib.widgets.runningJobs import MOST
from scaffold.jobs import TrainingServer
from scaffold.pretrain_panel import start

from medssl.core.errors import ResourceError

pytestmark = pytest.mark.usefixtures("nothing_cut")


def rows(strip) -> list:
    return [row for row in strip.rows if row.view is not None]


def test_a_running_job_is_seen_and_stopped(ready, process_until, grab):
    strip = ready.panel.running
    ready.parent.show()
    assert not ready.ui.runningFrame.visible
    ready.server.pace = 1
    ready.ui.nameEdit.text = "two chests"
    start(ready, process_until, "running")
    process_until(lambda: rows(strip) and "step" in strip.rows[0].bar.format)
    (row,) = rows(strip)
    assert ready.ui.runningFrame.visible and row.label.text == "two chests (pretrain)"
    assert ready.server.jobs[0].id in row.label.toolTip
    ready.ui.backendSection.collapsed = True
    ready.grab(grab, "strip")
    row.cancelButton.click()
    assert not row.cancelButton.enabled and "next step" in row.cancelButton.toolTip
    process_until(lambda: not ready.ui.runningFrame.visible)
    assert ready.server.jobs[0].state == "cancelled"


def test_a_cancel_that_failed_can_be_repeated(ready, process_until):
    strip, transport = ready.panel.running, ready.process.transport
    ready.server.pace = 1
    start(ready, process_until, "running")
    process_until(lambda: rows(strip))
    button = strip.rows[0].cancelButton
    transport.broken = ResourceError("backend", "does not answer", "Wait")
    button.click()
    assert not button.enabled
    process_until(lambda: button.enabled)
    assert "does not answer" in strip.errorLabel.text
    transport.broken = None
    button.click()
    process_until(lambda: not rows(strip))
    assert ready.server.jobs[0].state == "cancelled"


def test_a_resumed_job_can_be_cancelled_again(ready, process_until):
    strip = ready.panel.running
    ready.server.pace = 1
    start(ready, process_until, "running")
    process_until(lambda: rows(strip))
    strip.rows[0].cancelButton.click()
    process_until(lambda: not rows(strip) and ready.ui.resumeJobButton.enabled)
    ready.ui.resumeJobButton.click()
    process_until(lambda: rows(strip))
    assert strip.rows[0].cancelButton.enabled


def test_show_opens_the_progress_of_a_job(ready, process_until):
    ready.server.pace = 1
    start(ready, process_until, "running")
    process_until(lambda: rows(ready.panel.running))
    ready.panel.runBox.follow("")
    ready.ui.runSection.collapsed = True
    ready.panel.running.rows[0].showButton.click()
    process_until(lambda: ready.panel.runBox.active)
    assert not ready.ui.runSection.collapsed and ready.panel.history.current().id == ready.server.jobs[0].id


def test_more_jobs_than_rows_are_counted(ready, process_until, grab):
    ready.parent.show()
    ready.server.pace = 1
    start(ready, process_until, "running")
    for number in range(MOST + 1):
        job = ready.server.makeJob(ready.server.jobs[0].spec)
        job.id = f"20261123-0931{number:02d}-genesis"
        ready.server.jobs.append(job)
    ready.panel.history.refresh()
    process_until(lambda: ready.panel.running.moreLabel.visible)
    assert ready.panel.running.moreLabel.text == "and 2 more jobs" and len(rows(ready.panel.running)) == MOST
    ready.ui.backendSection.collapsed = True
    ready.grab(grab, "strip-many")
    ready.process.stop()
    assert not ready.ui.runningFrame.visible


def test_the_other_panel_shows_them_too(make_inference, process_until, monkeypatch, qapp):
    from MedSSLLib.widgets import runningJobs

    from medssl.client.api import submit
    from medssl.core.protocol import DataSpec, JobSpec

    monkeypatch.setattr(runningJobs, "REFRESH_MS", 20)
    server, shown = TrainingServer(pace=1), []
    spec = JobSpec("pretrain", "genesis", {"training": {"steps": 50}}, DataSpec(path="/data"), name="chests")
    server.answer(submit(spec))
    server.jobs[0].look()
    panel = make_inference(server, "restore")
    strip = panel.sections.running
    strip._show = shown.append
    for row in strip.rows:
        row.showButton.disconnect("clicked(bool)")
        row.showButton.connect("clicked(bool)", lambda _on, row=row: strip._show(row.view.id))
    panel.process.start()
    process_until(lambda: rows(strip))
    assert strip.rows[0].label.text == "chests (pretrain)" and panel.top.runningFrame.visible
    strip.rows[0].showButton.click()
    assert shown == [server.jobs[0].id]
    strip.rows[0].cancelButton.click()
    process_until(lambda: not rows(strip))
    assert server.jobs[0].state == "cancelled"


def test_show_leads_to_the_module_that_trains(ready, load_module, process_until, monkeypatch):
    import slicer
    from MedSSLLib.widgets.runningJobs import showInPretrain

    opened = []
    monkeypatch.setattr(slicer.util, "selectModule", opened.append, raising=False)
    monkeypatch.setattr(slicer.util, "getModuleWidget", lambda name: ready.widget)
    ready.server.pace = 1
    start(ready, process_until, "running")
    ready.panel.runBox.follow("")
    showInPretrain(ready.server.jobs[0].id)
    process_until(lambda: ready.panel.runBox.active)
    assert opened == ["MedSSLPretrain"]


def test_times_and_names_are_short(ready, process_until):
    start(ready, process_until, "finished")
    view = ready.panel.runBox.view
    assert nameOf(view).startswith("pretrain of ") and len(nameOf(view)) < 25
    now = 1_795_000_000.0
    assert whenText(now - 60, now).count(":") == 1
    assert whenText(now - 3 * 86400, now) == "15 Nov" and whenText(now - 400 * 86400, now).startswith("2025-")


def test_the_strip_ends_with_its_panel(make_pretrain, process_until):
    panel = make_pretrain(TrainingServer())
    backend, strip = panel.widget.backend, panel.panel.running
    assert strip.refresh in backend.changed._slots
    panel.close()
    assert strip.refresh not in backend.changed._slots
