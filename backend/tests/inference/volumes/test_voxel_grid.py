"""Descriptors of whole volumes: geometry, tiles, memory, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from described import blobs, describer, stored_otherwise
from refusals import refused

from medssl.images.volume import Volume
from medssl.inference.volumes.voxel_grid import describe_volume, interpolated, look_closely
from medssl.networks.unet3d import UNet3D


@pytest.fixture(scope="module")
def net():
    return describer()


@pytest.fixture(scope="module")
def grid(net):
    return describe_volume(blobs(), net)


def test_a_cell_lies_in_the_middle_of_its_voxels(grid):
    assert grid.shape == (20, 24, 16) and np.allclose(grid.step_mm, 2)
    assert np.allclose(grid.points(np.zeros(3)), [10.5, -19.5, 30.5])
    points = grid.points(np.array([[3, 4.5, 7], [0, 0, 0]]))
    assert np.allclose(grid.places(points), [[3, 4.5, 7], [0, 0, 0]])
    assert np.allclose(grid.relative(np.array([9.5, -20.5, 29.5])), 0), "the corner of the first voxel"
    assert np.allclose(grid.points_at(grid.relative(points)), points)
    norms = grid.descriptors.float().norm(dim=-1)
    assert torch.allclose(norms, torch.ones(()), atol=2e-3)
    assert grid.descriptors.float().mean(dim=(0, 1, 2)).norm() < 0.5, "what all share is taken off"


def test_the_way_a_volume_is_stored_does_not_matter(grid, net):
    other = describe_volume(stored_otherwise(blobs()), net)
    points = grid.points(np.array([[3, 4, 5], [10.3, 12.1, 8.6]]))
    assert other.shape == grid.shape and np.allclose(other.places(points), grid.places(points))
    assert torch.allclose(other.at(points), grid.at(points), atol=1e-3)


def test_tiles_agree_where_they_overlap(grid, net):
    """Tiles see less of the neighbourhood than the whole: their cells are near, and nearest to the same cell."""
    seen = []
    tiled = describe_volume(blobs(), net, progress=lambda done, of: seen.append((done, of)), tile=32)
    assert tiled.shape == grid.shape and seen[-1] == (4, 4)
    alike = (tiled.descriptors.float() * grid.descriptors.float()).sum(-1)
    assert alike.mean() > 0.8


@pytest.mark.parametrize("sides", [(39, 47, 31), (33, 41, 25)])
def test_sides_that_are_no_multiples_of_eight_move_nothing(grid, net, sides):
    """What a cell describes lies where the cell says that it lies."""
    volume = blobs()
    array = volume.array[tuple(slice(side) for side in sides)]
    cut = describe_volume(replace(volume, array=array), net)
    both = tuple(slice(side // 2) for side in sides)
    assert (cut.descriptors.float()[both] * grid.descriptors.float()[both]).sum(-1).mean() > 0.95
    block = np.full(sides, array.min())
    block[8:16, 16:24, 8:16] = array[8:16, 16:24, 8:16]
    shown = np.argwhere(describe_volume(replace(volume, array=block), net).foreground.numpy())
    assert (shown >= (4, 8, 4)).all() and (shown < (8, 12, 8)).all() and len(shown) > 32


@pytest.mark.parametrize("tile", [96, 32])
def test_large_volumes_keep_every_second_cell_in_its_place(net, tile):
    whole = describe_volume(blobs(), net, tile=tile)
    thin = describe_volume(blobs(), net, tile=tile, largest=whole.descriptors.nbytes // 2)
    assert thin.shape == (10, 12, 8) and thin.step == 4 and thin.descriptors.nbytes <= whole.descriptors.nbytes // 2
    places = np.argwhere(np.ones(thin.shape))
    points = thin.points(places)
    assert np.allclose(whole.places(points), 2 * places + 1)
    assert torch.allclose(whole.at(points), thin.descriptors.flatten(0, 2).float(), atol=4e-3)
    assert torch.equal(thin.foreground, whole.foreground[1::2, 1::2, 1::2])


def test_a_closer_look_has_the_point_in_its_middle(grid, net):
    point = grid.points(np.array([10.2, 11.7, 8.1]))
    tile, middle = look_closely(grid, net, point, 16)
    assert tile.shape == (8, 8, 8, 16) and np.abs(middle - 4).max() <= 0.25
    beyond, _ = look_closely(grid, net, grid.points(np.zeros(3)), 16)
    assert torch.isfinite(beyond).all(), "a tile may reach beyond the volume"


def test_between_cells_and_beyond_them():
    field = torch.nn.functional.normalize(torch.randn(3, 3, 3, 4, generator=torch.Generator().manual_seed(1)), dim=-1)
    places = torch.tensor([[0.0, 1, 2], [0.5, 1, 2], [-3.0, 1, 9]])
    found = interpolated(field, places)
    between = torch.nn.functional.normalize((field[0, 1, 2] + field[1, 1, 2]) / 2, dim=0)
    assert torch.allclose(found, torch.stack([field[0, 1, 2], between, field[0, 1, 2]]), atol=1e-6)


def test_air_is_no_foreground(net):
    volume = blobs()
    array = volume.array.copy()
    array[:20] = array.min()
    shown = describe_volume(replace(volume, array=array), net).foreground
    assert not shown[:10].any() and shown[10:].float().mean() > 0.9


def test_what_cannot_be_described_is_refused(net):
    with refused("not-3d", names="(40, 48)"):
        describe_volume(Volume(np.ones((40, 48)), modality="MR"), net)
    other = UNet3D(4)
    other.plan = replace(net.plan, method="genesis", network={"base_width": 4})
    with refused("model-unsuitable", names="genesis"):
        describe_volume(blobs(), other)
    with refused("modality-mismatch", names="CT"):
        describe_volume(replace(blobs(), modality="CT"), net)
