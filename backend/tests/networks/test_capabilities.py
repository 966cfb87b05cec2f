"""Every registered network can what its line says, and nothing of the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from ark_nets import make_ark, make_ark_cnn
from downstream import PLANS, make_ensemble, make_network, make_plan
from refusals import refused
from small import make_patch_swin, make_peac
from torch import Tensor

from medssl.core.capabilities import CAPABILITIES, CLASSES, EMBED, EXPLAIN, HEADS, PATCHES, RESTORE, SEGMENT, VOXELS
from medssl.core.plan import Plan
from medssl.core.registry import load
from medssl.inference.capabilities import RULES, refusal, require
from medssl.inference.image_embedding import embedding_of
from medssl.networks import CNN, ENSEMBLE, MONAI, NETWORKS, NNUNET, SWIN, UNET, capabilities_of, family_of
from medssl.networks.dense3d import DenseUNet
from medssl.networks.network import Network
from medssl.networks.unet3d import UNet3D
from medssl.pretraining import METHODS
from medssl.tasks import TASKS
from medssl.tasks.described import abilities

SMALL: dict[str, Callable[[], Network]] = {
    "genesis": lambda: UNet3D(4),
    "peac": make_peac,
    "anatomy": make_patch_swin,
    "anatomy3d": lambda: DenseUNet(4, 8),
    "ark": make_ark,
    "ark-cnn": make_ark_cnn,
    **{name: lambda name=name: make_network(name) for name in PLANS},
    ENSEMBLE: make_ensemble,
}


@pytest.fixture(params=list(NETWORKS))
def name(request) -> str:
    return request.param


@pytest.fixture
def net(name: str) -> Network:
    network = SMALL[name]().eval()
    network.plan = network.plan or Plan(name, {})
    return network


def images(net: Network) -> Tensor:
    """Two images in 0…1, before they are standardised."""
    sides = net.input_size or (net.least_side or 2 * net.size_divisor,) * net.axes
    return torch.rand(2, 1, *sides, generator=torch.Generator().manual_seed(0))


def test_the_line_names_a_network_and_known_capabilities(name):
    entry = NETWORKS[name]
    assert issubclass(load(entry.network), Network) and set(entry.can) <= set(CAPABILITIES)
    families = (UNET, SWIN, CNN, MONAI, NNUNET)
    assert entry.family in families or name == ENSEMBLE  # a member of which goes on learning


@torch.inference_mode()
def test_it_embeds_where_its_line_says_so(name, net):
    assert (EMBED in NETWORKS[name].can) == bool(net.embeddings)
    x = images(net)
    if not net.embeddings:
        with refused("model-unsuitable"):
            embedding_of(net, x)
        return
    found = {kind: embedding_of(net, x, kind) for kind in net.embeddings}
    assert torch.equal(embedding_of(net, x), found[net.embeddings[0]])
    assert all(vectors.ndim == 2 and len(vectors) == 2 for vectors in found.values())
    if "projector" not in found:
        with refused("model-unsuitable"):
            embedding_of(net, x, "projector")


@torch.inference_mode()
def test_it_describes_patches_where_its_line_says_so(name, net):
    if PATCHES in NETWORKS[name].can:
        tokens = net.tokens(net.standardise(images(net)))
        assert tokens.shape == (2, net.cells**2, net.dimension) and net.side == net.cells * net.cell
    else:
        with refused("model-unsuitable"):
            require(net.plan, PATCHES)


@torch.inference_mode()
def test_it_describes_volumes_where_its_line_says_so(name, net):
    if VOXELS in NETWORKS[name].can:
        found = net(images(net))
        assert found.shape[:2] == (2, net.dimension) and torch.allclose(found.norm(dim=1), torch.ones(()), atol=1e-5)
        assert [side * net.stride for side in found.shape[2:]] == list(images(net).shape[2:])
    else:
        assert not hasattr(net, "stride")


def test_it_restores_where_its_line_says_so(name, net):
    assert (RESTORE in NETWORKS[name].can) == (net.answer == "restored image")
    if RESTORE in NETWORKS[name].can:
        x = images(net)
        assert net(net.standardise(x)).shape == x.shape


@torch.inference_mode()
def test_it_has_heads_where_its_line_says_so(name, net):
    assert (HEADS in NETWORKS[name].can) == bool(net.sets)
    if net.sets:
        answers = net.probabilities(net.standardise(images(net)))
        assert [answer.shape[1] for answer in answers] == [len(one["classes"]) for one in net.sets]


@torch.inference_mode()
def test_it_can_be_explained_where_its_line_says_so(name, net):
    assert (EXPLAIN in NETWORKS[name].can) == hasattr(net, "class_logits")
    if EXPLAIN in NETWORKS[name].can:
        x = net.standardise(images(net))
        places = net.places(x)
        pooled = net.pooled(places)
        assert places.shape[1] == places.shape[2] and places.shape[1] % (net.cells or 1) == 0
        expected = net.outputs(x)["logits"]
        assert torch.allclose(net.class_logits(pooled, 0), expected[0] if net.sets else expected, atol=1e-6)


def test_radiographs_are_standardised_as_the_class_says(net):
    x = images(net)
    assert net.standardise(x).shape[1] == (3 if net.standard else 1) and bool(net.side) == bool(net.input_size)
    assert bool(net.standard) or torch.equal(net.standardise(x), x)


@pytest.mark.parametrize("method", PLANS)
def test_a_fine_tuned_model_can_what_its_task_answers(method):
    plan = make_plan(method)
    answer = TASKS[plan.task["name"]].answers
    assert answer == (SEGMENT if "segmenter" in method else CLASSES)
    assert capabilities_of(plan) == (*NETWORKS[method].can, answer)
    assert answer not in capabilities_of(replace(plan, task={})), "without classes nobody knows what it answers"


def test_a_probe_predicts_and_no_network_of_its_own_is_asked():
    probe = Plan("probe", {}, task={"name": "probing", "classes": ["TB"]})
    assert capabilities_of(probe) == (TASKS["probing"].answers,) == (CLASSES,) and family_of(probe) == ""
    assert abilities(probe) == [CLASSES]


def test_models_that_a_pretraining_can_begin_with_say_so():
    begun = {name: [one for one in abilities(Plan(name, {})) if one.startswith("start:")] for name in METHODS}
    assert begun == {
        "genesis": ["start:genesis", "start:anatomy3d"], "anatomy3d": ["start:anatomy3d"],
        "peac": ["start:peac", "start:anatomy", "start:ark"],
        "anatomy": ["start:anatomy", "start:ark"], "ark": ["start:ark"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("capability", "remedy"),
    [
        (RESTORE, "Choose a Models Genesis model"),
        (HEADS, "Choose a Foundation Ark model"),
        (SEGMENT, "Choose a model fine-tuned for segmentation"),
        (EXPLAIN, "Choose a Foundation Ark model or a fine-tuned classifier of radiographs"),
    ],
)
def test_a_refusal_names_those_who_can(capability, remedy):
    error = refusal(Plan("unknown", {}), capability)
    assert (error.value, error.remedy) == ("model of method 'unknown'", remedy)


def test_every_capability_has_a_rule():
    assert set(RULES) == set(CAPABILITIES)
