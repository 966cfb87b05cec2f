"""Tasks on images of any storage: the same training, measured on the grid of the files, recorded in the weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from task_sets import SPLITS, run, task_spec, write_table, write_volumes

from medssl.core.geometry import UNRECORDED, Geometry
from medssl.core.plan import Plan, read_plan
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.geometry import reorient
from medssl.images.resampling import resample, resample_labels
from medssl.inference.volumes.segmenter import segment_image
from medssl.networks.weights.weight_files import WeightFile, load_weights
from medssl.tasks.start import start_notes

MIXED = ("LPS", "RAS", "SPL", "AIR", "PLI", "IRA", "RAS", "SLA")


def stored_anew(source: Path, target: Path, orientations=MIXED) -> Path:
    """The same images and label maps along other axes."""
    target.mkdir(parents=True)
    for number, orientation in enumerate(orientations):
        for name in (f"image{number}.nrrd", f"mask{number}.nrrd"):
            write_volume(reorient(read_volume(source / name), orientation), target / name)
    (target / "volumes.csv").write_bytes((source / "volumes.csv").read_bytes())
    return target / "volumes.csv"


@pytest.mark.parametrize("task", ["segmentation", "2.5d"])
def test_a_set_in_mixed_orientations_trains_alike(tmp_path, task):
    form = {"form": task, "network": "basic_unet", "crop": [32, 32, 16]} if task == "2.5d" else {}
    first = write_volumes(tmp_path / "a")
    other = stored_anew(tmp_path / "a", tmp_path / "b")
    wanted, one = run(task_spec("segmentation", first, **form), tmp_path / "one")
    found, two = run(task_spec("segmentation", other, **form), tmp_path / "two")
    assert [e["loss"] for e in one.of("loss")] == [e["loss"] for e in two.of("loss")] != []
    assert found["test"]["dice"] == pytest.approx(wanted["test"]["dice"], abs=1e-6)
    plan = read_plan(two.folder / "results" / "model.safetensors")
    assert plan.geometry.orientation == "LPS" and plan.geometry.spacing == pytest.approx((1.0, 1.5, 2.0))
    assert two.of("started")[0]["geometry"] == "LPS, 1 x 1.5 x 2 mm (cubic)"
    assert "Volumes are brought to LPS" in (two.folder / "results" / "report.html").read_text()


def test_a_job_of_an_earlier_version_goes_on_with_files_as_they_are(tmp_path):
    first = write_volumes(tmp_path / "a")
    turned = stored_anew(tmp_path / "a", tmp_path / "b", ["RAS"] * len(SPLITS))
    old = [
        run(replace(task_spec("segmentation", data), version=1), tmp_path / data.parent.name)
        for data in (first, turned)
    ]
    losses = [[e["loss"] for e in job.of("loss")] for _, job in old]
    assert losses[0] != losses[1], "both axes are mirrored, which nothing undoes"
    model = old[1][1].folder / "results" / "model.safetensors"
    assert not read_plan(model).geometry.recorded
    image = read_volume(tmp_path / "b" / "image6.nrrd", "MR")
    assert UNRECORDED in segment_image(image, load_weights(model)).notes
    _, onward = run(task_spec("segmentation", first, start_from=str(model)), tmp_path / "onward")
    (told,) = [event["message"] for event in onward.of("warning") if event["code"] == "start"]
    assert "do not record" in told and "LPS, 1 x 1.5 x 2 mm" in told


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (Geometry("LPS", (1, 1, 1)), Geometry("LPS", (1, 1, 1.4)), []),
        (Geometry("LPS", (), "cubic", (0.5, 0.5, 0.5), (1, 1, 2.5)), Geometry("LPS", (0.8, 0.8, 1.0)), []),
        (Geometry("LPS", (1, 1, 1)), Geometry("LPS", (1, 1, 2)), ["voxels of 1 x 1 x 1 mm, here they are of 1 x 1 x 2 mm"]),
        (Geometry("LPS", (2, 2, 2)), Geometry("LPS", (), "cubic", (1, 1, 1), (1, 1, 1.2)), ["1 x 1 x 1 to 1 x 1 x 1.2 mm"]),
        (Geometry("RAS", (1, 1, 1)), Geometry("LPS", (1, 1, 1)), ["orientation RAS, here it is LPS"]),
        (Geometry("RAS"), Geometry("LPS", (3, 3, 3)), ["orientation RAS"]),
        (Geometry(), Geometry("LPS"), ["do not record"]),
        (Geometry(), Geometry(), []),
    ],
)  # fmt: skip
def test_weights_that_learnt_in_another_geometry_are_noted(before, now, words):
    file = WeightFile(Path("start"), "medssl", Plan("genesis", {}, input_size=(64, 64, 32), geometry=before), {})
    notes = start_notes(file, now)
    assert len(notes) == len(words) and all(word in note for word, note in zip(words, notes))
    assert start_notes(None, now) == ()


def test_a_set_of_mixed_spacings_is_resampled_for_training_and_measured_on_its_own_grid(tmp_path):
    write_volumes(tmp_path / "a")
    (tmp_path / "b").mkdir()
    for number in range(len(SPLITS)):
        image, mask = (read_volume(tmp_path / "a" / f"{name}{number}.nrrd") for name in ("image", "mask"))
        if number in (1, 6):  # of training and test
            coarse = resample(image, (2.0, 1.5, 4.0), "linear")
            image, mask = coarse, replace(coarse, array=resample_labels(mask.array, coarse.shape))
        write_volume(image, tmp_path / "b" / f"image{number}.nrrd")
        write_volume(mask, tmp_path / "b" / f"mask{number}.nrrd")
    (tmp_path / "b" / "volumes.csv").write_bytes((tmp_path / "a" / "volumes.csv").read_bytes())
    training = {"steps": 40, "batch_size": 2, "validate_every": 20, "learning_rate": 0.01, "precision": "fp32", "warmup_steps": 1,
                "checkpoint_every": 40}  # fmt: skip
    headline, job = run(task_spec("segmentation", tmp_path / "b" / "volumes.csv", training=training), tmp_path)
    assert headline["test"]["dice"] > 0.6
    (remark,) = [event for event in job.of("warning") if event["code"] == "images"]
    assert "resampled to 1 x 1.5 x 2 mm" in remark["message"]
    model = load_weights(job.folder / "results" / "model.safetensors")
    assert model.plan.geometry.coarsest == pytest.approx((2.0, 1.5, 4.0))
    found = segment_image(read_volume(tmp_path / "b" / "image6.nrrd", "MR"), model).labels
    assert found.shape == (12, 20, 8) and np.allclose(found.spacing, (2.0, 1.5, 4.0))


def test_a_classification_of_volumes_does_not_care_how_they_are_stored(tmp_path):
    from medssl.inference.classification.predict import predict_images

    def labelled(folder: Path) -> Path:
        rows = [
            {"image": f"image{n}.nrrd", "patient": f"p{n}", "split": split, "modality": "MR", "Bright": n % 2}
            for n, split in enumerate(SPLITS)
        ]
        return write_table(folder / "labels.csv", rows)

    write_volumes(tmp_path / "a")
    stored_anew(tmp_path / "a", tmp_path / "b")
    small = {"crop": [16, 16, 16], "base_width": 4}
    _, one = run(task_spec("classification", labelled(tmp_path / "a"), **small), tmp_path / "one")
    _, two = run(task_spec("classification", labelled(tmp_path / "b"), **small), tmp_path / "two")
    assert [e["loss"] for e in one.of("loss")] == [e["loss"] for e in two.of("loss")] != []
    model = load_weights(two.folder / "results" / "model.safetensors")
    asked = [read_volume(tmp_path / place / "image5.nrrd", "MR") for place in "ab"]
    first, second = predict_images(asked, model)
    assert first["Bright"] == pytest.approx(second["Bright"], abs=1e-5)
