"""The code of an error on its way: through processes, job folders, HTTP and the terminal."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
from fakes import write_phantoms
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.client.api import error_of
from medssl.core import errors
from medssl.core.errors import CancelledError, MedSSLError, ResourceError, StateError, from_dict, translate
from medssl.jobs.child import lead
from medssl.jobs.store import JobStore
from medssl.server.error_answers import answer

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, MedSSLError)]


def test_every_class_has_a_code_of_its_own():
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes) == 12 and all(code.replace("-", "").isalpha() for code in codes)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", ["", "of-its-own"])
def test_the_code_survives_process_borders_and_folders(kind: type[MedSSLError], code: str):
    error = kind("value", "breaks a rule", "Mend it", code=code)
    assert error.code == (code or kind.code)
    for again in (pickle.loads(pickle.dumps(error)), from_dict(json.loads(json.dumps(error.as_dict())))):
        assert (type(again), again.code, str(again)) == (kind, error.code, str(error))


def test_errors_of_earlier_versions_have_the_code_of_their_class():
    old = {"type": "StateError", "value": "job x", "rule": "is running", "remedy": "", "message": "job x: is running."}
    assert from_dict(old).code == "state" and isinstance(from_dict(old), StateError)
    assert error_of(409, json.dumps({"error": old}).encode()).code == "state"
    assert from_dict({}).code == "error" and CancelledError().code == "cancelled"


def test_what_the_machine_lacks_is_told_apart():
    found = [translate(error, "the run").code for error in (ImportError("x"), MemoryError(), OSError(28, "full"))]
    assert found == ["package-missing", "out-of-memory", "disk-full"]
    assert translate(KeyError("x"), "the run").code == "training"


def test_http_answers_carry_it_to_the_client():
    sent = answer(ResourceError("port 1", "is taken", code="port-unavailable"), 507)
    assert json.loads(sent.body)["error"]["code"] == "port-unavailable"
    assert error_of(507, bytes(sent.body)).code == "port-unavailable"


def test_a_failed_job_keeps_it_in_status_and_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "home"))
    data = write_phantoms(tmp_path / "data")
    call = ["pretrain", str(data), "--preset", "laptop", "--modality", "CT", "--device", "cpu", "--prepare"]
    assert CliRunner().invoke(app, call).exit_code == 0
    shutil.rmtree(data)
    store = JobStore(tmp_path / "home")
    job = store.list()[0].id
    assert lead(store.folder(job)) == 1
    error = store.status(job).error
    assert error is not None and error["code"] == "file-not-found"
    assert store.events(job, 0)[0][-1]["error"]["code"] == "file-not-found"
    listed = CliRunner().invoke(app, ["jobs", "list"]).output
    assert "[file-not-found]" in listed
    shown = CliRunner().invoke(app, ["jobs", "follow", job])
    assert shown.exit_code == 1 and "[file-not-found]" in shown.output
