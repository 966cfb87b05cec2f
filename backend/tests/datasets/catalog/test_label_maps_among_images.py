"""Label maps that lie among images are recognised, by name or by what they hold, and it is said how to pair them."""

from __future__ import annotations

import numpy as np
import pytest

from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.mask_files import template_of
from medssl.images.formats.reading import write_volume
from medssl.images.label_maps import looks_like_label_map
from medssl.images.volume import Volume
from medssl.inspection.training_set.catalog_overview import catalog_overview


def write(path, labelled: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.random.default_rng(len(path.name)).integers(-900, 900, (9, 8, 7)).astype(np.int16)
    write_volume(Volume((array > 400).astype(np.uint8) if labelled else array), path)


@pytest.mark.parametrize(
    "name, template",
    [
        ("{}_seg", "{folder}/{stem}_seg.nrrd"), ("{}-label", "{folder}/{stem}-label.nrrd"), ("{}.seg", "{folder}/{stem}.seg.nrrd"),
        ("mask_{}", "{folder}/mask_{stem}.nrrd"), ("labels-{}", "{folder}/labels-{stem}.nrrd"), ("{}_gt", "{folder}/{stem}_gt.nrrd"),
    ],
)  # fmt: skip
def test_by_their_names(tmp_path, name, template):
    for n in range(3):
        write(tmp_path / f"case{n}.nrrd", False)
        write(tmp_path / f"{name.format(f'case{n}')}.nrrd", True)
    found = read_catalog(DataSpec(path=str(tmp_path)), tmp_path)
    assert [entry.name for entry in found] == ["case0", "case1", "case2"]
    assert any(template in note and "3 files" in note for note in found.notes)
    paired = read_catalog(DataSpec(path=str(tmp_path), masks=template), tmp_path)
    assert all(entry.mask for entry in paired) and not any("label maps by name" in note for note in paired.notes)


def test_names_that_only_contain_such_a_word_are_images(tmp_path):
    for name in ("unlabelled-1", "masked_ct", "segal_7"):
        write(tmp_path / f"{name}.nrrd", False)
    assert len(read_catalog(DataSpec(path=str(tmp_path)), tmp_path)) == 3


def test_by_what_they_hold(tmp_path):
    for n in range(3):
        write(tmp_path / f"p{n}" / "ct.nrrd", False)
        write(tmp_path / f"p{n}" / "ct-tumour.nrrd", True)
    data = DataSpec(path=str(tmp_path))
    _, info = catalog_overview(read_catalog(data, tmp_path), data, lambda share, text: None)
    assert any("looks like a label map" in note and "3 images" in note for note in info["notes"])
    assert any("'**/ct.nrrd'" in note and "'{folder}/{stem}-tumour.nrrd'" in note for note in info["notes"])
    data = DataSpec(path=str(tmp_path), pattern="**/ct.nrrd", masks="{folder}/{stem}-tumour.nrrd")
    _, info = catalog_overview(read_catalog(data, tmp_path), data, lambda share, text: None)
    assert info["label_maps"] == 3 and not any("label map" in note for note in info["notes"])


def test_what_a_label_map_looks_like():
    labels = np.zeros((8, 8, 8))
    labels[:2] = 3
    assert looks_like_label_map(labels) and looks_like_label_map(labels.astype(np.uint8))
    assert not looks_like_label_map(labels * 0.5) and not looks_like_label_map(labels - 3)
    assert not looks_like_label_map(np.arange(512).reshape(8, 8, 8)) and not looks_like_label_map(np.zeros((8, 8)))


def test_without_a_rule_there_is_no_template(tmp_path):
    assert template_of([tmp_path / "a.nrrd", tmp_path / "b.nrrd"], [tmp_path / "other" / "x.nrrd"]) == ""
