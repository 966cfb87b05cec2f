"""The session over a fake transport that answers by path, and the backend's environment."""

from __future__ import annotations

import json
import socket
import sys

import numpy as np
import pytest
from refusals import refused

from medssl.client import backend
from medssl.client.session import Session
from medssl.client.transport import RequestsTransport
from medssl.core.errors import CancelledError, ConfigError, VolumeError
from medssl.core.protocol import DataSpec, JobSpec, JobStatus, JobView, ResultStatus, VolumeRef, to_json
from medssl.server import ALREADY_RUNS


class FakeTransport:
    """Answers each call with the next of the answers prepared for its path; remembers the calls."""

    def __init__(self, **answers):
        self.answers, self.calls = {name.replace("_", "/"): list(values) for name, values in answers.items()}, []

    def send(self, call):
        self.calls.append(call)
        waiting = self.answers[call.path.strip("/").partition("?")[0]]
        status, value = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        return call.parse(status, value if isinstance(value, bytes) else json.dumps(to_json(value)).encode())


def view(state: str, **status) -> JobView:
    return JobView("j", JobSpec("pretrain", "genesis", {}, DataSpec(path="/d")), JobStatus(state, **status), 0, ())


def session(**answers) -> tuple[Session, FakeTransport]:
    transport = FakeTransport(**answers)
    return Session(transport, sleep=lambda seconds: None), transport


def test_wait_passes_every_event_once():
    portions = [
        {"events": [{"n": 0}], "next": 1},
        {"events": [], "next": 1},
        {"events": [{"n": 1}], "next": 2},
        {"events": [], "next": 2},
    ]
    talk, transport = session(
        jobs_j=[(200, view("running")), (200, view("running")), (200, view("finished"))],
        jobs_j_events=[(200, portion) for portion in portions],
    )
    seen = []
    assert talk.wait("j", seen.append).status.state == "finished"
    assert [event["n"] for event in seen] == [0, 1]
    assert [call.path[-1] for call in transport.calls if "after" in call.path] == ["0", "1", "1", "2"]


def test_wait_raises_what_went_wrong():
    error = VolumeError("ct.nrrd", "is truncated", "Copy it again").as_dict()
    nothing = [(200, {"events": [], "next": 0})]
    with refused("volume", names="ct.nrrd"):
        session(jobs_j=[(200, view("failed", error=error))], jobs_j_events=nothing)[0].wait("j")
    with pytest.raises(CancelledError):
        session(jobs_j=[(200, view("cancelled"))], jobs_j_events=nothing)[0].wait("j")
    assert (
        session(jobs_j=[(200, view("interrupted"))], jobs_j_events=nothing)[0].wait("j").status.state == "interrupted"
    )


def test_pretrain_sends_the_complete_preset():
    talk, transport = session(jobs=[(201, view("queued"))])
    talk.pretrain(DataSpec(path="/d"), preset="laptop", config={"training": {"steps": 7}}, name="mine")
    sent = json.loads(transport.calls[0].body)
    assert sent["config"]["base_width"] == 8 and sent["config"]["training"]["steps"] == 7 and sent["name"] == "mine"
    with pytest.raises(ConfigError):
        talk.pretrain(DataSpec(path="/d"), preset="nothing")


def test_upload_sends_only_what_is_not_there(monkeypatch):
    monkeypatch.setattr("medssl.client.volumes.PIECE", 100)
    array = np.zeros((2, 3, 4), np.int16)

    class Volumes(FakeTransport):
        def send(self, call):
            self.calls.append(call)
            return call.parse(404 if call.method == "HEAD" and not self.answers else 200, b"")

    transport = Volumes()
    ref = Session(transport).upload_array(array, np.eye(4), name="ct", modality="CT")
    assert len(ref.sha256) == 64 and (ref.name, ref.modality) == ("ct", "CT")
    assert [call.method for call in transport.calls][:2] == ["HEAD", "PUT"]
    known = Volumes(has=[])
    Session(known).upload_array(array, np.eye(4))
    assert [call.method for call in known.calls] == ["HEAD"]


def test_restore_waits_and_tells_progress():
    def status(state, **fields):
        return ResultStatus("r", "restore", state, **fields)

    talk, _ = session(
        inspect_restore=[(202, status("queued"))],
        results_r=[
            (200, status("running", progress=0.5, message="half")),
            (200, status("finished", files=("restored.nrrd",))),
        ],
    )
    told = []
    result = talk.restore(
        VolumeRef(path="/ct.nrrd"), "j", lambda share, message: told.append((share, message)), strength=0.5
    )
    assert result.files == ("restored.nrrd",) and told == [(0.0, ""), (0.5, "half")]


def test_a_click_is_answered_by_one_call():
    done = ResultStatus("s", "similarity", "finished", info={"maps": []})
    talk, transport = session(inspect_similarity=[(200, done)])
    images = [VolumeRef(path="/a.png"), VolumeRef(path="/b.png")]
    assert talk.similarity(images, "j", 3.5, 4, source=1) == done
    assert [call.path for call in transport.calls] == ["/inspect/similarity?wait=2"]
    sent = json.loads(transport.calls[0].body)
    assert (sent["x"], sent["y"], sent["source"], len(sent["images"])) == (3.5, 4, 1, 2)


