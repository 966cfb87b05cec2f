"""The command line as a user meets it: real process borders, real errors."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import tiny_spec, write_phantoms
from refusals import refused
from typer.testing import CliRunner

from medssl.cli import app as application
from medssl.cli.app import app
from medssl.cli.inspection.restore import parse_roi, result_folders
from medssl.cli.settings import merge, parse_settings
from medssl.core.errors import ConfigError, MedSSLError
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.jobs import process
from medssl.jobs.record import StatusFile
from medssl.jobs.store import JobStore
from medssl.networks.unet3d import UNet3D

TINY = [
    "--set", "base_width=4", "--set", "cube=[16,16,16]", "--set", "training.steps=2", "--set", "training.batch_size=2",
    "--set", "training.validation_samples=2", "--set", "training.workers=1", "--modality", "CT", "--device", "cpu",
]  # fmt: skip


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDSSL_HOME", str(tmp_path / "Heim für Läufe"))
    return tmp_path / "Heim für Läufe"


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def refusal(*arguments: str) -> MedSSLError:
    """The error a call ends with; `main` turns it into a message."""
    result = run(*arguments)
    assert isinstance(result.exception, MedSSLError), result.output
    return result.exception


def test_help_loads_nothing_heavy():
    import subprocess

    code = "import sys, medssl.cli.app; sys.exit(any(m in sys.modules for m in ('torch', 'SimpleITK', 'numba')))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_pretrain_restore_and_the_jobs_verbs(tmp_path: Path, home: Path):
    data = write_phantoms(tmp_path / "Daten der Köpfe")
    done = run("pretrain", str(data), *TINY, "--name", "first")
    assert done.exit_code == 0, done.output
    job = JobStore(home).list()[0]
    assert job.spec.name == "first" and job.status.state == "finished"
    assert json.loads(run("jobs", "list", "--json").stdout)[0]["id"] == job.id
    assert "model.safetensors" in run("jobs", "show", job.id).output
    restored = run(
        "restore", str(data / "patient0.nrrd"), "--model", job.id, "--output", str(tmp_path / "out"), "--modality", "CT"
    )
    assert restored.exit_code == 0, restored.output
    assert {path.name for path in (tmp_path / "out" / "patient0").glob("*.nrrd")} == {
        "original.nrrd", "distorted.nrrd", "restored.nrrd", "error.nrrd",
    }  # fmt: skip
    assert refusal("jobs", "resume", job.id).code == "job-not-resumable"
    assert run("jobs", "delete", job.id).exit_code == 0 and JobStore(home).list() == []


def test_results_of_files_with_one_name_stay_apart(tmp_path: Path):
    paths = [tmp_path / "a" / "ct.nii.gz", tmp_path / "b" / "ct.nii.gz", tmp_path / "c" / "mr.1.nrrd"]
    folders = result_folders(paths, tmp_path / "out")
    assert [folder.name for folder in folders.values()] == ["a-ct", "b-ct", "mr.1"]
    folders[paths[2]].mkdir(parents=True)
    (folders[paths[2]] / "table.csv").touch()
    with refused("earlier-result", names="mr.1"):
        result_folders(paths, tmp_path / "out")


def test_jobs_are_found_by_name_and_by_the_beginning_of_their_id(tmp_path: Path, home: Path):
    run("pretrain", str(write_phantoms(tmp_path / "d")), *TINY, "--name", "liver", "--prepare")
    job = JobStore(home).list()[0].id
    for text in (job, job[:-2], "liver"):
        assert job in run("jobs", "show", text).output
    assert "training.steps" in run("jobs", "show", "liver").output


@pytest.mark.parametrize("text", ["", " "])
def test_a_blank_text_names_no_job(tmp_path: Path, home: Path, text: str):
    job = JobStore(home, clock=lambda: time.time() - 3600).create(tiny_spec(write_phantoms(tmp_path / "d")))
    assert JobStore(home).view(job).spec.name == ""
    assert refusal("jobs", "delete", text).code == "job-blank"
    assert [view.id for view in JobStore(home).list()] == [job]


def test_a_cancel_says_on_which_other_machine_the_job_runs(tmp_path: Path, home: Path, monkeypatch):
    store = JobStore(home)
    job = store.create(tiny_spec(write_phantoms(tmp_path / "d")))
    StatusFile(store.folder(job)).change(state="running", host="gpu07", pid=1)
    monkeypatch.setattr(process, "enforce_cancel", lambda *_: None)  # which waits
    assert "runs on gpu07" in run("jobs", "cancel", job).output
    assert (store.folder(job) / "cancel").exists()


def test_an_interrupted_job_is_resumed_to_its_end(tmp_path: Path, home: Path):
    spec = dataclasses.replace(tiny_spec(write_phantoms(tmp_path / "d"), steps=2), device="cpu")
    job = JobStore(home, clock=lambda: time.time() - 3600).create(spec)  # nobody ever ran it
    assert JobStore(home).status(job).state == "interrupted"
    assert run("jobs", "resume", job).exit_code == 0
    assert JobStore(home).status(job).state == "finished"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_the_home_folder_is_made_for_its_owner_alone(tmp_path: Path, home: Path):
    run("pretrain", str(write_phantoms(tmp_path / "d")), *TINY, "--prepare")
    assert home.stat().st_mode & 0o077 == 0


def test_prepare_makes_a_job_and_starts_nothing(tmp_path: Path, home: Path):
    machines = ["--nodes", "2", "--devices", "4"]
    printed = run("pretrain", str(write_phantoms(tmp_path / "d")), *TINY, *machines, "--prepare").output
    assert "torchrun --nnodes 2 --nproc-per-node 4 --rdzv-backend c10d" in printed
    assert f"--rdzv-id {JobStore(home).list()[0].id} -m medssl.jobs.child '" in printed
    assert JobStore(home).list()[0].spec.config["training"]["devices"] == 4


def test_data_check_tells_what_is_there(tmp_path: Path):
    printed = run("data", "check", str(write_phantoms(tmp_path / "d")), "--modality", "CT").output
    assert "CT" in printed and "3" in printed


def test_weights_inspect_convert_and_export(tmp_path: Path):
    source, converted, back = tmp_path / "o.pt", tmp_path / "c.safetensors", tmp_path / "b.pt"
    torch.save({"state_dict": {f"module.{n}": t for n, t in UNet3D(4).state_dict().items()}}, source)
    inspected = run("weights", "inspect", str(source))
    assert inspected.exit_code == 0 and "106 matched, 0 missing" in inspected.output
    assert run("weights", "convert", str(source), str(converted)).exit_code == 0
    assert run("weights", "export", str(converted), str(back)).exit_code == 0
    assert json.loads(run("weights", "inspect", str(back), "--json").stdout)["plan"]["method"] == "genesis"


def test_weights_inspect_fails_with_the_name_of_a_renamed_key(tmp_path: Path):
    state = {f"module.{n}": t for n, t in UNet3D(4).state_dict().items()}
    state["module.out_tr.last.weight"] = state.pop("module.out_tr.final_conv.weight")
    torch.save({"state_dict": state}, tmp_path / "o.pt")
    result = run("weights", "inspect", str(tmp_path / "o.pt"))
    assert result.exit_code == 1
    assert "missing     out_tr.final_conv.weight" in result.output and "unexpected  out_tr.last.weight" in result.output


def test_doctor_tells_what_works():
    report = json.loads(run("doctor", "--json").stdout)
    assert {"Python", "torch", "disk", "server"} <= {finding["what"] for finding in report}
    assert all(finding["good"] or finding["remedy"] for finding in report)


def test_methods_lists_every_setting():
    assert "genesis" in run("methods").output
    described = json.loads(run("methods", "genesis", "--preset", "laptop", "--json").stdout)
    assert described["values"]["base_width"] == 8


def test_settings_come_from_yaml_and_from_set(tmp_path: Path, home: Path):
    (tmp_path / "run.yaml").write_text("base_width: 4\ncube: [16, 16, 16]\ntraining:\n  steps: 7\n  seed: 3\n")
    given = ["--config", str(tmp_path / "run.yaml"), "--set", "training.steps=9"]
    run("pretrain", str(write_phantoms(tmp_path / "d")), *given, "--prepare")
    training = JobStore(home).list()[0].spec.config["training"]
    assert (training["steps"], training["seed"]) == (9, 3)
    assert merge({"a": {"b": 1, "c": 2}}, {"a": {"b": 3}}) == {"a": {"b": 3, "c": 2}}
    with pytest.raises(ConfigError) as refused:
        parse_settings(["steps"])
    assert refused.value.code == "setting-without-value"


def test_regions_are_read_or_refused():
    assert parse_roi("1:2,3:4,5:6") == ((1, 2), (3, 4), (5, 6)) and parse_roi("") is None
    with refused("not-a-box", names="--roi 1-2"):
        parse_roi("1-2")


@pytest.mark.parametrize(
    ("arguments", "code", "value", "remedy"),
    [
        (["jobs", "show", "nothing"], "job-not-found", "job 'nothing'", "medssl jobs list"),
        (["pretrain", "/nowhere"], "file-not-found", "/nowhere", "Check the path"),
        (["pretrain", ".", "--method", "magic"], "not-registered", "'magic'", "genesis"),
        (["pretrain", ".", "--preset", "magic"], "preset-unknown", "'magic'", "laptop"),
        (["pretrain", ".", "--set", "training.steps=0"], "setting-out-of-range", "training.steps = 0", "Optimiser"),
        (["pretrain", ".", "--device", "toaster"], "device-unknown", "'toaster'", "auto"),
        (["weights", "inspect", "nothing.pt"], "file-not-found", "nothing.pt", "Give"),
        (["samples", "fetch", "nothing"], "sample-unknown", "'nothing'", "chest-ct"),
    ],
)
def test_every_refusal_has_a_code_and_names_value_rule_and_remedy(arguments, code, value, remedy):
    error = refusal(*arguments)
    assert error.code == code and value in error.value and error.rule and remedy in error.remedy, str(error)


def test_main_prints_the_error_and_exits_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setattr(sys, "argv", ["medssl", "jobs", "show", "nothing"])
    with pytest.raises(SystemExit) as ended:
        application.main()
    printed = capsys.readouterr().err
    assert ended.value.code == 1 and "[job-not-found]" in printed and "Traceback" not in printed


def test_what_lies_in_the_home_folder_is_shown_and_can_be_cleared(home: Path):
    (home / "cache").mkdir(parents=True)
    (home / "cache" / "volume.b2nd").write_bytes(bytes(3 * 2**20))
    assert "3.0 MiB" in run("data", "usage").output
    assert "3.0 MiB freed" in run("data", "clear", "cache").output
    assert not (home / "cache").exists()
    assert refusal("data", "clear", "jobs").code == "not-clearable"


def test_data_in_use_is_not_cleared(tmp_path: Path, home: Path):
    store = JobStore(home)
    store.create(tiny_spec(write_phantoms(tmp_path / "d")))  # reads as queued while its process is awaited
    assert refusal("data", "clear", "cache").code == "job-active"


def test_a_restoration_of_a_2d_image_is_refused(tmp_path: Path):
    from medssl.core.plan import Plan
    from medssl.networks.weights.weight_files import save_weights

    network = {"base_width": 4, "inputs": 1, "outputs": 1}
    plan = Plan("genesis", network, normalisation={"kind": "ct"}, input_size=(16, 16, 16), modality="CT")
    save_weights(tmp_path / "m.safetensors", UNet3D(4).state_dict(), plan)
    write_volume(Volume(np.arange(400, dtype=np.int16).reshape(20, 20)), tmp_path / "flat.nrrd")
    call = ["restore", str(tmp_path / "flat.nrrd"), "--output", str(tmp_path / "out"), "--modality", "CT"]
    assert refusal(*call, "--model", str(tmp_path / "m.safetensors")).code == "not-3d"
