from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from refusals import refused

from medssl.images.body import isolate
from medssl.images.projection import MU_WATER, Geometry, camera_of, line_integrals, project
from medssl.images.volume import Volume

SPACING = np.array([2.0, 2.5, 4.0])
SHAPE = (120, 90, 40)


def grid():
    """LPS millimetres of every voxel of the phantom."""
    i, j, k = np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij")
    return (i - 59.5) * 2.0, (j - 44.5) * 2.5, (k - 19.5) * 4.0


def phantom(array):
    return Volume(array, SPACING, -(np.array(SHAPE) - 1) / 2 * SPACING, modality="CT", name="phantom")


@pytest.fixture
def cylinder():
    """Water, 80 mm of radius, along the whole scan."""
    x, y, _ = grid()
    inside = np.clip(0.5 + (80 - np.hypot(x, y)) / 2, 0, 1)  # partial volume at the rim
    return phantom(np.rint(1000 * inside - 1000).astype(np.int16))


@pytest.fixture
def marked(cylinder):
    """With two bones and an air bubble that tell the axes apart."""
    x, y, z = grid()
    array = cylinder.array.copy()
    for centre, radius, hu in (((40, 0, 30), 15, 1200), ((-30, 30, -20), 20, -900), ((0, -50, 0), 12, 700)):
        array[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 < radius**2] = hu
    return phantom(array)


def test_water_cylinder_has_the_analytic_line_integral(cylinder):
    body = isolate(cylinder)
    camera = camera_of(body, "frontal", Geometry(pixel=2.0))
    integrals = line_integrals(body, camera)
    pixels = camera.corner + camera.axes[:, 0] * 2.0 * np.arange(camera.shape[0])[:, None]
    rays = (pixels - camera.source)[:, :2]
    middle = camera.shape[1] // 2
    flat = np.linalg.norm(rays, axis=1)
    miss = np.abs(rays[:, 0] * camera.source[1] - rays[:, 1] * camera.source[0]) / flat  # axis to ray, mm
    expected = MU_WATER * 2 * np.sqrt(np.maximum(80**2 - miss**2, 0))
    inner = miss < 60
    assert inner.sum() > 50
    np.testing.assert_allclose(integrals[inner, middle], expected[inner], rtol=0.01)
    assert (integrals[miss > 85, middle] == 0).all()


def test_rays_are_longer_off_the_axis_and_the_body_goes_on_beyond_the_scan(cylinder):
    body = isolate(cylinder)
    camera = camera_of(body, "frontal", Geometry(pixel=2.0, field=(400, 300)))
    integrals = line_integrals(body, camera)
    column, rows = camera.shape[0] // 2, np.arange(camera.shape[1])
    slope = (rows - (camera.shape[1] - 1) / 2) * 2.0 / 1800
    np.testing.assert_allclose(integrals[column], integrals[column].min() * np.sqrt(1 + slope**2), rtol=1e-3)