@pytest.mark.parametrize("kind", ["correspond", "cosegment", "patchmap"])
def test_inspections_of_several_images_wait(kind):
    queued, done = (ResultStatus("r", kind, state) for state in ("queued", "finished"))
    talk, transport = session(**{f"inspect_{kind}": [(202, queued)], "results_r": [(200, done)]})
    assert getattr(talk, kind)([VolumeRef(path="/a.png")] * 2, "j", seed=4) == done
    assert json.loads(transport.calls[0].body)["seed"] == 4


def test_landmarks_of_several_models():
    done = ResultStatus("r", "landmarks", "finished")
    talk, transport = session(inspect_landmarks=[(200, done)])
    assert talk.landmarks(DataSpec(path="/c.csv"), ["a", "b"], landmarks="/l.csv", groups=("sex",)) == done
    sent = json.loads(transport.calls[0].body)
    assert sent["models"] == ["a", "b"] and sent["groups"] == ["sex"]


def test_nobody_there_is_told_with_a_remedy():
    transport = RequestsTransport(backend.ServerAddress("http://127.0.0.1:9", "t"))
    with refused("backend-silent", names="medssl serve"):
        Session(transport).wait("j")


def test_proxies_of_the_environment_are_not_used(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert RequestsTransport(backend.ServerAddress("http://x", "t"))._session.trust_env is False


def test_slicers_own_paths_do_not_reach_another_python():
    base = {
        "PYTHONPATH": "/slicer",
        "PYTHONHOME": "/slicer",
        "LD_LIBRARY_PATH": "/slicer",
        "PATH": "/bin",
        "HOME": "/h",
    }
    made = backend.environment(base)
    assert made == {"PATH": "/bin", "HOME": "/h", "PYTHONUTF8": "1", "PYTHONUNBUFFERED": "1"}


def test_start_find_stop(tmp_path):
    home = tmp_path / "Häuser mit Leerzeichen"
    address = backend.start(sys.executable, home)
    try:
        assert backend.find(home) == address == backend.start(sys.executable, home)
    finally:
        backend.stop(address)
    assert backend.find(tmp_path / "elsewhere") is None


@pytest.fixture
def python(tmp_path):
    """`python(script)` writes a stand-in for the Python of an environment."""

    def make(script: str):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


def test_of_two_starts_at_once_the_refused_one_waits_for_the_other_ones_server(tmp_path, python, monkeypatch):
    address, looks = backend.ServerAddress("http://127.0.0.1:9", "t"), iter([None] * 6)  # half a second of them
    monkeypatch.setattr(backend, "find", lambda home: next(looks, address))
    refused_one = python(f"echo 'already has a server' >&2\nexit {ALREADY_RUNS}")
    assert backend.start(refused_one, tmp_path / "home") == address


def test_a_start_that_the_server_of_another_machine_prevents_is_told_at_once(tmp_path, python):
    home = tmp_path / "home"
    home.mkdir()
    written = {"url": "http://127.0.0.1:9", "token": "t", "pid": 1, "started": 0.0, "proof": True, "host": "gpu07"}
    (home / "server.json").write_text(json.dumps(written))
    with refused("backend-unstartable", names="on gpu07"):
        backend.start(python(f"echo 'has a server on gpu07' >&2\nexit {ALREADY_RUNS}"), home, timeout_s=20)


def test_a_start_leaves_the_log_of_a_running_server_and_quotes_its_own_words(tmp_path, python):
    home = tmp_path / "home"
    home.mkdir()
    log = home / "server.log"
    log.write_bytes(b"words of a running server\n")
    with refused("backend-unstartable", names="no message"):
        backend.start(python("exit 1"), home)
    with refused("backend-unstartable", names="my words"):
        backend.start(python("echo 'my words' >&2; exit 1"), home)
    assert log.read_bytes() == b"words of a running server\nmy words\n"
    log.write_bytes(bytes(backend.LONGEST_LOG + 1))
    with refused("backend-unstartable", names="my words"):
        backend.start(python("echo 'my words' >&2; exit 1"), home)
    assert log.read_bytes() == b"my words\n"


def test_the_loopback_address_of_another_machine_is_told_from_ones_own():
    def elsewhere(url: str, host: str) -> bool:
        return backend.is_elsewhere(backend.ServerAddress(url, "t", host=host))

    assert elsewhere("http://127.0.0.1:9", "gpu07") and elsewhere("https://[::1]:9", "gpu07")
    assert not elsewhere("http://gpu07:9", "gpu07")  # that can be reached
    assert not elsewhere("http://127.0.0.1:9", socket.gethostname())
    assert not elsewhere("http://127.0.0.1:9", "")  # of an earlier version


def test_an_environment_without_the_package_says_so(tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho \"/x/python: No module named 'fastapi'\" >&2\nexit 1\n")
    python.chmod(0o755)
    with refused("backend-unstartable", names="pip install medssl") as raised:
        backend.start(python, tmp_path / "home")
    assert "fastapi" in raised.value.rule
    with refused("backend-not-startable"):
        backend.start(tmp_path / "nothing", tmp_path / "home")


def test_a_damaged_address_file_is_no_server(tmp_path):
    for text in ("", "{}", '{"url": 5', "[]"):
        (tmp_path / "server.json").write_text(text)
        assert backend.find(tmp_path) is None
