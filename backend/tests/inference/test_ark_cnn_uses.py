"""An Ark over a convolutional network is asked for all that an Ark with a Swin is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from ark_nets import CNN, make_ark_cnn, save_ark
from planted import as_volume, planted

from medssl.images.volume import Volume
from medssl.inference.classification.ark_heads import predict_heads
from medssl.inference.image_embedding import embed_images, whole_image
from medssl.inspection.saliency.maps import saliency_map
from medssl.networks.weights.export import export
from medssl.networks.weights.transfer import transfer
from medssl.networks.weights.weight_files import build_network, inspect_weights, load_weights, open_weights
from medssl.tasks.architecture import classification_network
from medssl.tasks.classification.config import ClassificationConfig


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save_ark(tmp_path / "ark.safetensors", make=make_ark_cnn)


@pytest.fixture
def chest() -> Volume:
    return as_volume(planted(1)[0])


def test_it_answers_as_the_parts_of_its_network_do(model: Path, chest: Volume):
    net = load_weights(model)
    assert inspect_weights(model)[1].complete
    image = whole_image(chest, net)
    x = net.standardise(torch.from_numpy(image)[None, None])
    with torch.inference_mode():
        seen = net.network.forward_head(net.network.forward_features(x), pre_logits=True)
        wanted = net.omni_heads[1](net.projector(seen)).softmax(dim=1)[0]
    found = predict_heads([chest], net)[0]
    assert [found[1][name][0] for name in net.sets[1]["classes"]] == pytest.approx(wanted.tolist(), abs=1e-5)
    assert embed_images([image], net).shape == (1, 24)
    assert np.allclose(embed_images([image], net, features="encoder"), seen.numpy(), atol=1e-5)


def test_its_saliency_is_the_class_activation_map_less_its_mean(model: Path, chest: Volume):
    net = load_weights(model)
    found = saliency_map(chest, net, "Effusion", check=True)
    with torch.inference_mode():
        places = net.places(net.standardise(torch.from_numpy(whole_image(chest, net))[None, None]))[0]
        weight = (net.omni_heads[0].weight @ net.projector.weight)[net.sets[0]["classes"].index("Effusion")]
    activation = (places @ weight).numpy() / places[..., 0].numel()
    assert np.allclose(found.scores, activation - activation.mean(), atol=1e-4)
    assert found.check is not None and found.check.networks == 3
    assert saliency_map(chest, net, "Effusion", method="occlusion", check=False).scores.shape == (12, 12)


def test_fine_tuning_begins_with_its_encoder(model: Path):
    file = open_weights(model)
    method, arguments = classification_network(ClassificationConfig(pixels=64), "2d", 3, file.plan)
    network = build_network(type(file.plan)(method, arguments)).eval()
    found = transfer(network, file)
    assert method == "cnn-classifier" and found.complete and not found.kept, "its heads are of other classes"
    x, net = torch.rand(2, 3, 64, 64), load_weights(model)
    with torch.inference_mode():
        assert torch.allclose(network.embed(x), net.features(x), atol=1e-5)
    assert arguments["standard"] == CNN["standard"]


@pytest.mark.parametrize("format", ["official", "bundle"])  # the latter holds TorchScript too
def test_it_is_exported_and_read_again(model: Path, tmp_path: Path, format: str):
    target = tmp_path / ("bundle" if format == "bundle" else f"ark.{format}")
    report = export(model, target, format)
    assert report.difference is not None and report.difference < 1e-4
    if format == "official":  # timm finds its own names
        state = torch.load(target, weights_only=True)["state_dict"]
        bare = timm.create_model(CNN["name"], num_classes=0)
        assert not bare.load_state_dict(state, strict=False).missing_keys
        assert load_weights(target).sets == load_weights(model).sets
