"""How unsure a model is of an image: sums over voxels and faces that are known, and features of every family of networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from refusals import refused
from segment_fakes import CT, CXR, SEGMENTS, Levels

from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.images.volume import Volume
from medssl.inference.volumes.encoder_mean import EncoderMean
from medssl.inference.volumes.entropy_score import score_entropy
from medssl.networks.network import Network
from medssl.networks.weights.weight_files import build_network

SPACING = (0.5, 2.0, 3.0)
VOXEL = 3.0


class Soft(Network):
    """Probability of the only class, by intensity: 0, a half and 1 of the range are 0, 0.5 and 1."""

    def __init__(self, size=(16, 16, 8), form="3d", modality="CT", geometry=Geometry("LPS", tilt=30.0)) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        task = {"name": "segmentation", "form": form, "segments": SEGMENTS[:1], "overlap": 0.5}
        self.plan = Plan("soft", {}, "paper", CXR if modality == "CXR" else CT, size, modality, task, geometry=geometry)

    def forward(self, x):
        x = x[:, x.shape[1] // 2, None]
        return torch.cat([torch.zeros_like(x), (x - 0.5) * 40 * self.weight], dim=1)


class OneSided(Soft):
    """Sure of the class in the first half of every window along i: its mirrored copies contradict it."""

    def forward(self, x):
        side = torch.arange(x.shape[2]) < x.shape[2] // 2
        answer = torch.where(side[:, None, None], 20.0, -20.0).expand_as(x)
        return torch.cat([torch.zeros_like(x), answer], dim=1)


def block(direction=np.eye(3)) -> Volume:
    """Background, and a box of 10 x 8 x 12 voxels with a doubtful layer of 4 slices on top of it."""
    array = np.full((20, 16, 24), -1000, np.int16)
    array[4:14, 3:11, 5:17] = 1000
    array[4:14, 3:11, 17:21] = -1  # a hair below the middle: background, in doubt
    return Volume(array, SPACING, (0, 0, 0), direction, modality="CT", name="block")


@pytest.mark.parametrize("direction", [np.eye(3), np.diag([-1.0, -1.0, 1.0]), np.eye(3)[:, [1, 2, 0]]])
def test_doubt_surface_and_volume_are_those_of_the_image_however_it_lies(direction):
    found = score_entropy(block(direction), Soft(), mirror=False)
    assert found.found == pytest.approx(10 * 8 * 12 * VOXEL)
    assert found.doubt == pytest.approx(10 * 8 * 4 * VOXEL, rel=1e-3)
    faces = 2 * (10 * 8 * 0.5 * 2.0 + 10 * 12 * 0.5 * 3.0 + 8 * 12 * 2.0 * 3.0)
    assert found.surface == pytest.approx(faces) and found.unit == "mm"


def test_where_nothing_is_found_and_nothing_is_in_doubt():
    blank = block().with_array(np.full((20, 16, 24), -1000, np.int16))
    blank.array[0, 0, 0] = -999  # no constant image
    found = score_entropy(blank, Soft())
    assert (found.doubt, found.surface, found.found) == (0.0, 0.0, 0.0)


def test_mirrored_copies_that_disagree_are_doubt():
    plain, mirrored = (score_entropy(block(), OneSided(), mirror=mirror) for mirror in (False, True))
    assert plain.doubt < 0.2 * mirrored.doubt  # windows that overlap disagree a little, too
    assert mirrored.doubt == pytest.approx(20 * 16 * 24 * VOXEL, rel=1e-3), "a half here and a half there"


def test_progress_and_cancel():
    shares: list[float] = []
    score_entropy(block(), Soft(), progress=lambda share, message: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1.0

    def stop(share, message):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_entropy(block(), Soft(), progress=stop)


def test_a_radiograph_is_measured_in_pixels():
    array = np.random.default_rng(0).integers(0, 60, (90, 80)).astype(np.uint8)
    array[25:60, 20:50] = 255
    net = Soft((48, 48), "2d", "CXR")
    found = score_entropy(Volume(array, (1, 1, 1), (0, 0, 0), np.eye(3), modality="CXR"), net, mirror=True)
    assert found.unit == "pixels" and found.found > 0 and found.surface > 0


def of_two_channels() -> Soft:
    net = Soft()
    channels = [{"name": name, "modality": "CT", "normalisation": CT} for name in ("first", "second")]
    net.plan = replace(net.plan, task={**net.plan.task, "channels": channels})
    return net


def test_a_model_of_several_channels_sees_all_of_them():
    dark = block().with_array(np.full((20, 16, 24), -1000, np.int16))
    dark.array[0, 0, 0] = -999
    found = score_entropy(replace(dark, further=(block(),)), of_two_channels())  # which looks at the second one
    alone = score_entropy(block(), Soft())
    assert (found.doubt, found.surface, found.found) == (alone.doubt, alone.surface, alone.found)


def test_images_that_the_model_cannot_take_are_refused():
    with refused("not-2d"):
        score_entropy(block(), Soft((48, 48), "2d", "CXR"))
    with refused("not-3d"):
        score_entropy(Volume(np.zeros((9, 9), np.uint8), (1, 1, 1), (0, 0, 0), np.eye(3), modality="CT"), Soft())
    with refused("channels-incomplete", "second"):
        score_entropy(block(), of_two_channels())
    with refused("model-unsuitable"):
        net = Levels()
        net.plan = Plan("genesis", {}, "paper", CT, (16, 16, 8), "CT")
        score_entropy(block(), net)


NETWORKS = {
    "unet-segmenter": {"base_width": 4, "inputs": 1, "classes": 2},
    "nnunet-segmenter": {"name": "resenc", "axes": 3, "inputs": 1, "classes": 2, "arguments": {
        "n_stages": 3, "features_per_stage": [4, 8, 8], "n_blocks_per_stage": [1, 1, 1], "n_conv_per_stage_decoder": [1, 1]}},
    "monai-segmenter": {"name": "segresnet", "axes": 3, "inputs": 1, "classes": 2, "arguments": {
        "init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]}},
}  # fmt: skip


@pytest.mark.parametrize("method", NETWORKS)
def test_features_of_every_family_are_means_of_the_unmirrored_image(method):
    task = {"name": "segmentation", "form": "3d", "segments": SEGMENTS[:1], "overlap": 0.25}
    plan = Plan(method, NETWORKS[method], "paper", CT, (16, 16, 16), "CT", task, geometry=Geometry("LPS"))
    torch.manual_seed(0)
    net = build_network(plan).eval()
    net.plan = plan
    image = block().crop(((0, 16),) * 3)
    plain, mirrored = (score_entropy(image, net, mirror=mirror).features for mirror in (False, True))
    assert plain.ndim == 1 and plain.size >= 8 and np.any(plain)
    np.testing.assert_allclose(mirrored, plain, rtol=1e-4, atol=1e-6)
    if net.embeddings:
        scaled = torch.from_numpy((image.array.astype(np.float32) + 1000) / 2000)[None, None]
        with torch.inference_mode():
            np.testing.assert_allclose(plain, net.embed(scaled)[0].numpy(), rtol=1e-4, atol=1e-6)


def test_nothing_is_left_at_the_network():
    net = build_network(Plan("unet-segmenter", NETWORKS["unet-segmenter"])).eval()
    net.plan = Plan("unet-segmenter", NETWORKS["unet-segmenter"])
    with EncoderMean(net):
        pass
    assert not any(module._forward_hooks for module in net.modules())
