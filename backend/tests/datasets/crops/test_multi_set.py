"""Samples of datasets: what a step sees, and images that cannot be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from refusals import refused

from medssl.core.errors import VolumeError
from medssl.datasets.cache.prepared_images import PreparedImages
from medssl.datasets.crops.loader import micro_batches
from medssl.datasets.crops.multi_set import TRIES, MultiSetSamples
from medssl.datasets.crops.set_schedule import SetSchedule
from medssl.datasets.spec.set_parts import SetPart
from medssl.images.intensity.config import NormalisationConfig

RULE = NormalisationConfig(kind="cxr")


def write(folder: Path, count: int, shape: tuple[int, int] = (90, 70)) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    for n in range(count):
        noise = np.random.default_rng(n).integers(0, 255, shape).astype(np.uint8)
        Image.fromarray(noise).save(folder / f"{n}.png")
    return [str(folder / f"{n}.png") for n in range(count)]


def part(name: str, images: list[str], classes: int) -> SetPart:
    targets = np.tile(np.arange(len(images), dtype=np.float32)[:, None], (1, classes))
    return SetPart(name, "multi-label", tuple(f"{name}{n}" for n in range(classes)), images, targets)


@pytest.fixture
def sets(tmp_path: Path) -> list[SetPart]:
    return [part("a", write(tmp_path / "a", 5), 2), part("b", write(tmp_path / "b", 3), 1)]


def samples_of(sets: list[SetPart], folder: Path | None = None, per_step: int = 2, seed: int = 0) -> MultiSetSamples:
    schedule = SetSchedule([len(one.images) for one in sets], per_step)
    return MultiSetSamples(sets, schedule, PreparedImages(folder, 32, RULE), seed)


def test_all_samples_of_a_step_are_of_one_set_and_a_pass_shows_every_image(sets: list[SetPart]):
    dataset = samples_of(sets)
    drawn = [dataset[n] for n in range(2 * dataset.schedule.epoch)]
    assert [sample["set"] for sample in drawn] == [0] * 6 + [1] * 4
    assert {sample["volume"] for sample in drawn[:6]} == set(range(5))
    assert {sample["volume"] for sample in drawn[6:]} == set(range(3))
    for sample in drawn:  # the target is that of the image that is shown
        assert sample["target"].tolist() == [sample["volume"]] * (2 if sample["set"] == 0 else 1)
        assert sample["raw"].dtype == torch.uint8 and sample["raw"].shape == (1, 32, 32)
        assert sample["skipped"].tolist() == [-1] * TRIES


def test_a_sample_depends_on_seed_and_number_alone(sets: list[SetPart]):
    first, again, other = samples_of(sets), samples_of(sets), samples_of(sets, seed=7)
    numbers = [9, 3, 40]
    assert [first[n]["volume"] for n in numbers] == [again[n]["volume"] for n in reversed(numbers)][::-1]
    assert [first[n]["volume"] for n in range(40)] != [other[n]["volume"] for n in range(40)]


def test_an_unreadable_image_is_stepped_over_and_told(sets: list[SetPart]):
    Path(sets[0].images[2]).write_bytes(b"no picture")
    found = [sample for n in range(6) if (sample := samples_of(sets)[n])["skipped"].max() >= 0]
    assert found and all(sample["skipped"].tolist()[0] == 2 and sample["volume"] != 2 for sample in found)
    assert all(sample["target"].tolist() == [sample["volume"]] * 2 for sample in found)
    assert [sample["volume"] for sample in found] == [samples_of(sets)[sample["index"]]["volume"] for sample in found]


def test_a_missing_folder_of_one_patient_does_not_stop_a_set(tmp_path: Path):
    images = [*write(tmp_path / "there", 20), *(str(tmp_path / "gone" / f"{n}.png") for n in range(10))]
    dataset = samples_of([part("a", images, 1)])
    found = [dataset[n] for n in range(60)]
    assert all(sample["volume"] < 20 for sample in found)
    assert {n for sample in found for n in sample["skipped"].tolist()} == {-1, *range(20, 30)}


def test_a_set_of_nothing_but_unreadable_images_stops(sets: list[SetPart]):
    for image in sets[1].images:
        Path(image).unlink()
    with refused("images-unreadable", names=["set b: 3 images", "No such file"]):
        samples_of(sets)[6]


def test_an_error_in_a_loader_process_arrives_as_it_was_raised(sets: list[SetPart]):
    for image in sets[1].images:
        Path(image).unlink()
    batches = micro_batches(samples_of(sets), [[0, 1], [6, 7]], workers=1)
    assert next(batches)["raw"].shape == (2, 1, 32, 32)
    with refused("images-unreadable", names="set b") as caught:
        next(batches)
    assert caught.value.remedy == "Check it: medssl data check"


def test_decoded_images_are_kept_and_a_changed_file_is_decoded_anew(sets: list[SetPart], tmp_path: Path):
    prepared, image = PreparedImages(tmp_path / "kept", 32, RULE), sets[0].images[0]
    first = prepared.get(image)
    kept = list((tmp_path / "kept").rglob("*.npy"))
    assert len(kept) == 1 and (prepared.get(image) == first).all()
    np.save(kept[0], np.zeros((32, 32), np.uint8))
    assert (prepared.get(image) == 0).all()  # the kept one is what is read
    kept[0].write_bytes(b"\x93NUM")  # cut off
    assert (prepared.get(image) == first).all()
    Image.fromarray(np.random.default_rng(99).integers(0, 255, (80, 80)).astype(np.uint8)).save(image)
    assert (prepared.get(image) != first).any()
    assert not list((tmp_path / "kept").rglob("*.partial"))


def test_the_whole_image_is_shown_whatever_its_aspect(tmp_path: Path):
    image = np.full((64, 128), 60, np.uint8) + np.random.default_rng(0).integers(0, 40, (64, 128)).astype(np.uint8)
    image[:, 96:] += 120
    Image.fromarray(image).save(tmp_path / "wide.png")
    square = PreparedImages(None, 32, RULE).get(str(tmp_path / "wide.png"))
    assert square.shape == (32, 32) and square[:, 25:].mean() > square[:, :23].mean() + 90
    turned = PreparedImages(None, 32, RULE).get(str(tmp_path / "wide.png"), inverted=True)
    assert np.abs(turned.astype(int) + square - 255).max() <= 2


def test_what_is_no_radiograph_is_refused(tmp_path: Path):
    Image.fromarray(np.full((90, 90), 7, np.uint8)).save(tmp_path / "flat.png")
    with pytest.raises(VolumeError):
        PreparedImages(None, 32, RULE).get(str(tmp_path / "flat.png"))
