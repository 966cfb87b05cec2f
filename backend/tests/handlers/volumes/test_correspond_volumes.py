"""Places of one volume in another, asked as the worker, the session and the command line ask."""

from __future__ import annotations

import numpy as np
import pytest
from described import blobs, describer, stored_otherwise
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.cli.inspection.volumes import parse_place
from medssl.core.protocol import VolumeRef, to_json
from medssl.core.requests import CorrespondVolumesRequest
from medssl.handlers.worker.local import run_here
from medssl.images.formats.reading import read_volume, write_volume
from medssl.networks.weights.weight_files import save_weights

POINT = (-24.5, 5.5, 44.5)  # RAS: inside both, in the middle of a cell


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """`asked(folder, **fields)` runs the inspection on a volume and the same one stored otherwise."""
    place = tmp_path_factory.mktemp("volumes")
    net = describer()
    save_weights(place / "model.safetensors", net.state_dict(), net.plan)
    for name, volume in (("a", blobs()), ("b", stored_otherwise(blobs()))):
        write_volume(volume, place / f"{name}.nrrd")
    refs = tuple(VolumeRef(path=str(place / f"{name}.nrrd"), modality="MR") for name in "ab")

    def run(folder, **fields):
        request = CorrespondVolumesRequest(refs, **{"model": str(place / "model.safetensors"), **fields})
        return run_here("correspond_volumes", to_json(request), place / "home", folder, lambda *_: None)

    run.place = place
    return run


def test_points_maps_and_the_control(asked, tmp_path):
    other = (-30.5, -0.5, 40.5)
    result = asked(tmp_path / "r", points=(POINT, other), compare_untrained=True)
    rows = [row for row in result.table if row["by"] == "model"]
    assert [row["label"] for row in rows] == ["1", "2"] and len(result.table) == 4
    for row, point in zip(rows, (POINT, other)):
        assert np.allclose([row[f"source_{axis}"] for axis in "ras"], point)
        assert np.allclose([row[axis] for axis in "ras"], point, atol=1.0) and row["similarity"] > 0.98
    assert {row["by"] for row in result.table} == {"model", "untrained"}
    assert set(result.files) == {"correspondences.csv", "montage.png", "similarity-1-1.nrrd", "similarity-2-1.nrrd"}
    values = read_volume(tmp_path / "r" / "similarity-1-1.nrrd")
    best = np.unravel_index(np.argmax(values.array), values.shape)
    place = values.ijk_to_ras @ [*best, 1.0]
    assert np.linalg.norm(place[:3] - POINT) < 6.0, "the map lies where the volume lies"


def test_one_map_of_many_points_and_none(asked, tmp_path):
    one = asked(tmp_path / "one", points=(POINT, POINT), map_of=1, refine=False)
    assert set(one.files) == {"correspondences.csv", "similarity-2-1.nrrd"}, "a point on the move is not drawn"
    none = asked(tmp_path / "none", points=(POINT,), maps=False, refine=False)
    assert none.files == ("correspondences.csv", "montage.png")


def test_places_are_chosen_where_no_points_are_given(asked, tmp_path):
    result = asked(tmp_path / "r", count=4, refine=False)
    assert 1 <= len(result.table) <= 4 and result.files == ("correspondences.csv", "montage.png")
    away = [np.linalg.norm([row[a] - row[f"source_{a}"] for a in "ras"]) for row in result.table]
    assert max(away) < 3.0


def test_what_is_refused(asked, tmp_path):
    for number, (fields, code, names) in enumerate((
        ({"points": ((0.0, 0.0),)}, "not-a-point", "0.0"),
        ({"points": ((500.0, 0.0, 0.0),)}, "place-outside", "500"),
        ({"points": (POINT,), "map_of": 3}, "point-number-unknown", "3"),
        ({"points": (POINT,), "model": "untrained:laptop"}, "model-unsuitable", "peac"),
    )):  # fmt: skip
        with refused(code, names=names):
            asked(tmp_path / str(number), **fields)
    with refused("setting-out-of-range", names="-5"):
        CorrespondVolumesRequest((), "m", search_radius=-5.0)
    with refused("too-few-images"):
        request = CorrespondVolumesRequest((VolumeRef(path=str(asked.place / "a.nrrd")),), "m")
        run_here("correspond_volumes", to_json(request), tmp_path / "home", tmp_path / "few", lambda *_: None)


def test_the_command(asked, tmp_path):
    place = asked.place
    arguments = [
        "match", str(place / "a.nrrd"), str(place / "b.nrrd"), "--model", str(place / "model.safetensors"), "--at",
        ",".join(map(str, POINT)), "--search-radius", "40", "--output", str(tmp_path / "out"), "--home", str(tmp_path / "home"),
    ]  # fmt: skip
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0 and "way_back" in done.output
    assert (tmp_path / "out" / "similarity-1-1.nrrd").is_file()
    with refused("not-a-point", names="1,2"):
        parse_place("1,2")
