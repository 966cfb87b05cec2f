"""What every room's tests share: the folder of real images, small volumes and a cache; helpers lie beside their tests."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np
import pytest

TESTS = Path(__file__).parent
sys.path[:0] = [str(TESTS), *sorted({str(path.parent) for path in TESTS.rglob("*.py")})]  # fakes, phantoms, ...

from labelled import labels_of, volume, write_pair  # noqa: E402

from medssl.datasets.cache.volume_cache import VolumeCache  # noqa: E402
from medssl.datasets.entry import Entry  # noqa: E402
from medssl.images.formats.reading import write_volume  # noqa: E402
from medssl.images.volume import Volume  # noqa: E402

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture
def home(tmp_path) -> Path:
    """A home folder whose path has spaces and an umlaut."""
    folder = tmp_path / "Häuser mit Leerzeichen"
    folder.mkdir()
    return folder


@pytest.fixture
def shared_data() -> Path:
    """Real images that lie beside some checkouts; tests on them skip elsewhere."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no folder shared/data beside the repository: tests on real images are left out")
    return SHARED_DATA


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def ct(rng) -> Volume:
    """(40, 36, 28) in HU: air around a soft box with noise, oblique in space."""
    array = np.full((40, 36, 28), -1000, np.int16)
    array[8:32, 8:28, 4:24] = rng.integers(-100, 200, (24, 20, 20))
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1.0]])
    return Volume(array, (0.7, 0.8, 2.5), (-10, 20, 30), turn, modality="CT", name="ct")


@pytest.fixture
def cached(tmp_path, ct):
    """Put a volume into a cache: cached(volume=ct, **entry fields)."""

    def put(volume: Volume = ct, name: str = "v", **fields):
        path = tmp_path / f"{name}.nrrd"
        write_volume(volume, path)
        return VolumeCache(tmp_path / "cache").add(Entry(path, fields.pop("patient", name), name=name, **fields))

    return put


@pytest.fixture
def small_files_only():
    """A context in which no file may grow beyond so many bytes: the writer sees what it would see on a full disk."""
    resource = pytest.importorskip("resource", reason="needs POSIX resource limits")

    @contextlib.contextmanager
    def limit(size: int):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture
def cached_pairs(tmp_path):
    """(images, label maps) of two patients in a cache."""
    cache = VolumeCache(tmp_path / "cache")
    entries = [write_pair(tmp_path, f"p{n}", volume(seed=n), labels_of(volume())) for n in range(2)]
    images = [cache.add(entry) for entry in entries]
    return images, [cache.add_mask(entry, image) for entry, image in zip(entries, images)]
