"""A model over many images: one output each, failures told, stopped and resumed without doing anything twice."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from refusals import refused

from medssl.core.errors import CancelledError
from medssl.core.geometry import UNRECORDED
from medssl.core.plan import Plan
from medssl.core.protocol import DataSpec, JobSpec, VolumeRef
from medssl.core.schema import as_dict, build
from medssl.datasets.catalog.catalog import read_catalog
from medssl.evaluation.prediction_tables import read_predictions
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.volume import Volume
from medssl.networks.downstream.swin_classifier import SwinClassifier
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.weights.weight_files import save_weights
from medssl.tasks.apply.config import ApplyConfig
from medssl.tasks.apply.growing_table import GrowingTable
from medssl.tasks.apply.run import apply

SEGMENTS = [{"value": 1, "name": "Anterior", "colour": "#aa0000", "terminology": ""}, {"value": 2, "name": "Posterior"}]


class FakeRun:
    """A job in a folder; `stop_after` images it is cancelled."""

    def __init__(self, home: Path, stop_after: int = 10**9) -> None:
        self.home, self.folder, self.device, self.resume = home, home / "jobs" / "j", "cpu", False
        (self.folder / "results").mkdir(parents=True, exist_ok=True)
        self.events, self.begun, self._stop_after = [], set(), stop_after

    def emit(self, type, **fields):
        self.events.append({"type": type, **fields})

    def progress(self, step, steps, message="", eta_s=None):
        self.begun.add(step)

    def cancel_requested(self):
        return len(self.begun) > self._stop_after


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def segmenter(tmp_path):
    torch.manual_seed(0)
    net = UNetSegmenter(4, 1, 3)
    with torch.no_grad():
        [*net.parameters()][-1][0] -= 1.0  # background is not all that it finds
    task = {"name": "segmentation", "form": "3d", "segments": SEGMENTS, "overlap": 0.0}
    rule = {"kind": "mr-percentile"}
    plan = Plan("unet-segmenter", net.arguments, "paper", rule, (16, 16, 8), "MR", task)
    save_weights(tmp_path / "segmenter.safetensors", net.state_dict(), plan)
    return str(tmp_path / "segmenter.safetensors")


@pytest.fixture
def classifier(tmp_path):
    torch.manual_seed(0)
    net = SwinClassifier(8, 4, (1, 1), (1, 2), 7, 14, 0.0, classes=1)
    task = {"name": "classification", "kind": "binary", "classes": ["sick"], "test_time": "none"}
    plan = Plan("swin-classifier", net.arguments, "paper", {"kind": "cxr"}, net.input_size, "CXR", task)
    save_weights(tmp_path / "classifier.safetensors", net.state_dict(), plan)
    return str(tmp_path / "classifier.safetensors")


@pytest.fixture
def volumes(tmp_path):
    """Two scans, a broken file between them, and one of the same name in another folder."""
    rng = np.random.default_rng(0)
    for name in ("a/scan.nrrd", "c.nrrd", "b/scan.nrrd"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        array = rng.integers(0, 1000, (14, 16, 8)).astype(np.int16)
        write_volume(Volume(array, np.array([1.0, 1.5, 2.0])), tmp_path / "images" / name)
    (tmp_path / "images" / "broken.nrrd").write_bytes(b"NRRD0004\n")
    names = ("a/scan.nrrd", "broken.nrrd", "c.nrrd", "b/scan.nrrd")
    refs = [VolumeRef(path=str(tmp_path / "images" / name), name=Path(name).stem, patient=name[0]) for name in names]
    return DataSpec(volumes=tuple(refs), modality="MR")


def job(model, data, **config):
    return JobSpec("apply", "apply", as_dict(build(ApplyConfig, config)), data, start_from=model)


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def as_modality(data, modality="MR"):
    return replace(data, volumes=tuple(replace(ref, modality=modality) for ref in data.volumes))


def test_one_label_map_each_and_a_broken_image_is_told(home, segmenter, volumes):
    run = FakeRun(home)
    apply(job(segmenter, as_modality(volumes)), run)
    folder = run.folder / "results"
    index = rows(folder / "index.csv")
    assert [row["status"] for row in index] == ["done", "failed", "done", "done"]
    assert [row["output"] for row in index] == ["scan.nii.gz", "", "c.nii.gz", "scan-2.nii.gz"]
    assert "broken.nrrd" in index[1]["error"] and index[1]["patient"] == "b"
    for row in index:
        if row["output"]:
            labels, image = read_volume(folder / row["output"]), read_volume(Path(row["image"]))
            assert labels.shape == image.shape and list(labels.spacing) == [1.0, 1.5, 2.0]
            assert set(np.unique(labels.array)) <= {0, 1, 2}
    measured = rows(folder / "volumes.csv")
    assert [row["class"] for row in measured] == ["Anterior", "Posterior"] * 3
    assert float(measured[0]["volume_ml"]) == pytest.approx(int(measured[0]["voxels"]) * 3 / 1000)
    assert [row["name"] for row in rows(folder / "classes.csv")] == ["Anterior", "Posterior"]
    noted, warning, finished = run.events
    assert noted["code"] == "image-noted" and noted["message"].endswith(UNRECORDED)  # once, not for every image
    assert warning["code"] == "image-failed" and "broken" in warning["message"] and warning["remedy"]
    assert (finished["type"], finished["images"], finished["failed"]) == ("finished", 4, 1)


def test_what_is_known_of_answers_is_said_with_the_first_image_and_nothing_twice(home, volumes, tmp_path):
    net = UNetSegmenter(4, 1, 3)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()  # all classes alike, of which the first is background
    steps = [{"value": 1, "class": "Anterior", "step": "fill"}]
    task = {"name": "segmentation", "form": "3d", "segments": SEGMENTS, "overlap": 0.0, "postprocessing": steps}
    plan = Plan("unet-segmenter", net.arguments, "paper", {"kind": "mr-percentile"}, (16, 16, 8), "MR", task)
    save_weights(tmp_path / "nothing.safetensors", net.state_dict(), plan)
    run = FakeRun(home)
    apply(job(str(tmp_path / "nothing.safetensors"), as_modality(volumes)), run)
    said = [event["message"] for event in run.events if event["type"] == "warning"]
    (empty,) = (text for text in said if "Nothing was found" in text)
    assert empty.startswith("scan: ")
    for once in ("holes filled of Anterior", UNRECORDED):  # a remark on all answers; a note on images
        assert sum(once in text for text in said) == 1


def test_a_stopped_run_goes_on_and_ends_with_the_same_tables(home, segmenter, volumes, tmp_path):
    data = as_modality(volumes)
    apply(job(segmenter, data), straight := FakeRun(tmp_path / "other"))
    stopped = FakeRun(home, stop_after=2)
    with pytest.raises(CancelledError):
        apply(job(segmenter, data), stopped)
    folder = stopped.folder / "results"
    assert [row["status"] for row in rows(folder / "index.csv")] == ["done", "failed"]
    first = (folder / "scan.nii.gz").stat().st_mtime_ns
    with (folder / "index.csv").open("ab") as file:  # killed while it wrote
        file.write(b"/images/c.nr")
    with (folder / "volumes.csv").open("ab") as file:
        file.write(f"{data.volumes[2].path},c,Anterior,1,5,0.015,\n".encode())
    again = FakeRun(home)
    apply(job(segmenter, data), again)
    assert (folder / "scan.nii.gz").stat().st_mtime_ns == first and again.begun == {1, 2, 3}
    for name in ("index.csv", "volumes.csv", "classes.csv"):
        assert (folder / name).read_bytes() == (straight.folder / "results" / name).read_bytes()


def test_a_missing_label_map_is_made_again_and_others_of_its_name_stay(home, segmenter, volumes, tmp_path):
    data, output = as_modality(volumes), str(tmp_path / "out")
    apply(job(segmenter, data, output=output, format="nrrd"), FakeRun(home))
    (tmp_path / "out" / "scan.nrrd").unlink()
    turned = replace(data, volumes=data.volumes[::-1])
    run = FakeRun(home)
    apply(job(segmenter, turned, output=output, format="nrrd"), run)
    assert run.begun == {2, 3}
    index = rows(tmp_path / "out" / "index.csv")
    assert [row["output"] for row in index] == ["scan-2.nrrd", "c.nrrd", "", "scan.nrrd"]


def test_uncertainty_maps_lie_beside_the_label_maps_and_are_made_again_where_they_are_missing(home, segmenter, volumes):
    run = FakeRun(home)
    apply(job(segmenter, as_modality(volumes), uncertainty=True), run)
    folder = run.folder / "results"
    maps = sorted(path.name for path in (folder / "uncertainty").iterdir())
    assert maps == sorted(row["output"] for row in rows(folder / "index.csv") if row["output"])
    unsure, labels = (read_volume(folder / name) for name in ("uncertainty/c.nii.gz", "c.nii.gz"))
    assert unsure.shape == labels.shape and 0 < unsure.array.max() <= 1
    said = [event["message"] for event in run.events if event.get("code") == "answers-noted"]
    assert len(said) == 1 and "one network, whose file does not say" in said[0], "what the maps were computed from"
    (folder / "uncertainty" / "c.nii.gz").unlink()
    again = FakeRun(home)
    apply(job(segmenter, as_modality(volumes), uncertainty=True), again)
    assert again.begun == {2, 3} and (folder / "uncertainty" / "c.nii.gz").is_file()


def test_results_of_another_model_are_not_mixed(home, segmenter, volumes, tmp_path):
    data, output = replace(as_modality(volumes), volumes=as_modality(volumes).volumes[:1]), str(tmp_path / "out")
    apply(job(segmenter, data, output=output), FakeRun(home))
    with refused("output-of-another-model"):
        apply(job(segmenter, data, output=output, mirror=True), FakeRun(home))
    other = FakeRun(home)
    other.folder = other.folder.with_name("k")
    apply(job(segmenter, data, output=output, mirror=True, overwrite=True), other)
    assert other.begun == {0} and json.loads((tmp_path / "out" / "apply.json").read_text())["mirror"]
    said = [event["message"] for event in other.events if event.get("code") == "answers-noted"]
    assert len(said) == 1 and "does not say that it was trained with mirrored images" in said[0]
    other.begun.clear()
    apply(job(segmenter, data, output=output, mirror=True, overwrite=True), other)  # resumed: its own results stay
    assert not other.begun


@pytest.mark.parametrize("drawn", [False, True])
def test_neither_images_nor_drawn_label_maps_are_replaced(home, segmenter, volumes, tmp_path, drawn):
    data = replace(as_modality(volumes), volumes=as_modality(volumes).volumes[2:3])  # images/c.nrrd
    folder = tmp_path / ("masks" if drawn else "images")
    folder.mkdir(exist_ok=True)
    if drawn:
        (folder / "c.nrrd").write_bytes(b"drawn by hand")
    before = (folder / "c.nrrd").read_bytes()
    for overwrite in (False, True):  # the second attempt is refused like the first
        with refused("output-exists", names="c.nrrd"):
            apply(job(segmenter, data, output=str(folder), format="nrrd", overwrite=overwrite), FakeRun(home))
    (folder / "apply.json").write_text("{}")  # whatever was noted there
    if not drawn:
        with refused("output-is-input", names="c.nrrd"):
            apply(job(segmenter, data, output=str(folder), format="nrrd", overwrite=True), FakeRun(home))
    assert (folder / "c.nrrd").read_bytes() == before


def test_nothing_usable_is_an_error(home, segmenter, volumes):
    with refused("no-usable-image", names="broken.nrrd"):
        apply(job(segmenter, replace(volumes, volumes=volumes.volumes[1:2])), FakeRun(home))


def test_predictions_are_one_table_with_labels_and_attributes(home, classifier, tmp_path):
    rng, lines = np.random.default_rng(0), ["image,patient,sick,sex,age"]
    for n, (label, sex) in enumerate((("1", "F"), ("", "M"), ("0", "F"))):
        picture = Volume(rng.integers(0, 256, (130, 140)).astype(np.uint8))
        write_volume(picture, tmp_path / f"{n}.nrrd")
        lines.append(f"{n}.nrrd,p{n},{label},{sex},{40 + n}")
    (tmp_path / "cxr.csv").write_text("\n".join(lines))
    output = tmp_path / "out" / "mine.csv"
    spec = job(classifier, DataSpec(path=str(tmp_path / "cxr.csv")), output=str(output))
    with pytest.raises(CancelledError):
        apply(spec, FakeRun(home, stop_after=0))
    assert len(rows(output)) == 1
    apply(spec, FakeRun(home))
    found = read_predictions(output)
    assert found.names == ("sick",) and found.patients == ("p0", "p1", "p2")
    np.testing.assert_array_equal(found.targets[:, 0], [1, np.nan, 0])
    assert found.attributes["sex"] == ("F", "M", "F") and found.attributes["age"] == ("40", "41", "42")
    assert ((found.probabilities > 0) & (found.probabilities < 1)).all()
    assert sorted(path.name for path in output.parent.iterdir()) == ["mine.apply.json", "mine.csv", "mine.index.csv"]
    catalog = read_catalog(spec.data, home)
    assert [row["image"] for row in rows(output)] == [str(entry.image) for entry in catalog]


def test_a_growing_table_forgets_a_torn_line(tmp_path):
    table = GrowingTable(tmp_path / "t.csv", ("a", "b"))
    table.append([{"a": "x, y", "b": None}, {"a": 'two\nlines "quoted"', "b": 0.5}])
    with table.path.open("ab") as file:
        file.write(b"half,")
    again = GrowingTable(tmp_path / "t.csv", ("a", "b"))
    again.append([{"a": "z"}])
    expected = [{"a": "x, y", "b": ""}, {"a": 'two lines "quoted"', "b": "0.5"}, {"a": "z", "b": ""}]
    assert again.rows == expected == rows(table.path)
    with refused("output-of-another-model", names="columns a, b"):
        GrowingTable(tmp_path / "t.csv", ("a",))


def test_orientation_and_spacing_can_be_stated_for_a_run(home, segmenter, volumes, tmp_path):
    stated = {"output": str(tmp_path / "out"), "orientation": "ras", "spacing": "1 1.5 2"}
    apply(job(segmenter, as_modality(volumes), **stated), run := FakeRun(tmp_path / "a"))
    assert [event["code"] for event in run.events if event["type"] == "warning"] == ["image-failed"], (
        "no note: it is stated"
    )
    apply(job(segmenter, as_modality(volumes), **stated), FakeRun(tmp_path / "b"))  # the same settings go on
    with refused("output-of-another-model"):
        apply(job(segmenter, as_modality(volumes), **{**stated, "orientation": "LPS"}), FakeRun(tmp_path / "c"))


def test_what_is_stated_afterwards_is_not_mixed_with_what_was_done_before(home, segmenter, volumes, tmp_path):
    from medssl.core.geometry import Geometry
    from medssl.core.plan import read_plan
    from medssl.inspection.search.case_search import index_folder
    from medssl.networks.weights.stating import state_geometry

    data, output = as_modality(volumes), {"output": str(tmp_path / "out")}
    apply(job(segmenter, data, **output), FakeRun(tmp_path / "a"))
    before = index_folder(home, data, read_plan(segmenter), segmenter, "", "")
    state_geometry(segmenter, segmenter, Geometry("RAS"))
    with refused("output-of-another-model"):
        apply(job(segmenter, data, **output), FakeRun(tmp_path / "b"))
    assert index_folder(home, data, read_plan(segmenter), segmenter, "", "") != before


def test_an_image_that_was_replaced_under_its_name_is_done_again(home, segmenter, volumes, tmp_path):
    data, output = as_modality(volumes), tmp_path / "out"
    apply(job(segmenter, data, output=str(output)), FakeRun(home))
    before = {row["image"]: row for row in rows(output / "index.csv")}
    replaced = Path(data.volumes[2].path)
    write_volume(Volume(np.full((14, 16, 9), 7, np.int16) + np.arange(9, dtype=np.int16), (1, 1.5, 2)), replaced)
    run = FakeRun(home)
    apply(job(segmenter, data, output=str(output)), run)
    assert run.begun == {2, 3}, "the replaced one, and the one that failed"
    assert read_volume(output / "c.nii.gz").shape == (14, 16, 9)
    changed = {row["image"] for row in rows(output / "index.csv") if row != before[row["image"]]}
    assert changed == {str(replaced)} and len(rows(output / "volumes.csv")) == 6


def test_an_index_of_an_earlier_version_counts_as_it_is_and_learns_what_it_did_not_note(
    home, segmenter, volumes, tmp_path
):
    data, output = as_modality(volumes), tmp_path / "out"
    apply(job(segmenter, data, output=str(output)), FakeRun(home))
    noted = (output / "index.csv").read_bytes()
    lines = [line.rsplit(",", 2)[0] for line in noted.decode().splitlines()]
    assert lines[0] == "image,patient,status,error,output"
    (output / "index.csv").write_text("\n".join(lines) + "\n", newline="")
    run = FakeRun(home)
    apply(job(segmenter, data, output=str(output)), run)
    assert run.begun == {3}, "the one that failed"
    assert (output / "index.csv").read_bytes() == noted


def test_predictions_say_of_images_that_are_done_what_the_catalogue_says_now(home, classifier, tmp_path):
    rng = np.random.default_rng(0)
    for n in range(3):
        write_volume(Volume(rng.integers(0, 256, (130, 140)).astype(np.uint8)), tmp_path / f"{n}.nrrd")
    spec = job(classifier, DataSpec(path=str(tmp_path / "cxr.csv")), output=str(tmp_path / "out"))
    (tmp_path / "cxr.csv").write_text("image,patient,sick,sex\n0.nrrd,a,1,F\n1.nrrd,b,0,M\n2.nrrd,c,0,M\n")
    apply(spec, FakeRun(home))
    before = read_predictions(tmp_path / "out" / "predictions.csv")
    (tmp_path / "cxr.csv").write_text("image,patient,sick,age\n0.nrrd,a,0,40\n1.nrrd,other,,50\n")
    run = FakeRun(home)
    apply(spec, run)
    found = read_predictions(tmp_path / "out" / "predictions.csv")
    place = [Path(image).stem for image in found.images]
    assert not run.begun and place == ["2", "0", "1"] and found.patients == ("c", "a", "other")
    np.testing.assert_array_equal(found.targets[:, 0], [0, 0, np.nan])
    assert found.attributes["age"] == ("", "40", "50") and found.attributes["sex"] == ("M", "", "")
    np.testing.assert_array_equal(found.probabilities, before.probabilities[[2, 0, 1]])


def test_columns_that_may_vary_are_added_and_stay(tmp_path):
    GrowingTable(tmp_path / "t.csv", ("a", "x1")).append([{"a": 1, "x1": 2}])
    table = GrowingTable(tmp_path / "t.csv", ("a", "x2"), lambda name: name.startswith("x"))
    assert table.rows == [{"a": "1", "x2": "", "x1": "2"}] == rows(table.path)
    with refused("output-of-another-model", names="columns a, x2, x1"):
        GrowingTable(tmp_path / "t.csv", ("b", "x2"), lambda name: name.startswith("x"))
