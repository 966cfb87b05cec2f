"""Catalogue and preview look into a training set before any training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from asking import Context, ask
from inspection_fakes import make_ct
from refusals import refused

from medssl.images.formats.reading import read_volume, write_volume

CONFIG = {"base_width": 4, "cube": [16, 16, 16], "sampler": "uniform"}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four patients; one has two scans."""
    for n, name in enumerate(("a/1", "a/2", "b/1", "c/1", "d/1")):
        path = tmp_path / "set ä" / f"{name}.nrrd"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_volume(make_ct((40, 36, 24), seed=n), path)
    return tmp_path / "set ä"


def test_catalog_counts_and_splits_by_patient(tmp_path, folder):
    context = Context(tmp_path)
    ask("check", {"data": {"path": str(folder)}}, context)
    info = context.found.info
    assert (info["volumes"], info["patients"], info["modality"]) == (5, 4, "CT")
    assert info["training"] + info["validation"] == 5 and info["validation"] >= 1
    sides = {
        row["patient"]: {r["split"] for r in context.found.table if r["patient"] == row["patient"]}
        for row in context.found.table
    }
    assert all(len(side) == 1 for side in sides.values())
    assert info["orientations"] == {"LPS": 5} and info["spacing"] == "0.7 x 0.8 x 2.5" and not info["refused"]


def test_catalog_takes_a_stated_modality_and_leaves_nothing_in_the_cache(tmp_path, folder):
    context = Context(tmp_path)
    ask("check", {"data": {"path": str(folder), "modality": "MR"}}, context)
    assert context.found.info["modality"] == "MR"
    assert not (context.home / "cache").exists()


def test_catalog_names_a_truncated_image_and_goes_on(tmp_path, folder):
    broken = folder / "b" / "1.nrrd"
    broken.write_bytes(b"")
    context = Context(tmp_path)
    ask("check", {"data": {"path": str(folder)}}, context)
    ((bad,), info) = context.found.info["bad"], context.found.info
    assert bad["file"] == str(broken) and bad["reason"] and info["refused"] == 1 and info["volumes"] == 4
    assert [row["image"] for row in context.found.table if row["problem"]] == ["b/1"]
    assert str(broken) in info["notes"][0]


def test_catalog_of_an_empty_folder(tmp_path):
    (tmp_path / "empty").mkdir()
    with refused("no-images"):
        ask("check", {"data": {"path": str(tmp_path / "empty")}}, Context(tmp_path))


def test_preview_shows_cubes_and_their_distortions(tmp_path, folder):
    context = Context(tmp_path)
    ask(
        "preview",
        {"data": {"path": str(folder)}, "method": "genesis", "config": CONFIG, "count": 3, "seed": 5},
        context,
    )
    original, distorted = (read_volume(context.folder / f"{name}.nrrd") for name in ("original", "distorted"))
    assert original.shape == distorted.shape == (48, 16, 16)
    assert original.spacing == pytest.approx([0.7, 0.8, 2.5])
    assert original.array.min() >= 0 and original.array.max() <= 1
    assert len(context.found.table) == 3
    for n, row in enumerate(context.found.table):
        cube = slice(16 * n, 16 * n + 16)
        changed = not np.allclose(original.array[cube], distorted.array[cube], atol=1e-6)
        assert changed <= bool(row["distortions"])
        assert changed or "bezier" not in row["distortions"]


def test_preview_distorts_every_cube_as_the_table_says(tmp_path, folder):
    context = Context(tmp_path)
    alone = {"shuffle_probability": 0.0, "bezier_probability": 0.0, "paint_probability": 1.0, "outpaint_share": 1.0}
    ask("preview", {"data": {"path": str(folder)}, "method": "genesis", "config": {**CONFIG, **alone}}, context)
    assert [row["distortions"] for row in context.found.table] == ["outpaint"] * 4


def test_preview_is_a_function_of_the_seed(tmp_path, folder):
    arrays = []
    for n, seed in enumerate((1, 1, 2)):
        (tmp_path / str(n)).mkdir()
        context = Context(tmp_path / str(n))
        ask("preview", {"data": {"path": str(folder)}, "method": "genesis", "config": CONFIG, "seed": seed}, context)
        arrays.append(read_volume(context.folder / "distorted.nrrd").array)
    assert np.array_equal(arrays[0], arrays[1])
    assert not np.array_equal(arrays[0], arrays[2])


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        ({"count": 0}, "setting-out-of-range", "count"),
        ({"config": {**CONFIG, "cube": [15, 16, 16]}}, "setting-out-of-range", "15"),
        ({"config": {"colour": 1}}, "setting-unknown", "colour"),
        ({"config": {**CONFIG, "normalisation": {"kind": "ct"}}, "data_modality": "MR"}, "modality-mismatch", "MR"),
    ],
)
def test_preview_refuses(tmp_path, folder, change, code, names):
    data = (
        {"path": str(folder), "modality": change.pop("data_modality", "")}
        if "data_modality" in change
        else {"path": str(folder)}
    )
    request = {
        "data": data,
        "method": "genesis",
        "config": CONFIG,
        **{k: v for k, v in change.items() if k != "data_modality"},
    }
    with refused(code, names):
        ask("preview", request, Context(tmp_path))


def test_preview_steps_over_a_bad_file(tmp_path, folder):
    (folder / "a" / "1.nrrd").write_bytes(b"")
    context = Context(tmp_path)
    ask(
        "preview",
        {"data": {"path": str(folder)}, "method": "genesis", "config": CONFIG, "count": 4, "seed": 5},
        context,
    )
    assert len(context.found.table) == 4 and not any(row["volume"] == "a/1" for row in context.found.table)
