from __future__ import annotations

import numpy as np
import pytest
from labelled import labels_of, volume
from refusals import refused

from medssl.core.protocol import DataSpec, VolumeRef
from medssl.datasets.cache.volume_cache import VolumeCache
from medssl.datasets.catalog.catalog import read_catalog
from medssl.images.formats.reading import write_volume


def read(root, **spec):
    return read_catalog(DataSpec(**{"path": str(root), **spec}), root)


@pytest.fixture
def touch(tmp_path):
    def make(*names: str):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"only listed")
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/a.png", "masks/a.png"),
        ("images/a.nii.gz", "labels/a.nrrd"),
        ("images/site/a.png", "segmentations/site/a.png"),
        ("imagesTr/liver_0000.nii.gz", "labelsTr/liver.nii.gz"),
        ("imagesTs/a.nii.gz", "labelsTs/a.nii.gz"),
        ("a.nrrd", "labels/a.nrrd"),
    ],
)
def test_label_maps_are_found_by_folder_and_name(touch, image, mask):
    root = touch(image, mask, "masks/other.png")
    (entry,) = read(root)
    assert (entry.image, entry.mask) == (root / image, root / mask)


def test_an_image_without_label_map_has_none(touch):
    root = touch("images/a.png", "images/b.png", "masks/a.png")
    assert [e.mask and e.mask.name for e in read(root)] == ["a.png", None]


def test_template(touch):
    root = touch("p1/ct.nrrd", "p1/seg/ct-label.nrrd", "p2/ct.nrrd", "p1/seg/mr.nrrd")
    found = read(root, pattern="*/ct.nrrd", masks="{folder}/seg/{stem}-label.nrrd")
    assert [e.mask for e in found] == [root / "p1/seg/ct-label.nrrd", None]
    assert read(root, pattern="p1/seg/mr.nrrd", masks="{folder}/../{name}".replace("{name}", "ct.nrrd")).entries[0].mask


@pytest.mark.parametrize(
    ("template", "code", "names"),
    [
        ("{folder}/none/{stem}.nrrd", "label-map-missing", "a.nrrd"),
        ("{patient}.nrrd", "label-map-template", ""),
        ("labels.nrrd", "label-map-template", ""),
        ("{folder", "label-map-template", "{folder"),
    ],
)
def test_template_that_cannot_be_meant(touch, template, code, names):
    with refused(code, names):
        read(touch("a.nrrd"), masks=template)


def test_mask_column(touch):
    root = touch("images/a.png", "masks/x.png", "b.png", "own/b.png", "masks/b.png")
    (root / "t.csv").write_text("image,patient,mask,grade\na.png,1,x.png,3\nb.png,2,own/b.png,4\n")
    entries = read(root, path=str(root / "t.csv")).entries
    assert [e.mask for e in entries] == [root / "masks/x.png", root / "own/b.png"]
    assert [e.labels for e in entries] == [{"grade": 3.0}, {"grade": 4.0}]
    (root / "t.csv").write_text("image,patient,mask\na.png,1,missing.png\n")
    with refused("file-not-found", names="t.csv, line 2: missing.png"):
        read(root, path=str(root / "t.csv"))


def test_volumes_of_a_scene(tmp_path):
    image, home = volume(), tmp_path / "home"
    uploads = []
    for n, array in enumerate((image.array, labels_of(image))):
        uploads.append(f"{n}" * 64)
        (home / "volumes").mkdir(parents=True, exist_ok=True)
        write_volume(image.with_array(array), home / "volumes" / f"{uploads[-1]}.nrrd")
    ref = VolumeRef(
        sha256=uploads[0], name="MRHead", modality="MR", mask_sha256=uploads[1], split="Train",
        labels={"tumour": 1, "size": None, "side": "left"},
    )  # fmt: skip
    (entry,) = read_catalog(DataSpec(volumes=(ref,)), home)
    assert (entry.split, entry.attributes, entry.labels["tumour"]) == ("training", {"side": "left"}, 1.0)
    assert np.isnan(entry.labels["size"])
    cache = VolumeCache(home / "cache")
    assert cache.add_mask(entry, cache.add(entry)).values == (0, 2, 5)


def test_references_that_break_a_rule(touch):
    path = str(touch("a.nrrd") / "a.nrrd")
    with refused("split-unknown", names="split 'half'"):
        read_catalog(DataSpec(volumes=(VolumeRef(path=path, split="half"),)), touch())
    with refused("file-not-found", names="0" * 64):
        read_catalog(DataSpec(volumes=(VolumeRef(path=path, mask_sha256="0" * 64),)), touch())
    with refused("path-or-sha256", names="a.nrrd"):
        VolumeRef(path=path, mask_path=path, mask_sha256="0" * 64)


def test_real_masks(shared_data, tmp_path):
    catalog = read_catalog(DataSpec(path=str(shared_data / "cxr-lungs" / "index.csv")), tmp_path)
    assert all(e.mask and e.mask.name == e.image.name and e.mask.parent.name == "masks" for e in catalog)
    hippocampus = DataSpec(path=str(shared_data / "mr-hippocampus"), pattern="images/*", modality="MR")
    assert all(e.mask for e in read_catalog(hippocampus, tmp_path))
