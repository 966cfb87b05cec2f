from __future__ import annotations

import multiprocessing
import os
import pickle

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_series
from refusals import refused

from medssl.core.errors import VolumeError
from medssl.datasets.cache import cached_volume as opened_module
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.entry import Entry
from medssl.images.formats.reading import write_volume
from medssl.images.volume import Volume


@pytest.mark.parametrize("kind", [np.int16, np.float32])
@pytest.mark.parametrize("shape", [(40, 36, 28), (150, 70, 90), (1, 2, 3)])
def test_crop_of_the_cache_is_crop_of_the_volume(cached, rng, kind, shape):
    array = rng.integers(-1000, 1000, shape).astype(kind) / (1 if kind is np.int16 else 3)
    volume = cached(Volume(array.astype(kind)))
    size = (16, 24, 8)
    padded = np.pad(array.astype(kind), [(n, n) for n in size], constant_values=array.astype(kind).min())
    for _ in range(40):
        start = [int(rng.integers(-n, m + 1)) for n, m in zip(size, shape)]
        expected = padded[tuple(slice(s + n, s + 2 * n) for s, n in zip(start, size))]
        crop = volume.crop(start, size)
        assert crop.dtype == kind
        assert np.array_equal(crop, expected)


def test_sparse_crop_is_every_fourth_row_and_column(cached, ct):
    volume = cached(slices=(4, 26))
    for start in ((0, 0, 4), (5, 6, 7), (4, 3, 0), (30, 30, 20), (40, 36, 28)):
        rows, columns = (np.arange(s, min(s + 16, n)) for s, n in zip(start[:2], ct.shape))
        slices = np.arange(max(start[2], 4), min(start[2] + 8, 26))
        expected = ct.array[np.ix_(rows[rows % 4 == 0], columns[columns % 4 == 0], slices)]
        assert np.array_equal(volume.sparse_crop(start, (16, 16, 8)), expected)


def test_radiographs_too(cached, rng):
    array = rng.integers(0, 255, (300, 200)).astype(np.uint8)
    volume = cached(Volume(array))
    assert volume.shape == (300, 200)
    assert np.array_equal(volume.crop((130, 20), (100, 60)), array[130:230, 20:80])


def test_slices_beyond_the_slab_are_not_shown(cached, ct):
    volume = cached(slices=(8, 20))
    crop = volume.crop((5, 6, 2), (10, 10, 24))
    assert np.array_equal(crop[..., 6:18], ct.array[5:15, 6:16, 8:20])
    assert (crop[..., :6] == -1000).all() and (crop[..., 18:] == -1000).all()


def test_sidecar_keeps_what_is_known(cached, ct):
    volume = cached()
    assert volume.modality == "CT"  # guessed: NRRD does not say
    assert volume.spacing == pytest.approx((0.7, 0.8, 2.5))
    assert volume.statistics.minimum == -1000 and volume.statistics.air_threshold == -500
    assert (volume.name, volume.patient) == ("v", "v")


def test_a_cached_file_is_not_read_again_until_it_changes(tmp_path, ct):
    path = tmp_path / "a.nrrd"
    write_volume(ct, path)
    cache = VolumeCache(tmp_path / "cache")
    first = cache.add(Entry(path, "a"))
    written = first.path.stat().st_mtime_ns
    assert cache.add(Entry(path, "a")).path.stat().st_mtime_ns == written
    assert cache.add(Entry(path, "a", modality="MR")).path != first.path  # other statistics
    first.path.unlink()
    assert cache.add(Entry(path, "a")).path.exists()
    os.utime(path, ns=(1, 1))
    assert cache.add(Entry(path, "a")).path != first.path


def test_upload_is_known_by_its_hash(tmp_path, ct):
    path = tmp_path / f"{'ab' * 32}.nrrd"
    write_volume(ct, path)
    cache = VolumeCache(tmp_path / "cache")
    first = cache.add(Entry(path, "a"))
    os.utime(path, ns=(1, 1))
    assert cache.add(Entry(path, "a")).path == first.path


def _add(path, folder):
    volume = VolumeCache(folder).add(Entry(path, "a"))
    return volume.crop((0, 0, 0), volume.shape)


def test_processes_share_a_cache(tmp_path, ct):
    path = tmp_path / "ä b.nrrd"
    write_volume(ct, path)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        results = pool.starmap(_add, [(path, tmp_path / "cache")] * 4)
    assert all(np.array_equal(result, ct.array) for result in results)
    assert len(list((tmp_path / "cache").glob("*.b2nd"))) == 1


def test_travels_to_a_worker_closed(cached):
    volume = cached()
    volume.crop((0, 0, 0), (4, 4, 4))
    assert len(pickle.dumps(volume)) < 10_000


def test_handles_do_not_pile_up(cached, ct):
    opened_module._open.cache_clear()
    for n in range(opened_module.OPEN_FILES + 5):
        cached(ct.crop(((0, 9), (0, 9), (0, 9))), name=f"v{n}").crop((0, 0, 0), (4, 4, 4))
    assert opened_module._open.cache_info().currsize == opened_module.OPEN_FILES


def test_full_disk_leaves_no_half_file(tmp_path, rng, small_files_only):
    path = tmp_path / "a.nrrd"
    write_volume(Volume(rng.integers(-9999, 9999, (64, 64, 64)).astype(np.int16)), path)
    cache = VolumeCache(tmp_path / "cache")
    with small_files_only(50_000), refused("disk-full") as caught:
        cache.add(Entry(path, "a"))
    assert "Free disk space" in caught.value.remedy
    assert [p.suffix for p in cache.folder.iterdir()] in ([], [".lock"])
    assert cache.add(Entry(path, "a")).shape == (64, 64, 64)


def test_bad_image_leaves_nothing(tmp_path):
    path = tmp_path / "a.nrrd"
    path.write_bytes(b"NRRD0004\n")
    with pytest.raises(VolumeError):
        VolumeCache(tmp_path / "cache").add(Entry(path, "a"))
    assert not list((tmp_path / "cache").glob("*.b2nd")) and not list((tmp_path / "cache").glob("*.json"))


@pytest.mark.parametrize("name", ["a.mhd", "a.nhdr", "a.hdr"])
def test_voxels_beside_their_header_are_read_anew_when_they_change(tmp_path, name):
    image = sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    sitk.WriteImage(image, str(tmp_path / name))
    (voxels,) = (path for path in tmp_path.iterdir() if path.name != name)
    cache, entry = VolumeCache(tmp_path / "cache"), Entry(tmp_path / name, "MR")
    before = cache.add(entry)
    assert cache.add(entry).path == before.path
    data = np.frombuffer(voxels.read_bytes(), np.int16).copy()
    data[-1] = 999
    voxels.write_bytes(data.tobytes())
    os.utime(voxels, ns=(1, 1))
    after = cache.add(entry)
    assert after.statistics.maximum == 999 and before.statistics.maximum == 59


def test_a_series_below_folders_is_read_anew_when_it_grows(tmp_path, ct):
    cache, entry, inner = (
        VolumeCache(tmp_path / "cache"),
        Entry(tmp_path / "p1", "p1"),
        tmp_path / "p1" / "study" / "series",
    )
    write_series(inner, ct.array[:9, :9, :3], [1, 2, 3])
    assert cache.add(entry).shape[2] == 3
    write_series(inner, ct.array[:9, :9, :5], [1, 2, 3, 4, 5])
    assert cache.add(entry).shape[2] == 5
