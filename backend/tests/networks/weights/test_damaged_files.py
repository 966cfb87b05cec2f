"""Files that are cut or damaged, or whose tensors are none or do not add up: refused by name."""

from __future__ import annotations

import argparse
import collections
import os
import pathlib
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from downstream import MONAI, NNUNET
from mutations import PLAIN, mutated, saved, weights
from refusals import refused
from safetensors.torch import save_file
from small import make_peac, make_timm_swin

from medssl.core.errors import MedSSLError
from medssl.networks.libraries.monai_segmenter import MonaiSegmenter
from medssl.networks.libraries.nnunet_segmenter import NnunetSegmenter
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import inspect_weights, open_weights

NUMBER = int(os.environ.get("MEDSSL_MUTATIONS", "150"))  # of damaged files


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_cut_files_are_called_cut(tmp_path: Path, kind: str, share: float):
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pt")
    if kind == "safetensors":
        save_file(weights()["state_dict"], path)
    else:
        saved(path, weights(), kind == "old")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with refused("weights-cut", names=[path.name, f"{int(len(data) * share):,}"]):
        open_weights(path)


def test_a_single_flipped_bit_of_a_weight_is_found(tmp_path: Path):
    """PyTorch itself opens such a file and says nothing."""
    path = saved(tmp_path / "a.pt", weights())
    data, rng = path.read_bytes(), random.Random(0)
    for _ in range(20):
        changed = bytearray(data)
        changed[rng.randrange(len(data) // 3, 2 * len(data) // 3)] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        with refused("weights-damaged", names="a.pt"):
            open_weights(path)


def test_files_written_without_checksums_are_read(tmp_path: Path):
    torch.serialization.set_crc32_options(False)
    try:
        path = saved(tmp_path / "a.pt", weights())
    finally:
        torch.serialization.set_crc32_options(True)
    assert inspect_weights(path)[1].complete


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16])
def test_values_that_are_not_finite_are_named_and_counted(tmp_path: Path, value: float, kind: torch.dtype):
    content = weights()
    name = "down_tr128.ops.1.conv1.weight"
    tensor = content["state_dict"][name] = content["state_dict"][name].to(kind)
    tensor.view(-1)[:7] = value
    path = saved(tmp_path / "a.pt", {"state_dict": {f"model.{n}": t for n, t in content["state_dict"].items()}})
    with refused("weights-not-finite", names=["a.pt", name, "7 of"]) as caught:
        open_weights(path)
    assert "more tensors" not in str(caught.value)
    content["state_dict"]["down_tr64.ops.0.conv1.bias"][0] = value
    with refused("weights-not-finite", names="1 more tensor"):
        open_weights(saved(path, content))


def test_an_average_that_diverged_does_not_spoil_the_model_beside_it(tmp_path: Path):
    content = {
        "model": weights()["state_dict"],
        "ema": {n: t * float("nan") for n, t in weights()["state_dict"].items()},
    }
    assert open_weights(saved(tmp_path / "a.pt", content)).part == "model"
    with refused("weights-not-finite"):
        open_weights(tmp_path / "a.pt", "ema")


def test_huge_tensors_of_few_stored_values_are_refused_without_taking_memory(tmp_path: Path):
    content = weights()
    content["state_dict"]["down_tr64.ops.0.conv1.weight"] = torch.zeros(1).expand(2**20, 2**20)
    with refused("weights-damaged", names=["down_tr64.ops.0.conv1.weight", f"{2**42:,}"]):
        open_weights(saved(tmp_path / "a.pt", content))


