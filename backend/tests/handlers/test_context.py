"""What an inspection is given: volumes by path or upload, warm models, progress that can be stopped."""

from __future__ import annotations

import inspect
import os

import numpy as np
import pytest
from refusals import refused

from medssl.client.volumes import nrrd_bytes, sha256_of
from medssl.core.errors import CancelledError, NotFoundError, VolumeError
from medssl.core.files import read_json
from medssl.core.protocol import VolumeRef
from medssl.handlers.context import Context
from medssl.handlers.worker.context import FolderContext
from medssl.handlers.worker.local import run_here
from medssl.inference.models import KEPT, WarmModels, model_path
from medssl.server.results import ResultStore

ARRAY = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


@pytest.fixture
def loads():
    return []


@pytest.fixture
def context(home, loads):
    results = ResultStore(home)
    status = results.create("restore", {})
    models = WarmModels(home, load=lambda *wish: loads.append(wish) or object())
    return FolderContext(home, results.folder(status.id), models)


def test_a_volume_comes_from_its_path_or_from_the_uploads(context, home):
    data = nrrd_bytes(ARRAY, np.diag([1.0, 2.0, 3.0, 1.0]))
    (home / "volumes").mkdir()
    (home / "volumes" / f"{sha256_of(data)}.nrrd").write_bytes(data)
    (home / "ct ö.nrrd").write_bytes(data)
    for ref in (VolumeRef(sha256=sha256_of(data), modality="CT"), {"path": str(home / "ct ö.nrrd"), "modality": "CT"}):
        volume = context.volume(ref)
        np.testing.assert_array_equal(volume.array.T, ARRAY)
        assert volume.modality == "CT" and list(volume.spacing) == [1.0, 2.0, 3.0]
    named = context.volume(VolumeRef(sha256=sha256_of(data), name="chest of patient 7"))
    assert named.name == "chest of patient 7", "errors name what the user knows, not the file of the voxels"
    with refused("not-uploaded", names="000000000000"):
        context.volume(VolumeRef(sha256="0" * 64))


def test_a_model_stays_warm_until_its_file_changes_or_others_push_it_out(context, home, loads):
    files = [home / f"m{n}.safetensors" for n in range(KEPT + 1)]
    for file in files:
        file.write_bytes(b"x")
    first = context.model(str(files[0]), "", "cpu")
    assert context.model(str(files[0]), "", "cpu") is first and len(loads) == 1
    os.utime(files[0], ns=(1, 1))
    assert context.model(str(files[0]), "", "cpu") is not first and len(loads) == 2
    assert context.model(str(files[0]), "released", "cpu") and loads[-1] == (str(files[0]), "released", "cpu", "")
    for file in files[1:]:
        context.model(str(file), "", "cpu")
    before = len(loads)
    context.model(str(files[-1]), "", "cpu")
    assert len(loads) == before
    context.model(str(files[0]), "", "cpu")
    assert len(loads) == before + 1


def test_a_model_is_a_job_or_a_file(home):
    result = home / "jobs" / "20261123-004501-genesis-x7k2" / "results" / "model.safetensors"
    result.parent.mkdir(parents=True)
    result.write_bytes(b"x")
    assert model_path(home, "20261123-004501-genesis-x7k2") == result
    assert model_path(home, str(result)) == result
    for wrong in ("../jobs", "nothing", str(home)):
        with pytest.raises(NotFoundError):
            model_path(home, wrong)


def test_progress_reaches_the_folder_and_stops_on_request(context, home):
    results = ResultStore(home)
    context.begin()
    assert results.status(context.folder.name).state == "running"
    results.request_cancel(context.folder.name)
    with pytest.raises(CancelledError):
        context.progress(0.5)
    context.end_cancelled()
    assert results.status(context.folder.name).state == "cancelled"


def test_the_worker_gives_what_handlers_are_promised(context):
    promised = [name for name in vars(Context) if not name.startswith("_")]
    assert {"home", "folder", "volume", "model", "embedding", "places", "kept", "progress", "note", "finish"} == set(
        promised
    )
    assert context.home.is_dir() and context.folder.is_dir()
    for name in promised:
        if callable(getattr(Context, name)):
            ours, theirs = (inspect.signature(getattr(one, name)) for one in (Context, FolderContext))
            assert [(p.name, p.default) for p in ours.parameters.values()] == [
                (p.name, p.default) for p in theirs.parameters.values()
            ]


def test_notes_are_there_before_the_answer_and_each_stays_once(context):
    context.begin()
    context.note(["Window ignored"], "chest")
    context.note(["Voxels are large"])
    told = read_json(context.folder / "status.json")
    assert told["state"] == "running" and told["info"]["notes"] == ["chest: Window ignored", "Voxels are large"]
    context.finish([], [], {"model": "m", "notes": ["Voxels are large", "Nothing was found"]})
    info = read_json(context.folder / "status.json")["info"]
    assert info["notes"] == ["chest: Window ignored", "Voxels are large", "Nothing was found"] and info["model"] == "m"


def test_an_inspection_that_fails_leaves_no_result_behind(home, tmp_path):
    request = {"volume": {"path": str(tmp_path / "no.nrrd")}, "model": str(tmp_path / "no.safetensors")}
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").touch()
    for folder in (tmp_path / "new", mine):
        with pytest.raises(VolumeError):
            run_here("restore", request, home, folder, lambda *_: None)
    assert not (tmp_path / "new").exists() and [path.name for path in mine.iterdir()] == ["notes.txt"]