def test_attenuation_follows_hounsfield_units(cylinder):
    water = isolate(cylinder)
    camera = camera_of(water, "lateral", Geometry(pixel=4.0))
    denser = isolate(phantom((cylinder.array + 1000) * np.float32(1.5) - 1000))
    middle = tuple(n // 2 for n in camera.shape)
    assert line_integrals(denser, camera)[middle] == pytest.approx(
        1.5 * line_integrals(water, camera)[middle], rel=1e-3
    )


@pytest.mark.parametrize("view", ["frontal", "lateral"])
@pytest.mark.parametrize("geometry", [Geometry(), Geometry(rotation=7, tilt=-5, shift=(12, -9), gap=80, distance=1500)])
def test_points_show_where_a_dense_ball_shows(cylinder, view, geometry):
    point = np.array([31.0, -21.25, 26.0])
    array = cylinder.array.copy()
    array[tuple(np.rint((point - cylinder.origin) / SPACING).astype(int))] = 20000
    body, empty = isolate(phantom(array)), isolate(cylinder)
    camera = camera_of(body, view, geometry)
    shadow = line_integrals(body, camera) - line_integrals(empty, camera)
    found = [(shadow * index).sum() / shadow.sum() for index in np.indices(shadow.shape)]
    expected = camera.pixels(point)[0]
    assert np.abs(found - expected).max() < 1
    assert np.unravel_index(shadow.argmax(), shadow.shape) == pytest.approx(expected, abs=3)


def test_magnification_and_shift_follow_the_distances(cylinder):
    body = isolate(cylinder)
    pair = np.array([[-20.0, 0, 10], [20.0, 0, 10]])
    for gap in (0.0, 100.0):
        geometry = Geometry(gap=gap)
        (left, right) = camera_of(body, "frontal", geometry).pixels(pair)
        magnification = 1800 / (1800 - gap - body.half[1])
        assert (right - left) * 0.7 == pytest.approx([40 * magnification, 0])
        moved = camera_of(body, "frontal", replace(geometry, shift=(7.0, 14.0))).pixels(pair)
        # the image is as large, so that it is the patient who moves
        assert (moved[0] - left) * 0.7 == pytest.approx(np.array([7.0, 14.0]) * magnification)


def test_the_image_is_seen_as_radiologists_see_it(marked):
    right, left = [-40.0, 0, 0], [40.0, 0, 0]
    top, bottom, front, back = [0, 0, 60.0], [0, 0, -60.0], [0, -60.0, 0], [0, 60.0, 0]
    points = np.array([right, left, top, bottom, front, back])
    cameras = {view: camera_of(isolate(marked), view, Geometry()) for view in ("frontal", "lateral")}
    frontal, lateral = (cameras[view].pixels(points) for view in ("frontal", "lateral"))
    assert frontal[0, 0] < frontal[1, 0] and frontal[2, 1] < frontal[3, 1]
    assert lateral[4, 0] < lateral[5, 0] and lateral[2, 1] < lateral[3, 1]
    image = project(marked)
    bone, air = (cameras["frontal"].pixels(np.array(p))[0].round().astype(int) for p in ([40, 0, 30], [-30, 30, -20]))
    assert image.array[tuple(bone)] > image.array[tuple(air)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
@pytest.mark.parametrize("flips", [(), (0,), (1, 2), (0, 1, 2)])
def test_any_orientation_of_the_array_gives_the_same_image(marked, order, flips):
    expected = project(marked, "frontal", Geometry(rotation=4, pixel=2.0))
    array, origin = marked.array.transpose(order), marked.origin.copy()
    spacing, direction = SPACING[list(order)], np.eye(3)[:, list(order)]
    for axis in flips:
        origin = origin + direction[:, axis] * spacing[axis] * (array.shape[axis] - 1)
        direction[:, axis] *= -1
        array = np.flip(array, axis)
    turned = Volume(array, spacing, origin, direction, modality="CT", name="phantom")
    image = project(turned, "frontal", Geometry(rotation=4, pixel=2.0))
    assert image.shape == expected.shape
    assert np.abs(image.array - expected.array).max() <= 1


def test_a_tilted_scan_gives_the_image_of_a_tilted_patient(marked):
    """The patient lay askew in the scanner: the same voxels under oblique axes."""
    angle = np.deg2rad(6)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    askew = replace(marked, direction=turn, origin=turn @ marked.origin)
    frame = {"pixel": 2.0, "field": (160.0, 120.0), "gap": 60.0}
    expected = isolate(marked)
    # compare on the same distances: the box around an oblique body is larger
    body = replace(isolate(askew), half=expected.half)
    a = line_integrals(expected, camera_of(expected, "frontal", Geometry(rotation=6, **frame)))
    b = line_integrals(body, camera_of(body, "frontal", Geometry(**frame)))
    np.testing.assert_allclose(a, b, atol=0.02)


def test_the_couch_is_no_part_of_a_radiograph(cylinder):
    x, y, _ = grid()
    array = cylinder.array.copy()
    array[(np.abs(x) < 100) & (np.abs(y - 95) < 4)] = 300
    assert (project(phantom(array)).array == project(cylinder).array).all()


def test_the_radiograph_is_a_radiograph(marked):
    image = project(replace(marked, patient="p1"))
    assert image.modality == "CXR" and image.name == "phantom frontal (simulated)" and image.patient == "p1"
    assert image.array.dtype == np.int16 and image.array.min() == 0 and image.array.max() == 4095
    assert image.spacing.tolist() == [0.7, 0.7, 1.0]
    assert (project(marked).array == image.array).all()


def test_bad_input_is_told(marked):
    with refused("not-ct", names="MR"):
        project(replace(marked, modality="MR"))
    with refused("not-3d", names="(8, 8)"):
        project(Volume(np.zeros((8, 8)), modality="CT"))
    with refused("no-body", names="phantom"):
        project(phantom(np.full(SHAPE, -1000, np.int16)))
    with refused("view-unknown", names="'oblique'"):
        project(marked, "oblique")
    with refused("source-too-near", names="150 mm"):
        project(marked, "frontal", Geometry(distance=150))
