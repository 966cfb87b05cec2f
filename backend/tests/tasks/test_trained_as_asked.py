"""A network is trained on what it is asked about; jobs of earlier versions of specs go on as they began."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inspection_fakes import make_ct
from labelled import labels_of, volume, write_pair
from radiograph_fakes import radiograph
from refusals import refused
from segment_fakes import Levels
from task_sets import run, task_spec, write_pictures, write_table, write_volumes

from medssl.core.plan import Plan, read_plan
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.crops.segmentation_crops import SegmentationDataset
from medssl.datasets.crops.slices import SliceDataset
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import normalise
from medssl.images.radiograph import as_radiograph
from medssl.images.segment_classes import read_classes
from medssl.inference.volumes.entropy_score import score_entropy
from medssl.inference.volumes.segmenter import segment_image
from medssl.inference.volumes.sliding import fitting_window
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import save_weights
from medssl.tasks.planning.pooling import Pooling
from medssl.tasks.segmentation import task

VERSIONS = (3, 4)


def with_findings(catalogue: Path) -> Path:
    with catalogue.open(newline="") as file:
        rows = [{**row, "Finding": n % 2} for n, row in enumerate(csv.DictReader(file))]
    return write_table(catalogue, rows)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_one_window_is_normalised_as_the_batches_of_training_were(tmp_path: Path, task: str, version: int):
    plan = Plan("genesis", {"base_width": 4, "inputs": 1, "outputs": 1}, "released", modality="MR")
    save_weights(tmp_path / "genesis.safetensors", UNet3D(4).state_dict(), plan)
    data = with_findings(write_volumes(tmp_path / "data"))
    over = {} if task == "segmentation" else {"labels": "Finding", "crop": [16, 16, 16]}
    _, job = run(
        replace(task_spec(task, data, str(tmp_path / "genesis.safetensors"), **over), version=version), tmp_path
    )
    assert read_plan(job.folder / "results" / "model.safetensors").fidelity == ("released" if version == 3 else "paper")


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("kind", [SegmentationDataset, SliceDataset])
def test_what_lies_beyond_a_volume_is_0_as_when_it_is_segmented(tmp_path: Path, kind: type, dark: bool):
    """A CT without air, whose minimum the window shows grey."""
    cache = VolumeCache(tmp_path / "cache")
    scan = volume()
    entry = write_pair(tmp_path, "scan", scan, labels_of(scan))
    image = replace(cache.add(entry), modality="CT")
    image = replace(image, statistics=replace(image.statistics, minimum=-200.0))
    rule = NormalisationConfig(kind="ct")
    size = tuple(side + 8 for side in image.shape)
    size = size if kind is SegmentationDataset else (size[1], size[0])
    mask = cache.add_mask(entry, image)
    dataset = kind([image], [mask], read_classes("2=Spot,5=Box"), size, rule, 0.0, 0, dark_padding=dark)
    sample = dataset[0]
    corner = normalise(sample["raw"][None], sample["window"][None])[0, 0].flatten()[0]
    assert float(corner) == pytest.approx(0.0 if dark else 0.4)


@pytest.mark.parametrize("version", VERSIONS)
def test_slices_have_their_rows_along_j(tmp_path: Path, version: int):
    spec = task_spec(
        "segmentation", write_volumes(tmp_path / "data", (32, 48, 16)), form="2d", network="resenc", crop=[16, 32, 16]
    )
    _, job = run(replace(spec, version=version), tmp_path)
    assert read_plan(job.folder / "results" / "model.safetensors").input_size == (
        (32, 16) if version == 4 else (16, 32)
    )


def test_the_stages_of_slices_lie_along_the_networks_axes():
    stages = Pooling(((1, 1), (2, 1)), ((3, 3), (3, 1)))
    assert stages.turned() == Pooling(((1, 1), (1, 2)), ((3, 3), (1, 3))) and stages.turned().turned() == stages


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("recorded", [True, False])
def test_labels_decide_on_intensities_that_the_weights_do_not_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: bool, version: int
):
    rule = {"kind": "mr-percentile"} if recorded else {}
    plan = Plan("genesis", {"base_width": 4, "inputs": 1, "outputs": 1}, normalisation=rule, modality="MR")
    save_weights(tmp_path / "genesis.safetensors", UNet3D(4).state_dict(), plan)
    known: list[bool] = []
    real = task.settled
    monkeypatch.setattr(task, "settled", lambda *given, fresh: known.append(fresh) or real(*given, fresh=fresh))
    spec = task_spec("segmentation", write_volumes(tmp_path / "data"), str(tmp_path / "genesis.safetensors"))
    run(replace(spec, version=version), tmp_path)
    assert known == [version == 4 and not recorded]


def test_a_window_is_no_larger_than_the_crop_or_the_volume_needs():
    net = Levels(size=(64, 64, 64))
    assert fitting_window((64, 64, 64), net, (40, 40, 100)) == (64, 64, 64), "of a file that does not tell its crop"
    net.plan = replace(net.plan, task={**net.plan.task, "training_crop": [40, 48, 32]})
    assert fitting_window((64, 64, 64), net, (20, 41, 100)) == (40, 48, 64)
    strides = {"pooling": {"strides": [[1, 1, 1], [2, 2, 1], [2, 2, 2]]}}
    net.plan = replace(net.plan, task={**net.plan.task, "plan": strides})
    assert fitting_window((64, 64, 64), net, (41, 50, 35)) == (44, 52, 36)
    seen: list[tuple[int, ...]] = []
    net.register_forward_hook(lambda _module, inputs, _output: seen.append(tuple(inputs[0].shape[2:])))
    segment_image(make_ct((40, 40, 20)), net)
    assert set(seen) == {(40, 48, 32)}


def test_flat_images_and_volumes_are_not_taken_for_each_other():
    large = make_ct((80, 72, 4))
    flat = replace(large, array=large.array[..., 3])
    of_slices, of_pictures = (Levels("2d", (16, 16), flat=said) for said in (False, True))
    for ask in (segment_image, score_entropy):
        with refused("not-3d"):
            ask(flat, of_slices)
        with refused("not-2d", names="2D images"):
            ask(make_ct(), of_pictures)
        ask(make_ct(), of_slices)
        ask(flat, of_pictures)


def test_a_flat_image_that_states_no_modality_is_read_as_the_models(tmp_path: Path):
    """With black borders, which are cut off radiographs alone."""
    picture = radiograph()
    framed = np.pad(picture.array, 30, constant_values=picture.array.min())
    unstated = replace(picture, array=framed, modality="")
    assert as_radiograph(unstated).pixels.shape == as_radiograph(unstated, modality="CXR").pixels.shape
    assert as_radiograph(unstated, modality="MR").pixels.shape == framed.T.shape
    assert as_radiograph(replace(unstated, modality="CXR"), modality="MR").pixels.shape != framed.T.shape


@pytest.mark.parametrize("pictures", [False, True])
def test_the_file_says_whether_training_images_were_flat(tmp_path: Path, pictures: bool):
    data = (write_pictures if pictures else write_volumes)(tmp_path / "data")
    spec = task_spec("segmentation", data, **({"classes": ""} if pictures else {}))
    _, job = run(spec, tmp_path)
    assert read_plan(job.folder / "results" / "model.safetensors").task["flat"] == pictures


def test_volumes_are_turned_in_millimetres_when_they_are_classified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from medssl.tasks.classification import task as classifying

    known: list[tuple[float, ...]] = []
    real = classifying.augmentation
    monkeypatch.setattr(classifying, "augmentation", lambda *given: known.append(given[3]) or real(*given))
    data = with_findings(write_volumes(tmp_path / "data"))
    spec = task_spec("classification", data, labels="Finding", crop=[16, 16, 16], base_width=4)
    for version in VERSIONS:
        run(replace(spec, version=version), tmp_path / str(version))
    assert known[0] == () and len(known[1]) == 3 and not torch.tensor(known[1]).isnan().any()
