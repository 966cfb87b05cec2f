"""A restoration keeps the geometry, measures what it shows, and refuses what it cannot do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from inspection_fakes import CT, Identity, make_ct
from refusals import refused

from medssl.core.errors import CancelledError
from medssl.core.plan import Plan
from medssl.images.formats import guards
from medssl.images.intensity.model_window import intensity_window
from medssl.images.volume import Volume
from medssl.inference.volumes.distorted_windows import NAMES, make_distortion, restore_windows
from medssl.inference.volumes.restoration import GRID_BYTES, OWN_BYTES, restore_volume
from medssl.networks.unet3d import UNet3D


@pytest.fixture
def ct() -> Volume:
    return make_ct()


def test_identity_without_distortion_has_no_error(ct):
    found = restore_volume(ct, Identity(), "none")
    assert found.error.array.max() < 1e-6
    assert np.array_equal(found.restored.array, ct.array)
    assert found.original.array.dtype == np.int16
    restored = next(row for row in found.table if row["image"] == "restored")
    assert restored["mse"] < 1e-9 and restored["ssim"] > 0.9999


def test_identity_keeps_the_error_of_the_distortion(ct):
    found = restore_volume(ct, Identity(), "outpaint", seed=3)
    rows = {row["image"]: row for row in found.table}
    assert list(rows) == ["distorted", "restored", "constant mean"]
    assert rows["distorted"]["mse"] > 0.01
    assert rows["restored"]["mse"] == pytest.approx(rows["distorted"]["mse"], rel=1e-4)
    original = (found.original.array + 1000.0) / 2000
    assert rows["constant mean"]["mse"] == pytest.approx(original.var(), rel=1e-3)
    assert np.abs((found.distorted.array - found.original.array) / 2000.0) == pytest.approx(found.error.array, abs=1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_the_seed_decides(ct, name):
    first, again, other = (restore_volume(ct, Identity(), name, seed=s).distorted.array for s in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (name == "none") or name in ("shuffle",)  # tiny cubes barely shuffle


def test_geometry_of_the_whole_volume_and_of_a_region(ct):
    roi = ((2, 20), (1, 19), (3, 12))
    whole, part = restore_volume(ct, Identity(), "none"), restore_volume(ct, Identity(), "none", roi=roi)
    for image in (whole.original, whole.distorted, whole.restored, whole.error):
        assert image.shape == ct.shape
        assert image.ijk_to_ras == pytest.approx(ct.ijk_to_ras)
    for image in (part.original, part.error):
        assert image.shape == (18, 18, 9)
        assert image.direction == pytest.approx(ct.direction)
        corner = ct.ijk_to_ras @ [2, 1, 3, 1]
        assert image.ijk_to_ras[:, 3] == pytest.approx(corner)
    assert np.array_equal(part.original.array, ct.array[2:20, 1:19, 3:12])


class Mean(Identity):
    """Answers with the mean of its window, which all of it decides."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).mean(dim=(2, 3, 4), keepdim=True).expand_as(x)


@pytest.mark.parametrize(
    ("roi", "seen"),
    [
        (((10, 14), (8, 12), (4, 8)), np.s_[4:20, 2:18, 2:10]),
        (((0, 4), (17, 20), (2, 10)), np.s_[0:16, 4:20, 2:10]),
    ],
)
def test_a_small_region_is_seen_with_what_is_around_it(ct, roi, seen):
    """Cut out first, it was padded with 0, which in training no voxel inside a body was next to."""
    net = Mean()
    found, cut = restore_volume(ct, net, "none", roi=roi), ct.crop(roi)
    assert net.calls == [1] and np.abs(found.restored.array - ct.array[seen].mean()).max() <= 1
    for image in (found.original, found.distorted):
        assert np.array_equal(image.array, cut.array) and image.ijk_to_ras == pytest.approx(cut.ijk_to_ras)
    assert found.restored.shape == found.error.shape == cut.shape
    errors = (found.restored.array - cut.array.astype(float)) / 2000.0
    assert found.table[1]["mse"] == pytest.approx(float((errors**2).mean()), rel=1e-2, abs=1e-4), "of the region alone"