def test_an_archive_that_unpacks_to_more_than_the_memory_is_refused_before_it_is(tmp_path: Path, monkeypatch):
    source = saved(tmp_path / "a.pt", weights())
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(tmp_path / "b.pt", "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
        new.writestr("a/data/999", bytes(2**24))
    assert open_weights(tmp_path / "b.pt").tensors
    monkeypatch.setenv("MEDSSL_LARGEST_IMAGE_GIB", str(2**23 / 2**30))
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    with refused("weights-more-than-memory", names="b.pt"):
        open_weights(tmp_path / "b.pt")


def test_sparse_and_meta_tensors_are_refused(tmp_path: Path):
    for strange in (torch.eye(3).to_sparse(), torch.empty(2, device="meta")):
        content = weights()
        content["state_dict"]["down_tr64.ops.0.conv1.bias"] = strange
        with refused("weights-damaged", names="down_tr64.ops.0.conv1.bias"):
            open_weights(saved(tmp_path / "a.pt", content))


def test_damaged_files_give_only_the_projects_own_errors(tmp_path: Path):
    """150 of them here, as many as MEDSSL_MUTATIONS says elsewhere."""
    content = {
        **weights(),
        "args": argparse.Namespace(lr=np.float64(1)),
        "path": pathlib.PurePosixPath("a"),
        "epoch": 3,
    }
    zipped, plain = (saved(tmp_path / f"{old}.pt", content, old).read_bytes() for old in (False, True))
    path, outcomes = tmp_path / "damaged.pt", collections.Counter[str]()
    for what, data in mutated(zipped, plain, NUMBER):
        path.write_bytes(data)
        try:
            inspect_weights(path)
            outcomes["opened"] += 1
        except MedSSLError as error:
            assert path.name in str(error), what
            outcomes[error.code] += 1
    print(dict(outcomes))
    assert outcomes["weights-damaged"] > NUMBER / 4 and outcomes["weights-cut"] > NUMBER / 20


def test_damaged_safetensors_give_only_the_projects_own_errors(tmp_path: Path):
    save_file({f"model.{n}": t for n, t in weights()["state_dict"].items()}, tmp_path / "whole.safetensors")
    data, path = (tmp_path / "whole.safetensors").read_bytes(), tmp_path / "damaged.safetensors"
    rng, outcomes = random.Random(0), collections.Counter[str]()
    for _ in range(NUMBER):
        path.write_bytes(rng.choice(PLAIN)(data, rng))
        try:
            inspect_weights(path)
            outcomes["opened"] += 1
        except MedSSLError as error:
            assert path.name in str(error)
            outcomes[error.code] += 1
    print(dict(outcomes))
    assert outcomes["weights-damaged"] > NUMBER / 10 and outcomes["weights-cut"] > NUMBER / 20


def states() -> dict[str, dict[str, torch.Tensor]]:
    """Small networks of the layouts, without what our class puts before the names."""
    built = {name: MonaiSegmenter(name, 3, 1, 2, MONAI[name]) for name in ("basic_unet", "segresnet", "dynunet")}
    built |= {name: NnunetSegmenter(name, 3, 1, 2, NNUNET[name]) for name in NNUNET}  # type: ignore[dict-item]
    named = {key: {n.removeprefix("network."): t for n, t in net.state_dict().items()} for key, net in built.items()}
    return named | {
        "unet": UNet3D(2).state_dict(),
        "swin": make_timm_swin().state_dict(),
        "peac": make_peac().state_dict(),
    }


def test_names_and_shapes_that_do_not_add_up_give_only_the_projects_own_errors(tmp_path: Path):
    """Tensors left out, renamed, of other shapes, in files that are whole by themselves."""
    rng, known, path, codes = random.Random(0), list(states().values()), tmp_path / "a.pt", set()
    for _ in range(NUMBER):
        state = dict(rng.choice(known))
        for _ in range(rng.randint(1, 12)):
            name = rng.choice(list(state))
            tensor = state.pop(name)
            shape = [rng.randint(0, 9) for _ in range(tensor.ndim)]
            first = tensor[:1] if tensor.ndim else tensor
            other = (None, tensor.reshape(-1), torch.zeros(()), torch.zeros(shape), first, tensor)
            if (kept := rng.choice(other)) is not None:
                state[
                    name if kept is not tensor else name.replace("0", str(rng.randint(0, 12))).replace("weight", "bias")
                ] = kept
        try:
            codes.add("opened" if inspect_weights(saved(path, {"state_dict": state})) else "")
        except MedSSLError as error:
            codes.add(error.code)
    assert {"opened", "layout-unusable"} <= codes
