"""Warps: known maps are met, wrong pairs left out, folding held down, and ITK reads the field as it is meant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from radiograph_fakes import SIDE, grid_of, radiograph, shifted
from refusals import refused
from scipy import ndimage

from medssl.images.formats.image_files import write_displacements, write_image
from medssl.inspection.warp.point_pairs import PointPairs, agreeing, check_enough, found_pairs, given_pairs
from medssl.inspection.warp.thin_plate import FOLDED, fit_warp, folded_share
from medssl.inspection.warp.warped_image import (
    correlations,
    displacement_lattice,
    displacement_vectors,
    warped,
)

SIZE = np.array([SIDE, SIDE])


def bend(pixels: np.ndarray) -> np.ndarray:
    """Where the moving image shows what a pixel of the fixed one does: turned, enlarged, and bent by 5 pixels."""
    middle = (SIZE - 1) / 2
    turned = (pixels - middle) @ (1.08 * np.array([[0.99, -0.12], [0.12, 0.99]])).T + middle
    return turned + 5 * np.sin(pixels[..., ::-1] / SIDE * np.pi)


def pair_of_images():
    """A moving image, and a fixed one that is it under `bend`."""
    moving = radiograph(blur=4.0)
    where = bend(np.moveaxis(np.indices(moving.shape), 0, -1).astype(float))
    values = ndimage.map_coordinates(
        moving.array.astype(float), np.moveaxis(where, -1, 0), order=1, cval=float(moving.array.min())
    )
    return moving, replace(moving, array=values.astype(np.float32), name="fixed")


def pairs_of_bend(count: int = 80, noise: float = 0.0, seed: int = 0) -> PointPairs:
    random = np.random.default_rng(seed)
    fixed = random.uniform(10, SIDE - 10, (count, 2))
    return PointPairs(bend(fixed) + noise * random.normal(size=(count, 2)), fixed, np.ones(count))


def test_a_known_map_is_met():
    moving, fixed = pair_of_images()
    warp = fit_warp(pairs_of_bend(), fixed.shape)
    assert np.median(warp.held_out) < 0.1 and warp.residuals.max() < 0.1 and warp.folded == 0
    bent = warped(moving, fixed, warp)
    after, before = correlations(moving, fixed, warp)
    assert after > 0.99 > 0.8 > before
    assert bent.array.shape == fixed.shape and bent.name.endswith("warped")


def test_noise_makes_the_spline_stiffer():
    calm, noisy = (fit_warp(pairs_of_bend(noise=noise), (SIDE, SIDE)) for noise in (0.0, 4.0))
    assert noisy.stiffness > calm.stiffness and noisy.folded <= FOLDED
    assert np.median(noisy.held_out) < np.median(fit_warp(pairs_of_bend(noise=4.0), (SIDE, SIDE), 0.0).held_out)


def test_points_that_change_places_fold_an_exact_warp_and_hardly_a_chosen_one():
    pairs = pairs_of_bend(12)
    moving = pairs.moving.copy()
    near = np.argsort(np.hypot(*(pairs.fixed - pairs.fixed[0]).T))[:2]
    moving[near] = moving[near[::-1]]
    crossed = PointPairs(moving, pairs.fixed, pairs.confidence)
    exact, chosen = fit_warp(crossed, (SIDE, SIDE), 0.0), fit_warp(crossed, (SIDE, SIDE))
    assert exact.folded > FOLDED >= chosen.folded and exact.residuals.max() < 1e-3 < chosen.residuals.max()


def test_folding_is_counted_where_the_map_runs_backwards():
    x, y = np.meshgrid(np.arange(20.0), np.arange(10.0), indexing="ij")
    folded = np.stack([np.where(x < 10, x, 20 - x), y], axis=-1)
    assert folded_share(np.stack([x, y], axis=-1), 1) == 0 and folded_share(folded, 1) == pytest.approx(0.5, abs=0.051)


def test_wrong_pairs_are_left_out():
    good, random = pairs_of_bend(40), np.random.default_rng(1)
    wrong = random.uniform(0, SIDE, (2, 20, 2))
    both = PointPairs(np.concatenate([good.moving, wrong[0]]), np.concatenate([good.fixed, wrong[1]]), np.ones(60))
    used = agreeing(both, SIDE, SIDE)
    assert used[:40].mean() > 0.9 and used[40:].mean() < 0.2
    mirrored = PointPairs(good.fixed * (-1, 1) + (SIDE, 0), good.fixed, good.confidence)
    assert not agreeing(mirrored, SIDE, SIDE).any() and not agreeing(both.chosen(np.arange(3)), SIDE, SIDE).any()
    with refused("points-disagree", names="3 of 60 point pairs"):
        check_enough(3, 60, 6)


def test_pairs_are_found_by_both_directions():
    image = radiograph()
    pairs = found_pairs([grid_of(image), grid_of(shifted(image, 16, 8))])
    close = np.hypot(*(pairs.fixed - pairs.moving - (16, 8)).T) < 1
    assert close.mean() > 0.6 and agreeing(pairs, SIDE, SIDE)[close].all()
    strangers = [grid_of(image), grid_of(radiograph(1))]
    every, surer = found_pairs(strangers), found_pairs(strangers, least_confidence=0.05)
    assert 0 < len(surer) < len(every) and surer.confidence.min() >= 0.05


def test_itk_and_this_package_warp_alike(tmp_path):
    moving, fixed = pair_of_images()
    turned = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    moving = replace(moving, spacing=(0.4, 0.5, 1.0), origin=(7.0, -3.0, 2.0), array=moving.array.astype(np.float32))
    fixed = replace(fixed, spacing=(0.7, 0.6, 1.0), origin=(-20.0, 11.0, 5.0), direction=turned)
    warp = fit_warp(pairs_of_bend(), fixed.shape)
    vectors = displacement_vectors(moving, fixed, warp)
    write_displacements(vectors, displacement_lattice(fixed, warp), tmp_path / "displacement.nrrd")
    images = []
    for image in (moving, fixed):
        write_image(replace(image, array=image.array[..., None]), tmp_path / "image.nrrd")
        images.append(sitk.ReadImage(str(tmp_path / "image.nrrd"), sitk.sitkFloat32))
    field = sitk.ReadImage(str(tmp_path / "displacement.nrrd"), sitk.sitkVectorFloat64)
    assert field.GetSize()[2] == 1 and field.GetNumberOfComponentsPerPixel() == 3
    by_itk = sitk.Resample(*images, sitk.DisplacementFieldTransform(field), sitk.sitkLinear, float(moving.array.min()))
    here, there = warped(moving, fixed, warp).array, sitk.GetArrayFromImage(by_itk)[0].T
    inside = (slice(15, -15),) * 2  # at the border the two treat what is half outside differently
    assert np.abs(here[inside] - there[inside]).max() < 0.5


def test_given_pairs_and_what_is_refused():
    image = radiograph()
    row = {"x": "10", "y": 20, "target_x": 30.5, "target_y": 40}
    pairs = given_pairs([row] * 2, image, image)
    assert pairs.moving.tolist() == [[10, 20]] * 2 and pairs.fixed[0].tolist() == [30.5, 40]
    with refused("pair-unreadable", names="point pair 2"):
        given_pairs([row, {**row, "target_y": "?"}], image, image)
    with refused("point-outside", names="target of point 1"):
        given_pairs([{**row, "target_x": 1000}], image, image)
    with refused("points-on-a-line"):
        fit_warp(pairs, image.shape)
    line = np.stack([np.arange(5.0), np.arange(5.0)], axis=1)
    with refused("points-on-a-line"):
        fit_warp(PointPairs(line, line, np.ones(5)), image.shape)