def test_the_window_is_that_of_the_whole_volume():
    volume = replace(make_ct(), array=np.abs(make_ct().array), modality="MR")
    plan = replace(Identity().plan, normalisation={**CT, "kind": "mr-percentile"}, modality="MR")
    net = Identity()
    net.plan = plan
    low, high = restore_volume(volume, net, "none", roi=((0, 8), (0, 8), (0, 8))).info["window"]
    assert (low, high) == intensity_window(volume, plan)
    assert 0 < high <= 1000


def test_float_volumes_stay_float(ct):
    volume = ct.with_array(ct.array + np.float32(0.25))
    assert restore_volume(volume, Identity(), "none").original.array.dtype == np.float32


def test_a_volume_smaller_than_the_window():
    volume = make_ct((10, 16, 5))
    found = restore_volume(volume, Identity(), "none")
    assert found.restored.shape == (10, 16, 5)
    assert found.error.array.max() < 1e-6


def test_released_networks_get_one_window_at_a_time(ct):
    paper, released = Identity("paper"), Identity("released")
    restore_volume(ct, paper, "none")
    restore_volume(ct, released, "none")
    assert max(paper.calls) == 4
    assert set(released.calls) == {1}


def test_a_real_network_restores_into_the_window(ct):
    torch.manual_seed(0)
    net = UNet3D(base_width=4, fidelity="released").eval()
    net.plan = Plan("genesis", {"base_width": 4}, "released", CT, (16, 16, 8), "CT")
    found = restore_volume(ct, net, "random", overlap=0.5)
    assert found.restored.array.min() >= -1000 and found.restored.array.max() <= 1000
    assert all(np.isfinite(row[name]) for row in found.table for name in ("mse", "psnr", "ssim"))
    assert len(found.info["tiles"]) == 2 * 2 * 2


def test_progress_rises_and_may_cancel(ct):
    fractions = []
    restore_volume(ct, Identity(), progress=lambda fraction, message: fractions.append(fraction))
    assert fractions == sorted(fractions) and fractions[-1] == 1

    def cancel(fraction: float, message: str) -> None:
        if fraction > 0.2:
            raise CancelledError()

    with pytest.raises(CancelledError):
        restore_volume(ct, Identity("released"), progress=cancel)


@pytest.mark.parametrize(
    ("change", "arguments", "code", "names"),
    [
        ({"array": np.zeros((24, 20), np.int16)}, {}, "not-3d", ""),
        ({"array": np.zeros((24, 20, 1), np.int16)}, {}, "not-3d", ""),
        ({"array": np.full((24, 20, 12), -500, np.int16)}, {}, "image-constant", ""),
        ({"modality": "MR"}, {}, "modality-mismatch", "MR"),
        ({"array": np.arange(24 * 20 * 12).reshape(24, 20, 12), "modality": ""}, {}, "not-hounsfield", ""),
        ({}, {"roi": ((0, 8), (0, 8), (0, 13))}, "region-outside", ""),
        ({}, {"roi": ((4, 4), (0, 8), (0, 8))}, "region-outside", ""),
        ({}, {"distortion": "blur"}, "setting-not-a-choice", "outpaint"),
        ({}, {"strength": 1.5}, "setting-out-of-range", "strength = 1.5"),
        ({}, {"overlap": 1.0}, "setting-out-of-range", "overlap = 1.0"),
    ],
)
def test_what_cannot_be_done_is_refused(ct, change, arguments, code, names):
    with refused(code, names):
        restore_volume(replace(ct, **change), Identity(), **arguments)


def test_what_memory_cannot_take_is_refused_before_a_window_is_restored(ct, monkeypatch):
    net, need = Identity(), (GRID_BYTES + OWN_BYTES) * ct.array.size
    monkeypatch.setattr(guards, "most_bytes", lambda: need - 1)
    with refused("more-than-memory", names="crop"):
        restore_volume(ct, net)
    assert net.calls == []
    monkeypatch.setattr(guards, "most_bytes", lambda: need)
    assert restore_volume(ct, net, roi=((2, 20), (1, 19), (3, 12))).error.shape == (18, 18, 9)


