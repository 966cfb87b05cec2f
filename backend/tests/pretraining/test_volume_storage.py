"""Pretraining on volumes of any storage: the same crops, losses and slabs, recorded in the weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import FakeRun, tiny_spec, write_phantoms
from refusals import refused

from medssl.core.plan import read_plan
from medssl.core.schema import build
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.geometry import reorient
from medssl.inspection.training_set.training_samples import preview_samples
from medssl.pretraining.anatomy3d.method import Anatomy3D
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.pretraining.run import pretrain, read_training_data
from medssl.pretraining.training_data import TrainingData

TURNED = ("RAS", "SPL", "AIR", "PSR", "ILA")


def stored_anew(source: Path, target: Path, orientations: tuple[str, ...]) -> Path:
    """The same images along other axes."""
    target.mkdir()
    for number, path in enumerate(sorted(source.iterdir())):
        write_volume(reorient(read_volume(path), orientations[number % len(orientations)]), target / path.name)
    return target


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> Path:
    """One patient's volume, of another size along each axis."""
    return write_phantoms(tmp_path_factory.mktemp("single") / "LPS", count=1, shape=(24, 64, 48))


def read_for_training(data: Path, home: Path, version: int = 2) -> TrainingData:
    spec = replace(tiny_spec(data), version=version)
    return read_training_data(spec, FakeRun(home / "job", home / "home"), build(GenesisConfig, spec.config))


def test_a_set_in_mixed_orientations_pretrains_alike(tmp_path):
    first = write_phantoms(tmp_path / "a", shape=(40, 36, 24))
    jobs = []
    for data in (first, stored_anew(first, tmp_path / "b", TURNED[:3])):
        jobs.append(FakeRun(tmp_path / f"job-{data.name}", tmp_path / f"home-{data.name}"))
        pretrain(tiny_spec(data), jobs[-1])
    assert [e["loss"] for e in jobs[0].of("loss")] == [e["loss"] for e in jobs[1].of("loss")] != []
    geometry = read_plan(jobs[1].folder / "results" / "model.safetensors").geometry
    assert geometry.orientation == "LPS" and geometry.spacing == ()


@pytest.mark.parametrize("orientation", TURNED)
def test_one_patient_is_cut_along_the_same_axis_whatever_the_storage(tmp_path, single, orientation):
    wanted = read_for_training(single, tmp_path / "one")
    found = read_for_training(stored_anew(single, tmp_path / "turned", (orientation,)), tmp_path / "two")
    assert wanted.training[0].slices == (0, 16) and wanted.validation[0].slices == (32, 48)
    for one, other in zip([*wanted.training, *wanted.validation], [*found.training, *found.validation]):
        assert one.slices == other.slices
        np.testing.assert_array_equal(one.crop((0, 0, 0), one.shape), other.crop((0, 0, 0), one.shape))
    assert found.note == wanted.note and "the last 16 slices validate" in found.note


def test_samples_of_one_patient_are_previewed_as_they_are_trained_on(tmp_path, single):
    turned = stored_anew(single, tmp_path / "turned", ("PSR",))  # 64 x 48 x 24: an end of 48 slices would be beyond
    config = {"base_width": 4, "cube": [16, 16, 16]}
    shown = [
        preview_samples(
            tiny_spec(data).data, "genesis", config, 2, 0, tmp_path / data.name, lambda fraction, message: None
        )
        for data in (single, turned)
    ]
    assert all(row["start"][2] + 16 <= 16 for row in shown[1].table)
    np.testing.assert_array_equal(shown[0].original.array, shown[1].original.array)


def test_a_preview_shows_views_in_the_millimetres_of_the_training(tmp_path, single, monkeypatch):
    seen = []
    views = Anatomy3D.views
    monkeypatch.setattr(
        Anatomy3D, "views", lambda self, *given: seen.append(self.geometry.spacing) or views(self, *given)
    )
    config = {"base_width": 4, "crop": [16, 16, 16], "view": [16, 16, 16], "geometry": {"spacing": "2,1,3"}}
    preview_samples(tiny_spec(single).data, "anatomy3d", config, 1, 0, tmp_path, lambda fraction, message: None)
    assert [tuple(spacing) for spacing in seen] == [(2.0, 1.0, 3.0)]


def test_slabs_of_an_earlier_job_lie_along_the_file_s_axis(tmp_path, single):
    turned = stored_anew(single, tmp_path / "turned", ("PSR",))
    data = read_for_training(turned, tmp_path, version=1)
    assert data.training[0].shape == (64, 48, 24) and data.validation[0].slices == (16, 24)


def test_a_single_patient_needs_slices_along_the_patient_s_axis(tmp_path):
    flat = write_phantoms(tmp_path / "flat", count=1, shape=(40, 36, 2))
    with refused("one-patient", names="2"):
        read_for_training(stored_anew(flat, tmp_path / "turned", ("SPL",)), tmp_path)


def test_a_target_spacing_is_recorded_and_reached(tmp_path):
    data = write_phantoms(tmp_path / "a")
    spec = tiny_spec(data)
    config = build(GenesisConfig, {**spec.config, "geometry": {"spacing": "2 1 0.5"}})
    found = read_training_data(spec, FakeRun(tmp_path / "job", tmp_path / "home"), config)
    assert {volume.shape for volume in (*found.training, *found.validation)} == {(20, 36, 48)}
    assert found.method.plan().geometry.spacing == (2.0, 1.0, 0.5)
    sample = found.method.dataset(found.training, 0)[0]
    assert torch.is_tensor(sample["raw"]) and tuple(sample["raw"].shape[-3:]) == (16, 16, 16)


def test_a_pretraining_begun_before_lung_was_body_goes_on_with_its_crops(tmp_path, single):
    for version, sampler in ((4, "tissue"), (5, "body")):
        assert read_for_training(single, tmp_path / str(version), version).method.config.sampler == sampler
