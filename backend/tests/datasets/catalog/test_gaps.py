"""Missing slices of a series: refused with the place, or interpolated where the training set says so."""

from __future__ import annotations

import numpy as np
from dicom_files import write_series
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.protocol import DataSpec
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import read_catalog


def test_a_set_says_whether_missing_slices_are_filled(tmp_path):
    ramp = np.add.outer(np.zeros((20, 16)), 10.0 * np.arange(11)).astype(np.int16)
    kept = [k for k in range(11) if k != 4]
    for patient in "ab":
        write_series(tmp_path / "scans" / patient, ramp[..., kept], [2.0 * k for k in kept])
    cache, where = VolumeCache(tmp_path / "cache"), {"path": str(tmp_path / "scans")}
    entry = next(iter(read_catalog(DataSpec(**where), tmp_path / "home")))
    with refused("slice-spacing-irregular"):
        cache.add(entry)
    filled = cache.add(next(iter(read_catalog(DataSpec(**where, gaps="resample"), tmp_path / "home"))))
    assert filled.shape == (20, 16, 11) and filled.notes
    np.testing.assert_allclose(filled.crop((0, 0, 0), filled.shape)[0, 0], ramp[0, 0], atol=1)
    with refused("setting-not-a-choice", names=["'guess'"]):
        DataSpec(**where, gaps="guess")
    check = ["data", "check", str(tmp_path / "scans"), "--home", str(tmp_path / "home")]
    assert CliRunner().invoke(app, check).exit_code == 1
    assert CliRunner().invoke(app, [*check, "--fill-gaps"]).exit_code == 0