def test_the_remedy_is_one_for_whoever_uses_a_model(ct):
    positive = replace(ct, array=np.arange(24 * 20 * 12).reshape(24, 20, 12), modality="", name="knee")
    with refused("not-hounsfield", names="knee") as caught:
        restore_volume(positive, Identity())
    assert "normalisation" not in caught.value.remedy and "a model that was trained on" in caught.value.remedy


def test_a_model_of_another_method_is_refused(ct):
    with refused("model-unsuitable", names="peac"):
        restore_volume(ct, Identity(method="peac"))


def test_windows_are_distorted_one_by_one():
    image = np.full((32, 32, 32), 0.5, np.float32)
    out, restored, tiles = restore_windows(image, lambda x: x, make_distortion("outpaint", 1.0), (16, 16, 32), 0.0)
    assert [t["start"] for t in tiles] == [[0, 0, 0], [0, 16, 0], [16, 0, 0], [16, 16, 0]]
    assert all(t["distortions"] == ["outpaint"] for t in tiles)
    kept = [out[i : i + 16, j : j + 16] == 0.5 for i in (0, 16) for j in (0, 16)]
    assert all(0.01 < k.mean() < 0.9 for k in kept)
    assert not np.array_equal(kept[0], kept[1])
    assert np.array_equal(restored, out)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.7])
@pytest.mark.parametrize("batch", [1, 3])
def test_what_is_shown_as_distorted_is_what_the_network_was_given(overlap, batch):
    """In training a network sees one distortion at a time, and its error is measured where it answered for it."""
    image, size = np.random.default_rng(0).random((40, 33, 20), np.float32), (16, 16, 8)
    distortion, given = make_distortion("random", 1.0), []
    out, restored, tiles = restore_windows(
        image, lambda x: given.extend(x[:, 0]) or 1 - x, distortion, size, overlap, 5, batch
    )
    assert len(given) == len(tiles) > 12
    assert np.array_equal(restored, 1 - out)
    middles = np.array([tile["start"] for tile in tiles]) + (np.array(size) - 1) / 2
    for voxel in np.random.default_rng(1).integers(0, image.shape, (200, 3)):
        seen = {
            float(given[n][tuple(voxel - tiles[n]["start"])])
            for n in range(len(tiles))
            if (voxel >= tiles[n]["start"]).all() and (voxel < np.array(tiles[n]["start"]) + size).all()
            and (np.abs(middles[n] - voxel) <= np.abs(middles - voxel).min(axis=0) + 1e-9).all()
        }  # fmt: skip
        assert float(out[tuple(voxel)]) in seen, voxel


def test_windows_that_reach_beyond_the_volume_are_cut():
    image = np.random.default_rng(0).random((10, 40, 5), np.float32)
    out, restored, _ = restore_windows(image, lambda x: x, make_distortion("none", 1.0), (16, 16, 8), 0.3, 0, 2)
    assert np.array_equal(out, image) and np.array_equal(restored, image)


def test_a_mapped_file_is_read_window_by_window(tmp_path):
    image = np.lib.format.open_memmap(tmp_path / "image.npy", "w+", np.float32, (20, 20, 10))
    image[:] = np.random.default_rng(0).random(image.shape)
    seen = []
    none = make_distortion("none", 1.0)
    out, _, _ = restore_windows(image, lambda x: seen.append(x.shape) or x, none, (16, 16, 8), 0.25, batch=2)
    assert np.array_equal(out, image)
    assert set(seen) == {(2, 1, 16, 16, 8)}


def test_progress_counts_windows_and_may_stop():
    steps, calls = [], []
    image, none = np.zeros((40, 16, 8), np.float32), make_distortion("none", 1.0)
    restore_windows(image, lambda x: x, none, (16, 16, 8), 0.0, batch=2, progress=lambda *n: steps.append(n))
    assert steps == [(2, 3), (3, 3)]

    def stop(done: int, windows: int) -> None:
        raise CancelledError()

    with pytest.raises(CancelledError):
        restore_windows(image, lambda x: calls.append(1) or x, none, (16, 16, 8), progress=stop)
    assert len(calls) == 1
