"""Training sets of radiographs: what is left out, how they are split, which method they suit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import FakeRun, write_phantoms
from phantoms import chest, stored
from PIL import Image
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.protocol import DataSpec, JobSpec, VolumeRef, from_json, to_json
from medssl.core.requests import CheckRequest
from medssl.datasets.catalog.catalog import Catalog, read_catalog
from medssl.datasets.crops.radiograph_crops import RadiographDataset
from medssl.datasets.entry import Entry
from medssl.datasets.splits.split import split_by_patient
from medssl.handlers.worker.local import run_here
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.volume import Volume
from medssl.pretraining.volume_data import cache_volumes

FLAT = SimpleNamespace(sample_size=(144, 144), training=SimpleNamespace(seed=0))
DEEP = SimpleNamespace(sample_size=(16, 16, 16), training=SimpleNamespace(seed=0))
TABLE = """image,patient,split,view,sex,age,Effusion
a.png,A,train,PA,F,61,0
b.png,B,train,lateral,M,,1
c.png,C,val,LATERAL,,55,0
d.png,D,test,AP,F,55,1
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "Aufnahmen ä"
    root.mkdir()
    for n, name in enumerate("abcd"):
        Image.fromarray(stored(chest(200 + n, 220), 8).T).save(root / f"{name}.png")
    (root / "list.csv").write_text(TABLE)
    return root


def names(folder: Path, *exclude: str, path: str = "list.csv") -> str:
    return "".join(e.name for e in read_catalog(DataSpec(path=str(folder / path), exclude=exclude), folder))


@pytest.mark.parametrize(
    ("rules", "left"),
    [
        ((), "abcd"),
        (("view=LATERAL",), "ad"),
        (("VIEW = Lateral",), "ad"),
        (("view=lateral", "sex=f"), None),
        (("effusion=1",), "ac"),
        (("Effusion=1.0", "age=55"), "a"),
        (("age=",), "acd"),
        (("sex=",), "abd"),
        (("split=test",), "abc"),
        (("split=val",), "abd"),
        (("patient=A", "name=b"), "cd"),
        (("view=oblique",), "abcd"),
    ],
)
def test_exclude(folder, rules, left):
    if left is None:
        with refused("no-images-left", names="4 images") as caught:
            names(folder, *rules)
        assert caught.value.remedy
    else:
        assert names(folder, *rules) == left


def test_unknown_columns_are_named_with_those_there_are(folder):
    with refused("column-missing", names=["'projection=LATERAL'", "view, sex, age, Effusion"]) as caught:
        names(folder, "projection=LATERAL")
    assert caught.value.remedy
    with refused("exclusion-malformed", names="'view'"):
        names(folder, "view")
    with refused("column-missing", names="there are: patient, split, modality, name"):
        names(folder, "view=LATERAL", path=".")
    assert names(folder, "patient=c", path=".") == "abd"


def test_exclude_travels(folder):
    spec = DataSpec(path=str(folder), exclude=("view=LATERAL",))
    assert from_json(DataSpec, to_json(spec)) == spec
    refs = DataSpec(volumes=(VolumeRef(path=str(folder / "a.png"), view="k:3", inverted=True),))
    (entry,) = read_catalog(from_json(DataSpec, to_json(refs)), folder)
    assert (entry.view, entry.inverted) == ("k:3", True)


def test_exclude_on_the_command_line(folder, tmp_path):
    table, home = str(folder / "list.csv"), ["--home", str(tmp_path / "home")]
    shown = CliRunner().invoke(
        app, ["data", "check", table, "--exclude", "view=lateral", "--exclude", "split=test", *home]
    )
    assert shown.exit_code != 0 and "only one" in shown.output  # one image of one patient is left
    shown = CliRunner().invoke(app, ["data", "check", table, "--exclude", "split=val", *home])
    assert shown.exit_code == 0 and "2D" in shown.output and "LATERAL" not in shown.output  # that of the excluded image


def test_exclude_on_real_radiographs(shared_data, tmp_path):
    table = shared_data / "cxr-nih" / "labels.csv"  # names files without their folder, "images"
    whole = read_catalog(DataSpec(path=str(table)), tmp_path)
    left = read_catalog(DataSpec(path=str(table), exclude=("view=ap",)), tmp_path)
    assert {entry.attributes["view"] for entry in left} == {"PA"} and 100 < len(left) < len(whole) == 755


