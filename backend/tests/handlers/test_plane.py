"""The 2D image of a view, as the comparisons of radiographs see it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from refusals import refused

from medssl.core.protocol import VolumeRef, to_json
from medssl.core.requests import PlaneRequest
from medssl.handlers.worker.local import run_here
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.volume import Volume


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """A CT-like block with a bright rod along k."""
    array = np.full((40, 30, 20), -1000, np.int16)
    array[5:35, 5:25] = 40
    array[18:22, 13:17] = 900
    path = tmp_path / "scan.nrrd"
    write_volume(Volume(array, spacing=np.array([2.0, 2.0, 3.0]), modality="CT", name="scan"), path)
    return path


def plane_of(scan: Path, view: str, folder: Path) -> Volume:
    request = PlaneRequest(VolumeRef(path=str(scan), view=view, modality="CT"))
    result = run_here("plane", to_json(request), folder / "home", folder / "out", lambda *_: None)
    assert "plane.nrrd" in result.files
    return read_volume(folder / "out" / "plane.nrrd")


def test_a_slice_is_the_scans_own(scan: Path, tmp_path: Path):
    plane = plane_of(scan, "k:7", tmp_path)
    pixels = plane.array.reshape(plane.shape[:2])
    assert set(np.unique(pixels)) == {-1000, 40, 900} and (pixels == 900).sum() == 16


def test_a_volume_without_a_view_is_refused(scan: Path, tmp_path: Path):
    with refused("not-2d"):
        plane_of(scan, "", tmp_path)
