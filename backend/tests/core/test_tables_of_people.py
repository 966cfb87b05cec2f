"""Tables as spreadsheets write them, and damaged ones: read alike, or refused by an error of ours."""

from __future__ import annotations

import numpy as np
import pytest
from refusals import refused

from medssl.core.errors import MedSSLError
from medssl.core.tables import read_table

ROWS = [
    ["image", "patient", "Größe", "note"],
    ["a/b.nii", "Müller", "1", "x, y; z"],
    ["c.nii", "P2", "2", 'two\nlines "q"'],
]


def written(delimiter: str, end: str, quoted: bool = False) -> str:
    def cell(text: str) -> str:
        special = quoted or any(one in text for one in (delimiter, '"', "\n"))
        return '"' + text.replace('"', '""') + '"' if special else text

    return "".join(delimiter.join(map(cell, row)) + end for row in ROWS)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("quoted", [False, True])
def test_every_storage_reads_alike(tmp_path, delimiter, end, encoding, quoted):
    path = tmp_path / "t.csv"
    path.write_bytes(written(delimiter, end, quoted).encode(encoding))
    table = read_table(path, ("image", "patient"))
    assert list(table.columns) == ROWS[0] and table.delimiter == delimiter
    assert [list(row.values()) for row in table.rows] == ROWS[1:]


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf_16_with_either_mark(tmp_path, mark):
    path = tmp_path / "t.csv"
    path.write_bytes(mark + "image;patient\r\na;Ä\r\n".encode("utf-16-le" if mark[0] == 0xFF else "utf-16-be"))
    assert read_table(path).rows == [{"image": "a", "patient": "Ä"}]


@pytest.mark.parametrize(
    "text",
    ["Image,PATIENT\na,b\n", " image , Patient \na,b\n", "image,patient,\na,b,\n", "image,patient,,\na,b,,\n\n,,,\n",
     "\n\nimage,patient\n\na,b\n\n", "image,patient\n , \na,b", "sep=;\nimage;patient\na;b\n", "image,patient\na,b,,\n"],
)  # fmt: skip
def test_case_blanks_and_separators_at_the_end(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text)
    assert read_table(path, ("image", "patient")).rows == [{"image": "a", "patient": "b"}]


def test_unknown_columns_keep_their_case_and_exact_names_win(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("image,patient,Image of today\na,b,c\n")
    assert read_table(path, ("image",)).columns == ("image", "patient", "Image of today")
    path.write_text("Image,image,patient\na,b,c\n")
    with refused("column-repeated", names="'image'"):
        read_table(path, ("image", "patient"))


@pytest.mark.parametrize("data", [b"\x00\x01\x02\x00\xff", b"\x89PNG\r\n\x1a\n\x00\x00\x00", b"image,pat\x00ient\n"])
def test_bytes_that_are_no_table(tmp_path, data):
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    with refused("not-a-csv-table", names="t.csv"):
        read_table(path, ("image", "patient"))


def mutated(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    encoding = ["utf-8", "utf-16", "latin-1"][seed % 3]
    data = bytearray(written([",", ";", "\t"][seed // 3 % 3], "\r\n", bool(seed % 2)).encode(encoding))
    for _ in range(int(rng.integers(1, 8))):
        if not data:
            break
        place = int(rng.integers(len(data)))
        what = rng.integers(4)
        if what == 0:
            data[place] = int(rng.integers(256))
        elif what == 1:
            del data[place : place + int(rng.integers(1, 9))]
        elif what == 2:
            data[place:place] = bytes(rng.choice(list(b'",;\t\r\n\0\xff'), int(rng.integers(1, 5))).tolist())
        else:
            data = data[: max(place, 1)]
    return bytes(data)


def test_mutated_tables_raise_errors_of_ours(tmp_path):
    path, read = tmp_path / "t.csv", 0
    for seed in range(1000):
        path.write_bytes(mutated(seed))
        try:
            read_table(path, ("image", "patient"))
            read += 1
        except MedSSLError as error:
            assert error.code and error.rule
    assert 100 < read < 900, "both outcomes are tried"
