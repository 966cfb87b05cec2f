"""Classification of volumes: around places that a table names, and whole at a stated spacing, never squeezed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes import FakeRun, tiny_spec
from refusals import refused
from task_sets import SPLITS, run, task_spec, write_table

from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.from_csv import read_csv
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.geometry import reorient
from medssl.images.points import box_around, located, padded_box
from medssl.images.resampling import resample
from medssl.images.volume import LPS_TO_RAS, Volume
from medssl.inference.classification.predict import predict_images
from medssl.inference.image_embedding import centre, whole_image
from medssl.networks.network import Network
from medssl.networks.weights.weight_files import load_weights
from medssl.pretraining.run import pretrain

SHAPE, SPACING = (48, 44, 30), np.array([0.8, 1.0, 2.0])
LOOP = {
    "steps": 60, "batch_size": 4, "validate_every": 20, "checkpoint_every": 60, "warmup_steps": 1, "precision": "fp32",
    "learning_rate": 0.003,
}  # fmt: skip
SMALL = {"labels": "Nodule", "crop": [16, 16, 16], "base_width": 4, "training": LOOP, "test_time": "none"}


def scans(folder: Path, frame: str = "RAS", orientations: tuple[str, ...] = ("LPS",)) -> Path:
    """A bright ball and an equally bright rod in each of eight scans, a row for each; returns the catalogue."""
    folder.mkdir(parents=True)
    rows = []
    for number, split in enumerate(SPLITS):
        rng = np.random.default_rng(number)
        array = rng.normal(100, 10, SHAPE)
        ball, rod = rng.integers((12, 12, 7), (20, 32, 23)), rng.integers((28, 12, 7), (36, 32, 23))
        mm = (np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), -1) - ball) * SPACING
        array[(mm**2).sum(-1) < 25] = 400
        array[rod[0], rod[1], rod[2] - 6 : rod[2] + 7] = 400
        straight = Volume(array.astype(np.int16), SPACING, np.array([5.0, -9.0, 2.0 * number]), modality="MR")
        stored = reorient(straight, orientations[number % len(orientations)])
        write_volume(stored, folder / f"{number}.nrrd")
        for place, label in ((ball, 1), (rod, 0)):
            lps = straight.origin + straight.spacing * place
            point = {"RAS": LPS_TO_RAS @ lps, "LPS": lps}.get(frame)
            if point is None:
                point = np.rint(np.linalg.solve(stored.direction * stored.spacing, lps - stored.origin))
            rows.append({"image": f"{number}.nrrd", "patient": f"p{number}", "split": split, "modality": "MR", "Nodule": label,
                         **dict(zip("xyz", point.tolist())), "coordinates": frame})  # fmt: skip
    return write_table(folder / "candidates.csv", rows)


def test_candidates_are_learnt_around_their_points_whatever_the_frame_and_storage(tmp_path):
    found = {}
    for frame, orientations in (("RAS", ("LPS",)), ("voxel", ("RAS", "SPL", "AIR")), ("LPS", ("PLI",))):
        table = scans(tmp_path / frame, frame, orientations)
        headline, job = run(task_spec("classification", table, **SMALL), tmp_path / f"{frame}-run")
        found[frame] = [event["loss"] for event in job.of("loss")]
        assert headline["test"]["auc"] == 1.0  # a ball and a rod
    assert found["RAS"] == found["voxel"] == found["LPS"]
    model = load_weights(job.folder / "results" / "model.safetensors")
    assert model.plan.task["region"] == "point" and model.plan.geometry.spacing == pytest.approx(tuple(SPACING))
    entries = [entry for entry in read_csv(tmp_path / "voxel" / "candidates.csv") if entry.split == "test"]
    asked = [located(read_volume(entry.image, "MR"), entry.point, entry.frame) for entry in entries]
    predicted = [one["Nodule"][0] for one in predict_images(asked, model)]
    assert min(predicted[0::2]) > max(predicted[1::2])
    same = predict_images([reorient(one, "RPI") for one in asked], model)
    assert [one["Nodule"][0] for one in same] == pytest.approx(predicted, abs=1e-5)
    with refused("point-needed"):
        predict_images([replace(asked[0], point=None)], model)


def test_tables_of_points(tmp_path):
    (tmp_path / "a.nrrd").write_bytes(b"")

    def table(*lines: str) -> Path:
        (tmp_path / "t.csv").write_text("\n".join(lines))
        return tmp_path / "t.csv"

    two = read_csv(table("image,patient,x,y,z,Nodule", "a.nrrd,p,1,2,3,1", "a.nrrd,p,4,5,6,0"))
    assert [entry.point for entry in two] == [(1, 2, 3), (4, 5, 6)] and {entry.frame for entry in two} == {"RAS"}
    assert two[0].labels == {"Nodule": 1.0} and two[0].attributes == {}
    with refused("image-repeated", names=["line 3"]):
        read_csv(table("image,patient,x,y,z,Nodule", "a.nrrd,p,1,2,3,1", "a.nrrd,p,1,2,3,0"))
    with refused("point-missing", names=["line 2"]):
        read_csv(table("image,patient,x,y,z", "a.nrrd,p,1,,3"))
    with refused("frame-unknown", names=["'MNI'"]):
        read_csv(table("image,patient,x,y,z,coordinates", "a.nrrd,p,1,2,3,MNI"))
    assert read_csv(table("image,patient,x,y", "a.nrrd,p,1,2"))[0].labels == {"x": 1.0, "y": 2.0}


def test_a_point_outside_its_volume_is_refused_before_training(tmp_path):
    table = scans(tmp_path / "a")
    text = table.read_text().splitlines()
    fields = text[3].split(",")
    fields[5] = "5000"
    table.write_text("\n".join([*text[:3], ",".join(fields), *text[4:]]))
    with refused("place-outside", names=["RAS"]):
        run(task_spec("classification", table, **SMALL), tmp_path / "run")


class Sees(Network):
    """Keeps what it is shown."""

    def __init__(self, geometry: Geometry, **task) -> None:
        super().__init__()
        self.plan = Plan("sees", {}, "paper", {"kind": "ct"}, (16, 16, 8), "CT", task, geometry=geometry)


def test_a_whole_volume_is_neither_squeezed_nor_turned():
    rng = np.random.default_rng(0)
    ct = Volume(rng.integers(-1000, 1000, (40, 30, 20)).astype(np.int16), np.array([1.0, 1.0, 2.0]), modality="CT")
    net = Sees(Geometry("LPS", (2.0, 2.0, 4.0)), region="volume")
    wanted = resample(ct, (2.0, 2.0, 4.0))  # 20 x 15 x 10 voxels, of which the middle 18 x 18 x 9 are looked at
    seen = whole_image(ct, net)
    assert seen.shape == (18, 18, 9)
    start = box_around((np.array(wanted.shape) - 1) / 2, seen.shape)
    box = padded_box(wanted.array, start, seen.shape, -1000)
    np.testing.assert_allclose(seen, ((box.astype(np.float32) + 1000) / 2000).clip(0, 1), atol=1e-6)
    for orientation in ("RAS", "SAL", "IPR"):
        np.testing.assert_allclose(whole_image(reorient(ct, orientation), net), seen, atol=1e-6)


def test_a_pretrained_network_sees_all_of_a_volume_at_one_scale():
    ct = Volume(np.full((40, 20, 10), -1000, np.int16), np.array([1.0, 1.0, 2.0]), modality="CT")
    ct.array[10:30, 5:15, 2:8] = 900
    seen = whole_image(ct, Sees(Geometry("LPS")))
    assert seen.shape == (18, 18, 9)
    sides = [np.flatnonzero(seen.max(axis=tuple(a for a in range(3) if a != axis)) > 0.5).size for axis in range(3)]
    assert sides[0] == pytest.approx(20 / (40 / 16), abs=1.1) and sides[0] / sides[1] == pytest.approx(2.0, abs=0.4)


@pytest.mark.parametrize(("shape", "tightest"), [((40, 20, 10), 0), ((16, 40, 12), 1), ((20, 20, 60), 2)])
def test_its_embedding_is_made_of_the_borders_too(shape, tightest):
    ct = Volume(np.full(shape, -1000, np.int16), modality="CT")
    slabs, n = np.moveaxis(ct.array, tightest, 0), shape[tightest]
    slabs[: n // 16] = slabs[n - n // 16 :] = 1000
    looked = centre(torch.from_numpy(whole_image(ct, Sees(Geometry("LPS")))), (16, 16, 8))
    profile = looked.amax(dim=[axis for axis in range(3) if axis != tightest])
    assert min(profile[0], profile[-1]) > 0.25 and profile[2:-2].max() == 0


def test_a_model_of_an_earlier_version_sees_what_it_saw():
    from medssl.images.resizing import resized_to

    ct = Volume(np.random.default_rng(0).integers(-900, 900, (40, 30, 20)).astype(np.int16), modality="CT")
    wanted = ((resized_to(ct.array, (18, 18, 9)) - np.float32(-1000)) / np.float32(2000)).clip(0, 1)
    np.testing.assert_array_equal(whole_image(ct, Sees(Geometry())), wanted)


def test_probing_refuses_places_before_anything_is_embedded(tmp_path):
    table, pretrained = scans(tmp_path / "scans"), FakeRun(tmp_path / "genesis", tmp_path / "home")
    data = DataSpec(path=str(table.parent), pattern="*.nrrd", modality="MR")
    pretrain(replace(tiny_spec(table.parent, steps=1, validate_every=1), data=data), pretrained)
    model = str(pretrained.folder / "results" / "model.safetensors")
    with refused("point-unsupported", names="16 of 16"):
        run(task_spec("probing", table, model, labels="Nodule"), tmp_path)
    assert not list((tmp_path / "home" / "cache").glob("embeddings-*"))


def test_each_candidate_of_a_scan_has_its_row_also_after_a_stop(tmp_path):
    from medssl.core.tables import read_table
    from medssl.datasets.catalog.catalog import read_catalog
    from medssl.tasks.apply.config import ApplyConfig
    from medssl.tasks.apply.run import apply_model

    table = scans(tmp_path / "a", "voxel", ("RAS", "SPL"))
    _, job = run(
        task_spec("classification", table, **{**SMALL, "training": {**LOOP, "steps": 4, "validate_every": 4}}), tmp_path
    )
    named = read_table(job.folder / "results" / "predictions.csv").rows
    assert len({row["image"] for row in named}) == len(named) == 4 and "voxel" in named[0]["image"]
    model, catalog = (
        str(job.folder / "results" / "model.safetensors"),
        read_catalog(DataSpec(path=str(table)), tmp_path),
    )
    config = ApplyConfig(output=str(tmp_path / "out" / "predictions.csv"))
    apply_model(model, catalog, config, FakeRun(tmp_path / "b", tmp_path / "home"))
    rows = (tmp_path / "out" / "predictions.csv").read_bytes().splitlines(keepends=True)
    index = next((tmp_path / "out").glob("*index*.csv"))
    lines = index.read_bytes().splitlines(keepends=True)
    assert len(rows) == len(lines) == 17
    (tmp_path / "out" / "predictions.csv").write_bytes(
        b"".join(rows[:4])
    )  # stopped after the third: one of a scan's two
    index.write_bytes(b"".join(lines[:4]))
    apply_model(model, catalog, config, FakeRun(tmp_path / "c", tmp_path / "home"))
    assert (tmp_path / "out" / "predictions.csv").read_bytes() == b"".join(rows)
