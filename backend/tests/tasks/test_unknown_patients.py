"""Where it is unknown whose images they are, every face says so: check, pretraining, tasks, comparison, applying."""

from __future__ import annotations

import numpy as np
import pytest
from asking import Context, ask
from dicom_files import write_series
from fakes import FakeRun
from task_sets import SMALL, run, task_spec

from medssl.core.protocol import DataSpec, JobSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.patients import PATIENTS_UNKNOWN
from medssl.datasets.entry import read_entry
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.pretraining.volume_data import cache_volumes
from medssl.studies.comparison.config import Arm, Study
from medssl.studies.comparison.data import fix_data
from medssl.tasks.apply.config import ApplyConfig
from medssl.tasks.apply.run import apply_model

STUDY = Study("segmentation", (Arm("scratch"),), (1.0,), "fractions", (0,), "dice", "scratch")


@pytest.fixture
def folder(tmp_path):
    """Six images of nobody, with label maps."""
    root = tmp_path / "scans"
    for part in ("images", "labels"):
        (root / part).mkdir(parents=True)
    for n in range(6):
        rng, labels = np.random.default_rng(n), np.zeros((20, 20, 16), np.int16)
        labels[4:12, 4:12, 4:12] = 1
        write_volume(
            Volume((100 + 90 * labels + rng.normal(0, 9, labels.shape)).astype(np.int16)), root / "images" / f"{n}.nrrd"
        )
        write_volume(Volume(labels), root / "labels" / f"{n}.nrrd")
    return root


def test_check(tmp_path, folder):
    context = Context(tmp_path)
    ask("check", {"data": {"path": str(folder)}}, context)
    assert PATIENTS_UNKNOWN in context.found.info["notes"]


def test_pretraining(tmp_path, folder):
    spec = JobSpec("pretrain", "genesis", {}, DataSpec(path=str(folder)))
    *_, warnings = cache_volumes(spec, FakeRun(tmp_path / "job", tmp_path / "home"), GenesisConfig())
    assert [warning["message"] for warning in warnings if warning["message"] == PATIENTS_UNKNOWN]


def test_a_task_its_report_and_applying_its_model(tmp_path, folder):
    settings = {**SMALL["segmentation"], "classes": ""}
    _, job = run(task_spec("segmentation", DataSpec(path=str(folder), test_fraction=0.2), **settings), tmp_path)
    assert any(event.get("message") == PATIENTS_UNKNOWN for event in job.events)
    assert PATIENTS_UNKNOWN in (job.folder / "results" / "report.html").read_text()
    applied = FakeRun(tmp_path / "applied", tmp_path / "home")
    catalog = read_catalog(DataSpec(path=str(folder / "images")), tmp_path / "home")
    model = str(job.folder / "results" / "model.safetensors")
    apply_model(model, catalog, ApplyConfig(output=str(tmp_path / "out")), applied)
    assert any(event.get("message") == PATIENTS_UNKNOWN for event in applied.events)


def test_a_comparison(tmp_path, folder):
    found = fix_data(STUDY, DataSpec(path=str(folder), test_fraction=0.2), tmp_path / "home", tmp_path / "study")
    assert PATIENTS_UNKNOWN in found.notes


def test_series_of_several_folders_go_through_the_table_of_a_comparison(tmp_path):
    array = np.random.default_rng(0).integers(-900, 900, (12, 10, 4)).astype(np.int16)
    for n in range(5):
        for half, first in (("a", 0), ("b", 2)):
            where = {"PatientID": f"M{n}", "SeriesInstanceUID": f"1.2.{n + 1}"}
            folder = tmp_path / "cd" / f"s{n}" / half
            write_series(folder, array[..., first : first + 2], [first + 1.0, first + 2.0], **where)
    data = DataSpec(path=str(tmp_path / "cd"), test_fraction=0.2)
    before = {entry.files: entry.patient for entry in read_catalog(data, tmp_path / "home")}
    found = fix_data(STUDY, data, tmp_path / "home", tmp_path / "study")
    after = read_catalog(DataSpec(path=str(tmp_path / "study" / found.files[""])), tmp_path / "home")
    assert {entry.files: entry.patient for entry in after} == before and len(before) == 5
    assert all(read_entry(entry).shape == (12, 10, 4) for entry in after)
