from __future__ import annotations

import errno
import gzip
import hashlib
import itertools

import numpy as np
import pytest

from medssl.client.volumes import nrrd_bytes
from medssl.core.files import disk_errors
from medssl.server.routes import volumes as routes_volumes
from medssl.server.uploads import VolumeStore

DATA = nrrd_bytes(np.arange(24, dtype=np.int16).reshape(2, 3, 4), np.eye(4))


NAMES = ("data file", "Data File", "datafile", "DATAFILE", "data_file", "data-file", "data  file", " data file", "dat a file",
         "data\tfile", "data\x0bfile", "data\xa0file", "_datafile_", "data.file")  # fmt: skip


def largest(read) -> int:
    try:
        return int(read().max())
    except Exception:  # whatever a reader does not understand
        return -1


def itk_largest(path) -> int:
    import SimpleITK as sitk

    return largest(lambda: sitk.GetArrayFromImage(sitk.ReadImage(str(path))))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def parts(home):
    return sorted(path.name for path in (home / "volumes").iterdir())


def test_upload_once(client, home):
    assert client.head(f"/volumes/{sha(DATA)}").status_code == 404
    assert client.put(f"/volumes/{sha(DATA)}", content=DATA).status_code == 201
    assert client.head(f"/volumes/{sha(DATA)}").status_code == 200
    assert client.put(f"/volumes/{sha(DATA)}", content=DATA).status_code == 200
    assert (home / "volumes" / f"{sha(DATA)}.nrrd").read_bytes() == DATA
    assert parts(home) == [f"{sha(DATA)}.nrrd"]


def test_pieces(client, home):
    url, total, size = f"/volumes/{sha(DATA)}", len(DATA), 100
    for start in range(0, total, size):
        piece = DATA[start : start + size]
        answer = client.put(
            url, content=piece, headers={"Content-Range": f"bytes {start}-{start + len(piece) - 1}/{total}"}
        )
        last = start + len(piece) == total
        assert answer.status_code == (201 if last else 202)
        if not last:
            assert client.head(url).headers["Upload-Offset"] == str(start + len(piece))
    assert client.head(url).status_code == 200


def test_a_piece_may_come_twice_but_not_too_early(client):
    url, total = f"/volumes/{sha(DATA)}", len(DATA)

    def put(start, stop):
        return client.put(url, content=DATA[start:stop], headers={"Content-Range": f"bytes {start}-{stop - 1}/{total}"})

    assert put(0, 50).status_code == 202
    assert put(80, 100).status_code == 409 and "50" in put(80, 100).json()["error"]["remedy"]
    assert put(20, 60).status_code == 202
    assert put(60, total).status_code == 201


def test_a_piece_of_another_length_than_announced(client):
    answer = client.put(
        f"/volumes/{sha(DATA)}", content=DATA[:10], headers={"Content-Range": f"bytes 0-49/{len(DATA)}"}
    )
    assert answer.status_code == 400 and "Content-Range" in answer.json()["error"]["message"]


@pytest.mark.parametrize("given", ["bytes 5-1/10", "bytes 0-10/10", "0-1/10", "bytes a-b/c", "bytes 0-1/*"])
def test_a_bad_range(client, given):
    assert client.put(f"/volumes/{sha(DATA)}", content=b"x", headers={"Content-Range": given}).status_code == 400


def test_a_wrong_hash_leaves_nothing(client, home):
    answer = client.put(f"/volumes/{sha(b'other')}", content=DATA)
    assert answer.status_code == 400 and "SHA-256" in answer.json()["error"]["rule"]
    assert parts(home) == []


@pytest.mark.parametrize("name", ["x", "A" * 64, "..%2f..%2fsecret", "0" * 63, "0" * 65])
def test_a_name_that_is_no_hash(client, name):
    assert client.put(f"/volumes/{name}", content=DATA).status_code in (400, 404)


def test_oversize_is_refused_at_once_and_while_streaming(client, home):
    big = b"x" * 200_000
    assert client.put(f"/volumes/{sha(big)}", content=big).status_code == 413
    assert client.put(f"/volumes/{sha(big)}", content=iter([big[:90_000], big[90_000:]])).status_code == 413
    answer = client.put(f"/volumes/{sha(big)}", content=big[:10], headers={"Content-Range": "bytes 0-9/200000"})
    assert answer.status_code == 413 and answer.json()["error"]["remedy"]
    assert not (home / "volumes").exists() or parts(home) == []


