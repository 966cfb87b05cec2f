"""The catalogue tells of label maps, columns and test sets."""

from __future__ import annotations

import numpy as np
import pytest
from asking import Context, ask
from inspection_fakes import make_ct

from medssl.images.formats.reading import write_volume


@pytest.fixture
def table(tmp_path):
    """Twenty patients, eighteen with a label map of values 1 and 4, a fifth of them sick."""
    lines = ["image,patient,mask,sick,age,sex"]
    for n in range(20):
        image = make_ct((16, 14, 12), seed=n)
        labels = np.zeros(image.shape, np.uint8)
        labels[3:6, 3:6, 3:6], labels[8, 8, 8] = 1, 4
        write_volume(image, tmp_path / f"{n}.nrrd")
        write_volume(image.with_array(labels), tmp_path / f"{n}-label.nrrd")
        lines.append(f"{n}.nrrd,p{n},{f'{n}-label.nrrd' if n < 18 else ''},{int(n % 5 == 0)},{40 + n},{'MF'[n % 2]}")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    return tmp_path / "table.csv"


def looked(tmp_path, table, **data):
    context = Context(tmp_path)
    ask("check", {"data": {"path": str(table), "modality": "CT", **data}}, context)
    return context.found


def test_label_maps_columns_and_parts(tmp_path, table):
    found = looked(tmp_path, table, test_fraction=0.25)
    info = found.info
    assert (info["training"], info["validation"], info["test"]) == (11, 4, 5)
    assert (info["label_maps"], info["label_values"]) == (18, "1, 4")
    assert info["columns"] == {
        "sick": {"0": 16, "1": 4}, "age": {"40 to 59": 20}, "sex": {"M": 10, "F": 10},
    }  # fmt: skip
    assert any("2 images have no label map (18)" in note for note in info["notes"])
    assert [row["label map"] for row in found.table][17:] == ["17-label.nrrd", "", ""]


def test_without_test_set_there_is_none(tmp_path, table):
    assert "test" not in looked(tmp_path, table).info


def test_a_label_map_of_other_geometry_is_named(tmp_path, table):
    write_volume(make_ct((16, 14, 11), seed=0), tmp_path / "0-label.nrrd")
    ((bad,), rows) = (lambda found: (found.info["bad"], found.table))(looked(tmp_path, table))
    assert "0-label.nrrd of size 16 x 14 x 11" in bad["reason"] and bad["reason"].startswith(rows[0]["problem"] + ". ")
