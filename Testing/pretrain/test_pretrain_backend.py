"""MedSSLLib against a real server process: start, upload in pieces, wrong token, stop; and a job from the panel."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import socket
import stat
import sys
import threading

import numpy as np
import pytest
import slicer
from MedSSLLib.backend.backendProcess import BackendProcess
from MedSSLLib.backend.qtTransport import QtTransport
from MedSSLLib.install.environments import OTHER, OWN, Environment
from MedSSLLib.scene.volumeExport import unmodifiedFile, uploadSteps
from MedSSLLib.steps import StepRunner
from scaffold import phantoms

from medssl.client import api, backend, volumes
from medssl.core.errors import AccessError, NotFoundError, ResourceError
from medssl.server import ALREADY_RUNS

missing = [name for name in ("fastapi", "uvicorn", "nrrd") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(missing), reason=f"the backend's packages are missing here: {missing}")
HERE = Environment(OTHER, "this Python", sys.executable)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder with a space and an umlaut; a server left in it is ended."""
    folder = tmp_path / "Häuser und Höfe"
    monkeypatch.setenv("MEDSSL_HOME", str(folder))
    monkeypatch.setenv("MEDSSL_PYTHON", sys.executable)
    yield folder
    if (address := backend.find()) is not None:
        backend.stop(address)


@pytest.fixture
def process(harness, home):
    process = BackendProcess()
    yield process
    process.unwatch()


def ask(transport, call, process_until):
    """Send through Qt and wait; returns the answer or the error."""
    answers = []
    transport.send(call, answers.append, answers.append)
    process_until(lambda: answers, 30)
    return answers[0]


@pytest.fixture
def transport(process, process_until):
    process.start(HERE)
    assert process.state == "starting"
    process_until(lambda: process.state != "starting", 60)
    assert process.state == "up", process.error
    return process.transport


def test_start_ask_stop(process, transport, home, process_until):
    assert ask(transport, api.health(), process_until)["app"] == "medssl"
    assert ask(transport, api.jobs(), process_until) == []
    assert isinstance(ask(transport, api.job("none"), process_until), NotFoundError)
    other = BackendProcess()
    other.watch()
    process_until(lambda: other.state == "up")
    other.unwatch()
    process.stop()
    process_until(lambda: process.state == "down" and backend.read_address() is None, 20)
    assert process.error is None


def test_a_stop_in_one_module_is_no_error_in_the_other(process, transport, process_until):
    other, seen = BackendProcess(), []
    other.changed.connect(lambda: seen.append(other.error))
    other.watch()
    process_until(lambda: other.state == "up")
    process.stop()
    process_until(lambda: other.state == "down", 20)
    other.unwatch()
    assert seen == [None, None] and other.error is None


def test_the_server_imports_nothing_from_the_home(process, home, tmp_path, process_until, monkeypatch):
    home.mkdir()
    marker = tmp_path / "marker.txt"
    for folder in (home, tmp_path):
        for name in ("psutil", "argparse"):
            (folder / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write(__file__)\n")
    monkeypatch.chdir(tmp_path)
    process.start(HERE)
    process_until(lambda: process.state != "starting", 60)
    assert process.state == "up" and not marker.exists()


def test_wrong_token(transport, process_until):
    stranger = QtTransport(backend.ServerAddress(transport.address.url, "guess"))
    assert isinstance(ask(stranger, api.jobs(), process_until), AccessError)


def test_a_stranger_gets_no_token(process, home, process_until):
    """A program on the port of a server that died, whose server.json is still there."""
    heard = []

    class Stranger(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            heard.append(dict(self.headers))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"app": "medssl", "proof": "00"}')

        def log_message(self, *_):
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stranger)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    home.mkdir()
    url = f"http://127.0.0.1:{server.server_port}"
    written = {"url": url, "token": "the-token", "pid": 1, "started": 0.0, "proof": True}
    (home / "server.json").write_text(json.dumps(written))
    process.watch()
    error = ask(QtTransport(backend.read_address()), api.jobs(), process_until)
    process_until(lambda: len(heard) >= 2, 20)
    server.shutdown()
    server.server_close()
    (home / "server.json").unlink()
    assert isinstance(error, AccessError) and error.code == "server-unproven" and process.state == "down"
    assert not any("the-token" in str(headers) for headers in heard)


def test_server_killed_is_noticed(process, transport, process_until):
    os.kill(transport.address.pid, 9)
    process_until(lambda: process.state == "down", 20)
    assert "has ended" in str(process.error)


def test_nobody_answers(harness, process_until):
    lonely = QtTransport(backend.ServerAddress("http://127.0.0.1:9", "x"))
    error = ask(lonely, api.health(), process_until)
    assert isinstance(error, ResourceError) and "does not answer" in str(error)


def test_all_transports_share_one_network_manager(transport):
    """PythonQt deletes a manager with its transport, and its replies with it, in the midst of their own deletion."""
    assert QtTransport(backend.ServerAddress("http://127.0.0.1:9", "x"))._manager is transport._manager


def test_abort_calls_nothing_back(transport, process_until, capfd):
    heard = []
    transport.send(api.jobs(), heard.append, heard.append).abort()
    assert ask(transport, api.health(), process_until) and not heard
    assert "device not open" not in capfd.readouterr().err  # Qt's word for reading from an aborted reply


