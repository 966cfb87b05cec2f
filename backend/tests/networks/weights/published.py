"""Files as published pretrainings are written, and what a fine-tuning takes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medssl.networks.layers import head_names, names_of
from medssl.networks.network import Network
from medssl.networks.weights.transfer import Transfer, transfer
from medssl.networks.weights.weight_files import build_network, open_weights
from medssl.tasks.architecture import segmentation_network
from medssl.tasks.segmentation.config import SegmentationConfig

State = dict[str, Tensor]


def below(prefix: str, state: State) -> State:
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def randomised(network: Any) -> Any:
    """Every tensor filled, so that none can be left out unseen."""
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_(0.0, 0.1).abs_()
    return network.eval()


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def fine_tuned(path: Path, crop: tuple[int, int, int] = (64, 64, 32), inputs: int = 1) -> tuple[Network, Transfer]:
    """What the segmentation task makes of a file: its own choice of the network, 5 classes, and the transfer."""
    file = open_weights(path)
    method, arguments = segmentation_network(SegmentationConfig(crop=crop), "3d", 5, inputs, file.plan)
    network = build_network(type(file.plan)(method, arguments))
    return network.eval(), transfer(network, file)


def all_of_the_encoder(network: Network, found: Transfer, begins: str = "") -> None:
    """No tensor of the encoder is new; the head is, and the report says so."""
    encoder = (
        {n for n in network.state_dict() if n.startswith(begins)} if begins else names_of(network, network.encoder())
    )
    derived = {name for name in encoder if name.endswith("relative_position_index")}
    assert encoder and encoder <= {*found.matched} | derived and not found.broken()
    assert head_names(network, last=True) <= set(found.new) <= head_names(network) and found.source in found.text()


def features(network: Any, x: Tensor) -> list[Tensor]:
    with torch.inference_mode():
        return list(network(x))


# Swin transformers: SwinViT (Tang et al. 2022), VoCo, SuPreM
