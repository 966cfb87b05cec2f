"""A RetrieveRequest from the set's table to the pictures, through the inspection."""

from __future__ import annotations

import csv

import pytest
from asking import ask
from case_fakes import Blocks, KeepingContext, write_radiograph, write_set
from PIL import Image
from refusals import refused

from medssl.core.protocol import DataSpec, VolumeRef, from_json, to_json
from medssl.core.requests import RetrieveRequest
from medssl.images.formats.reading import read_volume, write_volume


@pytest.fixture
def table(tmp_path):
    """A catalogue of six images of three patients."""
    entries = write_set(tmp_path / "images", 6)
    with (tmp_path / "set.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "patient", "sex", "Mass", "Effusion"])
        for n, entry in enumerate(entries):
            rows.writerow([entry.image.name, entry.patient, "FM"[n % 2], int(n == 3), int(n in (3, 4))])
    return tmp_path / "set.csv"


@pytest.fixture
def context(tmp_path):
    return KeepingContext(tmp_path, Blocks())


def asked(table, path, **more) -> dict:
    return to_json(RetrieveRequest(VolumeRef(path=str(path)), DataSpec(path=str(table)), "blocks", **more))


def test_a_new_image(table, context, tmp_path):
    query = write_radiograph(tmp_path / "new.png", 77)
    ask("retrieve", asked(table, query, count=5), context)
    rows, info = context.found.table, context.found.info
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    assert sorted((row["similarity"] for row in rows), reverse=True) == [row["similarity"] for row in rows]
    assert list(rows[0])[:7] == ["rank", "name", "patient", "path", "similarity", "distance", "findings"]
    ask("retrieve", asked(table, query, count=6), context)
    third = next(row for row in context.found.table if row["name"] == "3")
    assert (third["patient"], third["findings"], third["sex"], third["Mass"]) == ("p1", "Mass, Effusion", "M", 1.0)
    assert (info["images"], info["added"], info["skipped"], info["patient"], info["left_out"]) == (6, 6, 0, "", [])
    assert context.found.info["added"] == 0, "the second search reads no image of the set"
    assert context._net.shown == 6 + 2


def test_files(table, context, tmp_path):
    ask("retrieve", asked(table, write_radiograph(tmp_path / "new.png", 77), count=2), context)
    names = ["query.png", "case-1.png", "case-2.png", "montage.png", "table.csv"]
    assert context.found.files == names
    for name in names[:4]:
        with Image.open(context.folder / name) as picture:
            assert picture.format == "PNG" and min(picture.size) > 100
    with (context.folder / "table.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == [row["name"] for row in context.found.table]


@pytest.mark.parametrize("copied", [False, True])
def test_the_image_itself_is_not_similar(table, context, tmp_path, copied):
    """Known by its path, or by its pixels where it was uploaded; its patient's other image counts only on request."""
    query = tmp_path / "images" / "2.png"
    if copied:
        write_volume(read_volume(query), tmp_path / "copy.nrrd")
        query = tmp_path / "copy.nrrd"
    ask("retrieve", asked(table, query), context)
    assert sorted(row["name"] for row in context.found.table) == ["0", "1", "4", "5"]
    assert (context.found.info["patient"], context.found.info["left_out"]) == ("p1", ["2"])
    assert any("itself is in the set (2)" in note for note in context.found.info["notes"])
    ask("retrieve", asked(table, query, same_patient=True), context)
    assert sorted(row["name"] for row in context.found.table) == ["0", "1", "3", "4", "5"]


def test_a_collapsed_model_does_not_take_every_image_for_the_query(table, tmp_path):
    class Collapsed(Blocks):
        def embed(self, x, features=""):
            return 1 + 1e-6 * super().embed(x, features)

    context = KeepingContext(tmp_path, Collapsed())
    ask("retrieve", asked(table, write_radiograph(tmp_path / "new.png", 77), count=6), context)
    assert len(context.found.table) == 6 and context.found.info["left_out"] == []
    assert not any("itself is in the set" in note for note in context.found.info["notes"])
    ask("retrieve", asked(table, tmp_path / "images" / "2.png", same_patient=True), context)
    assert context.found.info["left_out"] == ["2"], "the same file is the same image to any model"


def test_a_stated_patient_does_not_count(table, context, tmp_path):
    request = asked(table, write_radiograph(tmp_path / "new.png", 77))
    request["volume"]["patient"] = "p0"
    ask("retrieve", request, context)
    assert sorted(row["name"] for row in context.found.table) == ["2", "3", "4", "5"]


def test_images_come_and_go(table, context, tmp_path):
    """A folder that changes between two searches; what cannot be read is told."""
    query = write_radiograph(tmp_path / "new.png", 77)
    write_radiograph(tmp_path / "images" / "near.png", 77).touch()
    (tmp_path / "images" / "0.png").unlink()
    (tmp_path / "images" / "1.png").write_bytes(b"nothing")
    ask("retrieve", asked(tmp_path / "images", query, count=9), context)
    info = context.found.info
    assert len(context.found.table) == 4 and info["left_out"] == ["near"], "the same pixels under another name"
    assert info["skipped"] == 1 and info["notes"][0].startswith("1 is left out of the search")


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        ({"count": 0}, "setting-out-of-range", "count = 0"),
        ({"features": "logits"}, "setting-not-a-choice", "features = 'logits'"),
        ({"path": "alone"}, "no-other-image", "alone"),
        ({"path": "broken"}, "no-usable-image", "broken"),
    ],
)
def test_refusals(table, context, tmp_path, change, code, names):
    query = write_radiograph(tmp_path / "alone" / "new.png", 77)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"nothing")
    among = tmp_path / change.pop("path") if "path" in change else table
    with refused(code, names):
        ask("retrieve", asked(among, query, **change), context)


def test_the_request_survives_json():
    request = RetrieveRequest(VolumeRef(path="q", view="k:3"), DataSpec(path="s"), "m", 3, "encoder", True, "student")
    assert from_json(RetrieveRequest, to_json(request)) == request
