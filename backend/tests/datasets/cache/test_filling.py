"""Filling the cache: one bad file never stops the others, and too many do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import FakeRun
from refusals import refused
from task_sets import run, task_spec, write_volumes

from medssl.core.errors import CancelledError, VolumeError
from medssl.core.protocol import DataSpec, JobSpec
from medssl.datasets.cache.filling import Skipped, check_share, fill, fill_parts, notes_of, warnings_of
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import Catalog, Entry
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume
from medssl.pretraining.genesis.config import GenesisConfig
from medssl.pretraining.volume_data import cache_volumes


def write_image(path: Path, seed: int = 0) -> Path:
    array = np.random.default_rng(seed).integers(0, 900, (20, 18, 16)).astype(np.int16)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(Volume(array, modality="MR"), path)
    return path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(5).bytes(5000))


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("gone.nii.gz"))


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def vanish(path: Path) -> None:
    path.unlink()


BAD = [cut, empty, noise, dangle, circle, vanish]


@pytest.fixture
def entries(tmp_path) -> list[Entry]:
    return [
        Entry(write_image(tmp_path / "data" / f"p{n}" / "mr.nii.gz", n), f"p{n}", name=f"p{n}/mr", modality="MR")
        for n in range(5)
    ]


@pytest.mark.parametrize("spoil", BAD)
def test_one_bad_file_is_stepped_over_and_named(tmp_path, entries, spoil):
    spoil(entries[2].image)
    said: list[str] = []
    found = fill(VolumeCache(tmp_path / "cache"), entries, said.append)
    assert [entry.patient for entry in found.entries] == ["p0", "p1", "p3", "p4"]
    assert [image.name for image in found.images] == [entry.name for entry in found.entries]
    (skipped,) = found.skipped
    assert skipped.entry is entries[2] and skipped.reason
    assert len(said) == 5 and "p2/mr" in said[2]
    (warning,) = warnings_of(found.skipped, 5)
    assert str(entries[2].image) in warning["message"] and "1 of 5" in warning["message"]
    assert str(entries[2].image) in notes_of(found.skipped, 5)[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux takes any bytes as a name")
@pytest.mark.parametrize("name", [b"caf\xe9.nii.gz", b"two\nlines.nii.gz", b" blank .nii.gz", "μ.nii.gz".encode()])
def test_odd_names_are_read_or_stepped_over(tmp_path, entries, name):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))
    os.rename(entries[0].image, path)
    odd = Entry(path, "odd", name=path.name)
    found = fill(VolumeCache(tmp_path / "cache"), [odd, *entries[1:]], lambda text: text.encode())
    assert len(found.entries) + len(found.skipped) == 5 and len(found.skipped) <= 1
    for warning in warnings_of(found.skipped, 5):
        "".join(warning.values()).encode()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_stepped_over(tmp_path, entries):
    entries[0].image.parent.chmod(0)
    try:
        found = fill(VolumeCache(tmp_path / "cache"), entries, lambda text: None)
    finally:
        entries[0].image.parent.chmod(0o700)
    assert len(found.skipped) == 1


def test_a_label_map_of_another_grid_leaves_its_image_out(tmp_path, entries):
    masks = [write_image(tmp_path / "masks" / f"{n}.nii.gz", n) for n in range(5)]
    write_volume(Volume(np.ones((4, 4, 4), np.int16)), masks[3])
    labelled = [Entry(entry.image, entry.patient, name=entry.name, mask=mask) for entry, mask in zip(entries, masks)]
    found = fill(VolumeCache(tmp_path / "cache"), labelled, lambda text: None, masks=True)
    assert len(found.masks) == len(found.images) == 4 and str(masks[3]) in found.skipped[0].reason


def test_a_cancel_and_a_missing_label_map_are_no_bad_file(tmp_path, entries):
    def stop(text):
        raise CancelledError()

    with refused("cancelled"):
        fill(VolumeCache(tmp_path / "cache"), entries, stop)
    with refused("label-map-missing"):
        fill(VolumeCache(tmp_path / "cache"), entries, lambda text: None, masks=True)


def error(code="image-truncated") -> VolumeError:
    return VolumeError("a", "is cut off", "Copy it", code=code)


@pytest.mark.parametrize(
    ("bad", "total", "share", "allowed"),
    [(1, 2, 0.0, True), (1, 1, 1.0, False), (2, 4, 0.5, True), (3, 4, 0.5, False), (2, 6, 0.5, True), (2, 9, 0.1, False),
     (4, 4, 1.0, False), (3, 4, 1.0, True)],
)  # fmt: skip
def test_the_share_that_may_be_bad(bad, total, share, allowed):
    skipped = [Skipped(Entry(Path(f"{n}.nii"), "p"), error()) for n in range(bad)]
    if allowed:
        return check_share(skipped, total, share)
    with refused("image-truncated"):
        check_share(skipped, total, share)


def test_faults_of_several_kinds_have_a_code_of_their_own():
    skipped = [Skipped(Entry(Path("0.nii"), "p"), error()), Skipped(Entry(Path("1.nii"), "p"), error("image-nan"))]
    with refused("images-unreadable", names=["2 of 3", "0.nii", "0.1"]):
        check_share(skipped, 3, 0.1)


@pytest.mark.parametrize("bad", range(5))
def test_the_split_is_that_of_a_set_without_the_bad_file(tmp_path, entries, bad):
    """Whichever file is bad, also the only one of validation."""
    cache = VolumeCache(tmp_path / "cache")

    def draw(catalog):
        order = np.random.default_rng(len(catalog)).permutation(len(catalog))
        parts = {"training": order[1:], "validation": order[:1]}
        return len(catalog), {name: [catalog.entries[n] for n in numbers] for name, numbers in parts.items()}

    def bring(some):
        return fill(cache, some, lambda text: None)

    clean = [entry for n, entry in enumerate(entries) if n != bad]
    expected = fill_parts(Catalog(tuple(clean)), draw, bring, 0.5)
    cut(entries[bad].image)
    count, parts, skipped = fill_parts(Catalog(tuple(entries)), draw, bring, 0.5)
    assert count == 4 and [one.entry for one in skipped] == [entries[bad]]
    for name, part in parts.items():
        assert part.entries == expected[1][name].entries and part.entries


def test_pretraining_steps_over_bad_volumes_of_a_folder(tmp_path, entries):
    cut(entries[1].image)
    noise(entries[4].image)
    job = FakeRun(tmp_path / "job", tmp_path / "home")
    spec = JobSpec("pretrain", "genesis", {}, DataSpec(path=str(tmp_path / "data")))
    training, validation, _, warnings = cache_volumes(spec, job, GenesisConfig())
    assert len(training) + len(validation) == 3 and len(validation)
    assert {warning["code"] for warning in warnings} == {"unreadable-image"} and len(warnings) == 2
    with refused("images-unreadable", names=["2 of 5", "0.1"]):
        strict = DataSpec(path=str(tmp_path / "data"), unreadable_share=0.1)
        cache_volumes(JobSpec("pretrain", "genesis", {}, strict), job, GenesisConfig())


@pytest.mark.parametrize("number", [0, 4, 6])
def test_a_task_steps_over_a_bad_image_of_any_part(tmp_path, number):
    data = write_volumes(tmp_path / "data")
    cut(tmp_path / "data" / f"image{number}.nrrd")
    headline, job = run(task_spec("segmentation", data), tmp_path)
    assert headline["test"] and headline["validation"]
    warnings = [event for event in job.events if event.get("code") == "unreadable-image"]
    assert len(warnings) == 1 and f"image{number}.nrrd" in warnings[0]["message"]
    assert f"image{number}.nrrd" in (job.folder / "results" / "report.html").read_text()
