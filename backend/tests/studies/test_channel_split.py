"""The table that all runs of a comparison read keeps the further channels of every image."""

from __future__ import annotations

from pathlib import Path

from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.splits.split import split_three
from medssl.studies.comparison.data import StudyData, write_catalogue


def test_runs_see_the_same_channels(tmp_path: Path):
    for patient in "abcdefgh":
        (tmp_path / "scans" / patient).mkdir(parents=True)
        for name in ("mr", "ct", "mr-mask", "ct-mask"):
            (tmp_path / "scans" / patient / f"{name}.nii.gz").write_bytes(b"x")
    data = DataSpec(
        path=str(tmp_path / "scans"), pattern="*/mr.nii.gz", channels=("*/ct.nii.gz",), modality="MR,CT",
        masks="{folder}/{stem}-mask.nii.gz", test_fraction=0.25, channel_names="T1,CT",
    )  # fmt: skip
    asked = {entry.patient: entry for entry in read_catalog(data, tmp_path, channels=True)}
    split = split_three(read_catalog(data, tmp_path, channels=True), 0.2, 0.25, 0)
    parts = {"training": split.training, "validation": split.validation, "test": split.test}
    write_catalogue(parts, tmp_path / "split.csv")
    spec = StudyData({"": "split.csv"}, {}).spec(data, "", tmp_path)
    assert spec.channels == () and spec.channel_names == "T1,CT"
    for entry in read_catalog(spec, tmp_path, channels=True):
        (mine,), (theirs,) = entry.further, asked[entry.patient].further
        assert (mine.image, mine.mask, mine.modality) == (theirs.image, theirs.mask, "CT")
        assert entry.mask == asked[entry.patient].mask and entry.modality == "MR"