def radiographs(patients: str) -> Catalog:
    return Catalog(tuple(Entry(Path(f"{n}.png"), p, name=str(n)) for n, p in enumerate(patients)))


@pytest.mark.parametrize("depth", [0, 32])
def test_one_patient_is_split_by_image(depth):
    split = split_by_patient(radiographs("aaaaa"), 0.2, 0, depth)
    assert [e.name for e in split.training] == ["0", "1", "2", "3"] and [e.name for e in split.validation] == ["4"]
    assert "1 of 5 images" in split.note and all(e.slices is None for e in split.training)
    with refused("one-patient", names="patient a") as caught:
        split_by_patient(radiographs("a"), 0.2, 0, depth)
    assert "second patient" in caught.value.remedy


def test_views_of_one_ct_are_images_not_slabs(tmp_path):
    path = write_phantoms(tmp_path / "ct", 1) / "patient0.nrrd"
    entries = tuple(Entry(path, "p", name=view, view=view) for view in ("k:3", "k:9", "k:20"))
    split = split_by_patient(Catalog(entries), 0.34, 0)
    assert [e.name for e in split.validation] == ["k:20"] and split.validation.entries[0].slices is None


def load(spec: DataSpec, tmp_path: Path, config=FLAT):
    return cache_volumes(JobSpec("pretrain", "any", {}, spec), FakeRun(tmp_path / "job", tmp_path / "home"), config)[:3]


def test_a_method_for_2d_trains_on_radiographs(folder, tmp_path):
    training, validation, split = load(DataSpec(path=str(folder)), tmp_path)
    assert len(training) + len(validation) == 4 and not split.note
    assert {volume.modality for volume in training} == {"CXR"}
    assert RadiographDataset(training, 8, NormalisationConfig(), 0)[5]["raw"].shape == (1, 144, 144)


def test_and_on_volumes_with_a_view(tmp_path):
    folder = write_phantoms(tmp_path / "ct", 3, (80, 72, 70))
    refs = tuple(VolumeRef(path=str(path), modality="CT", view="j") for path in sorted(folder.iterdir()))
    training, _, _ = load(DataSpec(volumes=refs), tmp_path)
    assert training[0].shape == (80, 70) and training[0].modality == "CT"
    dataset = RadiographDataset(training, 8, NormalisationConfig(), 0)
    assert dataset[0]["raw"].shape == (1, 144, 144)
    with refused("not-2d", names="patient0") as caught:
        load(DataSpec(path=str(folder)), tmp_path)
    assert "frontal" in caught.value.remedy


def test_a_method_for_3d_goes_on_refusing_radiographs(folder, tmp_path):
    with refused("not-3d", names="a of shape"):
        load(DataSpec(path=str(folder)), tmp_path, DEEP)


def test_slicers_pictures_are_radiographs(cached):
    volume = cached(Volume(stored(chest(), 8)[..., None]), name="slice")
    assert volume.shape == (200, 240) and volume.modality == "CXR"


def test_catalogue_says_dimension_and_methods(folder, tmp_path):
    def info(spec: DataSpec):
        return run_here("check", to_json(CheckRequest(spec)), tmp_path / "home", None, lambda share, text: None).info

    flat = info(DataSpec(path=str(folder)))
    assert (flat["dimension"], flat["modality"]) == ("2D", "CXR") and "genesis" not in flat["methods"]
    write_phantoms(tmp_path / "ct", 2)
    deep = info(DataSpec(path=str(tmp_path / "ct"), modality="CT"))
    assert deep["dimension"] == "3D" and "genesis" in deep["methods"]
    Image.fromarray(np.zeros((70, 70), np.uint8)).save(tmp_path / "ct" / "x.png")
    mixed = info(DataSpec(path=str(tmp_path / "ct"), modality="CT"))
    assert (
        mixed["dimension"] == "2D and 3D"
        and not mixed["methods"]
        and any("mixes 2D and 3D" in n for n in mixed["notes"])
    )