@pytest.fixture
def silent(harness):
    """A transport to a server that takes calls and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        transport = QtTransport(backend.ServerAddress(f"http://127.0.0.1:{server.getsockname()[1]}", "x"))
        yield transport
        transport.abandon()


def test_who_waits_while_the_backend_is_disconnected_is_told(silent, process_until):
    heard = []
    silent.send(api.health(), heard.append, heard.append)
    silent.close()
    assert not heard, "from the event loop"
    process_until(lambda: heard)
    silent.send(api.jobs(), heard.append, heard.append)
    process_until(lambda: len(heard) == 2)
    assert [error.code for error in heard] == ["disconnected"] * 2 and "connect it again" in heard[0].remedy


def test_an_abandoned_transport_calls_nothing_back(silent, qapp, capfd):
    heard = []
    silent.send(api.health(), heard.append, heard.append)
    silent.abandon()
    for _ in range(20):
        qapp.processEvents()
    assert not heard and "device not open" not in capfd.readouterr().err


def test_why_a_start_failed_is_shown(process, tmp_path, process_until):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho \"ModuleNotFoundError: No module named 'fastapi'\" >&2\nexit 1\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    process.start(Environment(OTHER, "broken", str(broken)))
    process_until(lambda: process.state == "down", 20)
    assert "No module named 'fastapi'" in str(process.error) and "pip install" in process.error.remedy
    process.start(Environment(OWN, "own", str(broken)))
    process_until(lambda: process.state == "down", 20)
    assert "Repair" in process.error.remedy
    process.start(Environment(OTHER, "gone", str(tmp_path / "nothing")))
    assert "cannot be run" in str(process.error)


def test_only_an_environment_at_fault_is_to_be_repaired(process, tmp_path, process_until):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'home folder x: already has a server at y on gpu07.' >&2\nexit 1\n")
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    process.start(Environment(OWN, "own", str(python)))
    process_until(lambda: process.state == "down", 20)
    assert "on gpu07" in str(process.error) and "Repair" not in process.error.remedy


def test_of_two_starts_the_refused_one_waits_for_the_other_ones_server(harness, home, process_until):
    class Refused:
        """A start that came second."""

        def poll(self):
            return ALREADY_RUNS

    second = BackendProcess(launch=lambda _environment: Refused())
    second.start(HERE)
    second.poll()
    assert second.state == "starting" and second.error is None
    first = BackendProcess()
    first.start(HERE)
    process_until(lambda: second.state != "starting", 60)
    assert second.state == "up", second.error
    for one in (first, second):
        one.unwatch()


def test_a_home_folder_that_cannot_be_written_is_shown(process, home):
    home.write_text("in the way")
    process.start(HERE)
    assert process.state == "down" and "cannot be written" in str(process.error)
    home.unlink()


def test_upload_in_pieces_once(scene, transport, process_until, monkeypatch):
    monkeypatch.setattr(volumes, "pieces", lambda total: ((a, min(a + 50_000, total)) for a in range(0, total, 50_000)))
    node = phantoms.volume(oblique=True)
    sent = []

    class Counting:
        def send(self, call, onDone, onError):
            sent.append(call.method)
            transport.send(call, onDone, onError)

    for _ in range(2):
        done = []
        StepRunner(uploadSteps(node), Counting(), done.append, done.append).start()
        process_until(lambda done=done: done, 20)
        assert done[0].sha256, done
    assert sent.count("PUT") > 5 and sent.count("HEAD") == 2
    node.GetImageData().Modified()
    slicer.util.arrayFromVolume(node)[0, 0, 0] += 1
    slicer.util.arrayFromVolumeModified(node)
    done = []
    StepRunner(uploadSteps(node), transport, done.append, done.append).start()
    process_until(lambda: done, 20)
    assert ask(transport, api.has_volume(done[0].sha256), process_until) is True


def test_an_unmodified_file_travels_as_its_path(scene, tmp_path):
    path = tmp_path / "größe 1.nrrd"
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    path.write_bytes(volumes.nrrd_bytes(array, np.diag([-1.0, -1.0, 2.0, 1.0])))
    node = slicer.util.loadVolume(str(path))
    assert unmodifiedFile(node) == path
    with pytest.raises(StopIteration) as end:
        next(uploadSteps(node, loopback=True))
    assert end.value.value.path == str(path)
    slicer.util.arrayFromVolume(node)[0] = 0
    slicer.util.arrayFromVolumeModified(node)
    assert unmodifiedFile(node) is None


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_pretrain_for_real(scene, home, load_module, process_until):
    """Console: a few steps on two phantoms, then the panel shows the job from its history."""
    module = load_module("MedSSLPretrain")
    nodes = [phantoms.volume(f"chest {n}", oblique=n == 2) for n in (1, 2)]
    training = {"steps": 4, "batch_size": 2, "warmup_steps": 1, "validate_every": 2, "validation_samples": 2,
                "checkpoint_every": 2}  # fmt: skip
    logic = slicer.util.getModuleLogic("MedSSLPretrain")
    job = logic.pretrain(nodes, config={"base_width": 4, "training": training}, modality="CT", name="small")
    assert job.model and [e["step"] for e in job.events if e["type"] == "metric"][-1] == 4
    widget = module.widgetRepresentation().self()
    process_until(lambda: widget.ui.jobsTable.rowCount == 1, 30)
    widget.ui.jobsTable.selectRow(0)
    process_until(lambda: len(widget.panel.runBox.chart.points("loss")) == 4, 30)
    widget.ui.volumesSelector.check(nodes[0])
    widget.ui.volumesSelector.check(nodes[1])
    widget.ui.modalityCombo.currentIndex = 1
    widget.ui.checkButton.click()
    process_until(lambda: widget.ui.dataSummary.text or widget.ui.dataError.text, 60)
    assert "2 volumes of 2 patients, CT" in widget.ui.dataSummary.text, widget.ui.dataError.text
    widget.ui.previewButton.click()
    process_until(lambda: widget.panel.dataBox.previewNodes or widget.ui.dataError.text, 60)
    assert len(widget.panel.dataBox.previewNodes) == 2, widget.ui.dataError.text