def header(**changes) -> bytes:
    fields = {"type": "short", "dimension": "3", "sizes": "4 3 2", "endian": "little", "encoding": "raw", **changes}
    return ("NRRD0004\n" + "".join(f"{name}: {value}\n" for name, value in fields.items() if value) + "\n").encode()


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
@pytest.mark.parametrize(
    "data, words",
    [
        (b"PNG whatever\n\n", "not an NRRD"),
        (b"NRRD0004\ntype: short\n", "not an NRRD"),
        (header(sizes="10000 10000 10000"), "1000000000000 voxels"),
        (header(sizes="99999999999 99999999999 99999999999"), "voxels"),
        (header(sizes="10000000000000000000000 1 1"), "volume"),
        (header(sizes="4 3 0"), "must be positive"),
        (header(sizes="4 3 -2"), "must be positive"),
        (header() + b"\0" * 47, "47 bytes: are fewer than the 48"),
        (header(encoding="bzip2"), "encoding 'bzip2'"),
        (header(type="block"), "type 'block'"),
        (header(**{"data file": "/etc/passwd"}), "another file"),
        (header(sizes=""), "must be positive"),
        (header(sizes="a b c"), "cannot be read"),
    ],
)
def test_headers_that_lie(client, home, data, words):
    answer = client.put(f"/volumes/{sha(data)}", content=data)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "VolumeError" and words in answer.json()["error"]["message"]
    assert parts(home) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "field",
    ["data file: ", "datafile: ", "Data File: ", "DATAFILE: ", "dAtA fIlE: ", "data_file: ", "Data_File: ", "data-file: ",
     "data  file: ", " data file: ", "data file : ", "data file:", "data file:=", "data\tfile: ", "data\xa0file: "],
)  # fmt: skip
def test_a_header_that_points_to_another_file_is_refused_in_every_spelling(client, home, tmp_path, field, end):
    """What reading it would give away: the server's user may read the file, whoever sends the header may not."""
    secret = tmp_path / "secret.raw"
    secret.write_bytes(np.full(24, 7, "<i2").tobytes())
    data = header(content=f"x{end}{field}{secret}") + b"\0" * 48
    answer = client.put(f"/volumes/{sha(data)}", content=data)
    assert answer.status_code == 400 and "another file" in answer.json()["error"]["message"]
    assert parts(home) == []
    if end != "\r":
        only = header(**{field.partition(":")[0]: str(secret)}) + b"\0" * 48  # as the last field, with ": "
        assert client.put(f"/volumes/{sha(only)}", content=only).status_code == 400


def test_the_spellings_that_the_readers_take_are_among_those(tmp_path):
    """The reader's side of the rule: were it to take another one, this is where to see it."""
    import nrrd

    from medssl.images.formats.nrrd_fields import names_other_file

    secret, file = tmp_path / "secret.raw", tmp_path / "a.nrrd"
    secret.write_bytes(np.full(24, 7, "<i2").tobytes())
    taken = set()
    for name, separator, end in itertools.product(NAMES, (": ", ":", ":=", " : "), ("\n", "\r\n", "\r")):
        start = header(content=f"x{end}{name}{separator}{secret}")
        file.write_bytes(start + np.ones(24, "<i2").tobytes())
        if 7 in (itk_largest(file), largest(lambda: nrrd.read(str(file))[0])):
            taken.add((name, separator, end))
            assert names_other_file(start), (name, separator, end)
    assert {("Data File", ": ", "\n"), ("DATAFILE", ": ", "\r"), ("data file", ":=", "\n")} <= taken


def test_gzip_and_longer_files_are_fine(client):
    for data in (header(encoding="gzip") + gzip.compress(b"\0" * 48), header() + b"\0" * 50):
        assert client.put(f"/volumes/{sha(data)}", content=data).status_code == 201


def test_a_full_disk_is_507_and_leaves_nothing(client, home, monkeypatch):
    real = routes_volumes.append

    def full(path, data):
        with disk_errors(path):
            path.touch()
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(routes_volumes, "append", full)
    assert client.put(f"/volumes/{sha(DATA)}", content=DATA).status_code == 507
    assert parts(home) == []
    monkeypatch.setattr(routes_volumes, "append", real)
    assert client.put(f"/volumes/{sha(DATA)}", content=DATA).status_code == 201
    assert VolumeStore(home).has(sha(DATA))
