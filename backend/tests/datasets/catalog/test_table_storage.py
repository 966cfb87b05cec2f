"""Catalogues as people's spreadsheets save them: the same images, patients and labels; damaged ones raise errors of ours."""

from __future__ import annotations

import numpy as np
import pytest

from medssl.core.errors import MedSSLError
from medssl.core.protocol import DataSpec
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.from_csv import read_csv

HEADER = ("Image", "PATIENT", "Split", "Mask", "age", "sex")
ROWS = [("scans\\a.png", "Müller", "TRAIN", "", "63{c}5", "F"), ("scans/b.png", "P2", "val", "scans\\m.png", "", "M")]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "scans").mkdir()
    for name in "abm":
        (tmp_path / "scans" / f"{name}.png").write_bytes(b"only listed")
    return tmp_path


def text(delimiter: str, end: str) -> str:
    comma = "." if delimiter == "," else ","
    lines = [HEADER, *(tuple(cell.replace("{c}", comma) for cell in row) for row in ROWS)]
    return "".join(delimiter.join(line) + delimiter + end + end for line in lines)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16"])
def test_a_catalogue_is_the_same_however_it_is_saved(folder, delimiter, end, encoding):
    (folder / "t.csv").write_bytes(text(delimiter, end).encode(encoding))
    first, second = read_catalog(DataSpec(path=str(folder / "t.csv")), folder / "home")
    assert (first.image, first.patient, first.split) == (folder / "scans" / "a.png", "Müller", "training")
    assert (second.split, second.mask) == ("validation", folder / "scans" / "m.png")
    assert first.labels["age"] == 63.5 and np.isnan(second.labels["age"]) and first.attributes == {"sex": "F"}


def test_damaged_catalogues_raise_errors_of_ours(folder):
    path, whole = folder / "t.csv", text(";", "\r\n").encode()
    for seed in range(400):
        rng, data = np.random.default_rng(seed), bytearray(whole)
        for _ in range(int(rng.integers(1, 6))):
            place = int(rng.integers(len(data)))
            if rng.random() < 0.6:
                data[place] = int(rng.integers(256))
            else:
                del data[place : place + int(rng.integers(1, 20))]
        path.write_bytes(bytes(data))
        try:
            read_csv(path)
        except MedSSLError as error:
            assert error.code
