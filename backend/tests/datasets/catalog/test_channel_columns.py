"""Further channels in a catalogue: columns of a table, patterns below a folder, uploads; a missing one is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from refusals import refused

from medssl.core.protocol import DataSpec, VolumeRef, from_json, to_json
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.channels import channel_names

TREE = ("a/ct.nii.gz", "a/mr.nii.gz", "b/ct.nii.gz", "b/mr.nii.gz")


BIDS = ("r/r_T1w.nii", "r/r_T2w.nii", "s/s_T1w.nii", "s/s_T2w.nii")


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    return folder


def table(folder: Path, text: str) -> DataSpec:
    touch(folder, *TREE)
    (folder / "set.csv").write_text(text)
    return DataSpec(path=str(folder / "set.csv"))


def listed(spec: DataSpec, home: Path) -> list[list[str]]:
    """Of each image the files of its channels, folder and name."""
    catalog = read_catalog(spec, home, channels=True)
    return [[f"{e.image.parent.name}/{e.image.name}" for e in (entry, *entry.further)] for entry in catalog]


@pytest.mark.parametrize("first", ["image", "image_0", "Image"])
def test_columns_are_channels(tmp_path, first):
    text = f"{first},patient,image_1,modality_1,sex\na/ct.nii.gz,p,a/mr.nii.gz,MR,F\nb/ct.nii.gz,q,b/mr.nii.gz,MR,M\n"
    spec = table(tmp_path, text)
    assert listed(spec, tmp_path) == [["a/ct.nii.gz", "a/mr.nii.gz"], ["b/ct.nii.gz", "b/mr.nii.gz"]]
    entry = read_catalog(spec, tmp_path, channels=True).entries[0]
    assert entry.attributes == {"sex": "F"} and entry.further[0].modality == "MR" and entry.further[0].patient == "p"


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("image,patient,image_1\na/ct.nii.gz,p7,a/mr.nii.gz\nb/ct.nii.gz,p8,\n", "channel-missing",
         ["line 3", "p8", "image_1"]),
        ("image,patient,image_1,image_3\na/ct.nii.gz,p,a/mr.nii.gz,a/mr.nii.gz\n", "channel-columns", ["image_3"]),
    ],
)  # fmt: skip
def test_a_missing_channel_is_refused_with_line_patient_and_column(tmp_path, text, code, named):
    with refused(code, named):
        read_catalog(table(tmp_path, text), tmp_path, channels=True)


@pytest.mark.parametrize(
    ("pattern", "channel", "files"),
    [
        ("*/ct.nii.gz", "*/mr.nii.gz", TREE),
        ("images/*_0000.nii.gz", "images/*_0001.nii.gz", ("images/a_0000.nii.gz", "images/a_0001.nii.gz")),
        ("**/ct.nii.gz", "**/mr.nii.gz", ("x/y/ct.nii.gz", "x/y/mr.nii.gz")),
        ("s?/[ab].nii", "s?/[ab]-t2.nii", ("s1/a.nii", "s1/a-t2.nii")),
    ],
)
def test_patterns_pair_files_by_what_their_wildcards_stand_for(tmp_path, pattern, channel, files):
    touch(tmp_path, *files)
    found = listed(DataSpec(path=str(tmp_path), pattern=pattern, channels=(channel,)), tmp_path)
    names = [
        [f"{Path(file).parent.name}/{Path(file).name}" for file in files[n : n + 2]] for n in range(0, len(files), 2)
    ]
    assert found == names


def test_patterns_that_cannot_pair_are_refused(tmp_path):
    touch(tmp_path, *TREE[:3])
    spec = DataSpec(path=str(tmp_path), pattern="*/ct.nii.gz", channels=("*/mr.nii.gz",))
    with refused("channel-missing", ["patient b", "*/mr.nii.gz"]):
        read_catalog(spec, tmp_path, channels=True)
    for pattern, channel in (("", "*/mr.nii.gz"), ("*/ct.nii.gz", "mr.nii.gz")):
        with refused("channel-pattern", channel):
            read_catalog(DataSpec(path=str(tmp_path), pattern=pattern, channels=(channel,)), tmp_path, channels=True)


def test_who_takes_one_image_refuses_several(tmp_path):
    spec = table(tmp_path, "image,patient,image_1\na/ct.nii.gz,p,a/mr.nii.gz\n")
    with refused("channels-not-taken", "2 channels"):
        read_catalog(spec, tmp_path)


def test_modalities_are_stated_for_all_or_for_each(tmp_path):
    touch(tmp_path, *TREE)
    spec = DataSpec(path=str(tmp_path), pattern="*/ct.nii.gz", channels=("*/mr.nii.gz",))
    for text, expected in (("CT, MR", ["CT", "MR"]), ("MR", ["MR", "MR"]), ("", ["", ""])):
        entry = read_catalog(from_json(DataSpec, to_json(spec) | {"modality": text}), tmp_path, channels=True).entries[
            0
        ]
        assert [one.modality for one in (entry, *entry.further)] == expected
    with refused("channels-not-named", "CT,MR,MR"):
        read_catalog(from_json(DataSpec, to_json(spec) | {"modality": "CT,MR,MR"}), tmp_path, channels=True)


def test_names_are_modalities_where_these_differ_else_what_files_are_called(tmp_path):
    touch(tmp_path, "p/t1.nii.gz", "p/t2.nii.gz", "q/t1.nii.gz", "q/t2.nii.gz", *BIDS)

    def entries(pattern, channel):
        spec = DataSpec(path=str(tmp_path), pattern=pattern, channels=(channel,))
        return read_catalog(spec, tmp_path, channels=True).entries

    named, bids = entries("*/t1.nii.gz", "*/t2.nii.gz"), entries("*/*_T1w.nii", "*/*_T2w.nii")
    assert channel_names(named, ("MR", "CT")) == ("MR", "CT")
    assert channel_names(named, ("MR", "MR")) == ("t1", "t2") and channel_names(bids, ("MR", "MR")) == ("T1w", "T2w")
    assert channel_names(named, ("MR", "MR"), "pre, post") == ("pre", "post")
    for text in ("one", "same,same"):
        with refused("channels-not-named", text):
            channel_names(named, ("MR", "MR"), text)


def test_volumes_carry_their_further_channels(tmp_path):
    touch(tmp_path, *TREE)
    paths = [str(tmp_path / name) for name in TREE]
    refs = [
        VolumeRef(path=a, patient=a, further=(VolumeRef(path=b, modality="MR"),)) for a, b in (paths[:2], paths[2:])
    ]
    spec = from_json(DataSpec, to_json(DataSpec(volumes=tuple(refs))))
    assert spec.volumes == tuple(refs), "the way through HTTP"
    assert listed(spec, tmp_path) == [["a/ct.nii.gz", "a/mr.nii.gz"], ["b/ct.nii.gz", "b/mr.nii.gz"]]
    with refused("channel-missing", "ct"):
        read_catalog(DataSpec(volumes=(refs[0], VolumeRef(path=paths[2]))), tmp_path, channels=True)
    with refused("channels-nested"):
        VolumeRef(path=paths[0], further=(refs[0],))


def test_masks_of_further_channels_follow_the_same_template(tmp_path):
    touch(tmp_path, *TREE, "a/ct-mask.nii.gz", "a/mr-mask.nii.gz", "b/ct-mask.nii.gz")
    spec = DataSpec(
        path=str(tmp_path), pattern="*/ct.nii.gz", channels=("*/mr.nii.gz",), masks="{folder}/{stem}-mask.nii.gz"
    )
    catalog = read_catalog(spec, tmp_path, channels=True)
    assert [e.mask.name for e in catalog] == ["ct-mask.nii.gz"] * 2
    assert [e.further[0].mask and e.further[0].mask.name for e in catalog] == ["mr-mask.nii.gz", None]
