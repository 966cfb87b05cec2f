from __future__ import annotations

import dataclasses
import json
import pickle
import random
from pathlib import Path

import pytest
import torch
from closed_form import make, read_reference
from refusals import refused
from safetensors.torch import load_file, save_file

import medssl
from medssl.core import files
from medssl.core.errors import WeightsError
from medssl.core.plan import Plan, read_plan
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights.weight_files import (
    convert_weights,
    export_official,
    inspect_weights,
    load_weights,
    open_weights,
    save_weights,
)
from medssl.networks.weights.weight_files import fill as fill_network

PLAN = Plan(
    "genesis", {"base_width": 4, "inputs": 1, "outputs": 1}, normalisation={"kind": "ct"}, input_size=(64, 64, 32)
)


@pytest.fixture
def official(tmp_path: Path) -> Path:
    """A small file in the official layout."""
    return write_official(tmp_path / "Genesis_Chest_CT.pt", UNet3D(4).state_dict())


def write_official(path: Path, state: dict, prefix: str = "module.") -> Path:
    torch.save({"epoch": 3, "state_dict": {prefix + n: t for n, t in state.items()}, "optimizer_state_dict": {}}, path)
    return path


def test_an_official_file_gives_the_network_whose_outputs_are_recorded(tmp_path: Path):
    phase = read_reference("genesis.json")["a"]["phase"]
    recorded = make(lambda: UNet3D(fidelity="released"), phase).eval()
    network = medssl.load_weights(write_official(tmp_path / "official.pt", recorded.state_dict()))
    assert network.plan.fidelity == "released" and not network.training
    loaded, expected = network.state_dict(), recorded.state_dict()
    assert loaded.keys() == expected.keys() and all(torch.equal(loaded[name], expected[name]) for name in loaded)
    x = torch.rand(2, 1, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network(x), recorded(x))


@pytest.mark.parametrize("prefix", ["module.", ""])
def test_official_files_with_and_without_prefix_match_whole(tmp_path: Path, prefix: str):
    state = {n: t for n, t in UNet3D(4).state_dict().items() if "num_batches" not in n}  # derived buffers may lack
    file, report = inspect_weights(write_official(tmp_path / "a.pt", state, prefix))
    assert report.complete and len(report.matched) == len(state)
    assert file.plan.network["base_width"] == 4 and "non-commercial" in file.plan.licence


def test_conversion_round_trips_and_keeps_the_plan(official: Path, tmp_path: Path):
    converted, back = tmp_path / "genesis.safetensors", tmp_path / "back.pt"
    plan = convert_weights(official, converted)
    export_official(converted, back)
    assert read_plan(converted) == plan and plan.sha256 and plan.provenance["source"] == official.name
    original, returned = open_weights(official).tensors, open_weights(back).tensors
    assert original.keys() == returned.keys()
    assert all(torch.equal(original[name], returned[name]) for name in original)
    assert load_weights(converted).plan.fidelity == "released"


def test_an_export_of_our_own_keeps_its_identity(tmp_path: Path):
    plan = dataclasses.replace(PLAN, modality="MR", normalisation={"kind": "mr-percentile"})
    save_weights(tmp_path / "mr.safetensors", UNet3D(4).state_dict(), plan)
    export_official(tmp_path / "mr.safetensors", tmp_path / "mr.pt")
    found = open_weights(tmp_path / "mr.pt").plan
    assert (found.modality, found.fidelity, found.licence) == ("MR", "paper", "")
    assert found.normalisation == {"kind": "mr-percentile"}


def test_an_empty_file_and_noise_are_called_what_they_are(tmp_path: Path):
    (tmp_path / "empty.pt").touch()
    (tmp_path / "noise.pt").write_bytes(bytes(range(7, 200)) * 9)
    with refused("weights-damaged", names="empty.pt"):
        open_weights(tmp_path / "empty.pt")
    with refused("not-a-weight-file", names="noise.pt"):
        open_weights(tmp_path / "noise.pt")


def test_a_renamed_key_fails_loudly_with_its_name(tmp_path: Path):
    state = UNet3D(4).state_dict()
    state["down_tr64.ops.0.konv1.weight"] = state.pop("down_tr64.ops.0.conv1.weight")
    path = write_official(tmp_path / "renamed.pt", state)
    with refused("weights-incomplete", names="missing down_tr64.ops.0.conv1.weight") as caught:
        load_weights(path)
    assert "konv1" in str(caught.value)
    network = load_weights(path, partial=True)
    assert torch.equal(network.state_dict()["out_tr.final_conv.weight"], state["out_tr.final_conv.weight"])


def test_a_tensor_of_another_shape_is_reported_with_both_shapes(official: Path):
    with refused("weights-incomplete", names="reshaped down_tr64"):
        fill_network(UNet3D(8), open_weights(official))


def test_a_file_that_carries_code_is_refused_and_not_run(tmp_path: Path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    torch.save({"state_dict": {}, "bomb": Bomb()}, tmp_path / "bomb.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Bomb()))
    for name in ("bomb.pt", "plain.pt"):
        with pytest.raises(WeightsError):
            open_weights(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_a_file_of_another_method_is_refused(tmp_path: Path):
    torch.save(
        {"student": {"module.swin_model.patch_embed.proj.weight": torch.zeros(8, 3, 4, 4)}}, tmp_path / "other.pt"
    )
    with refused("layout-unknown", names="swin_model"):
        load_weights(tmp_path / "other.pt")


def test_an_altered_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "m.safetensors"
    save_weights(path, UNet3D(4).state_dict(), PLAN)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    with refused("weights-altered", names="m.safetensors"):
        load_weights(path)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path):
    path = tmp_path / "m.safetensors"
    save_weights(path, UNet3D(4).state_dict(), PLAN)
    whole = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-100])
    with refused("weights-cut", names=["m.safetensors", f"{whole - 100:,} of {whole:,}"]):
        load_weights(path)


def test_a_damaged_official_file_is_refused(official: Path):
    official.write_bytes(official.read_bytes()[:1000])
    with pytest.raises(WeightsError):
        load_weights(official)


def test_a_foreign_safetensors_file_loads_by_its_names(tmp_path: Path):
    state = UNet3D(4).state_dict()
    save_file({name: t.contiguous() for name, t in state.items()}, tmp_path / "plain.safetensors")
    assert inspect_weights(tmp_path / "plain.safetensors")[1].complete


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "m.safetensors"
    save_weights(path, UNet3D(4).state_dict(), PLAN)
    before = path.read_bytes()

    def full(source: object, target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    with refused("disk-full", names="m.safetensors"):
        save_weights(path, UNet3D(4).state_dict(), PLAN)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
    assert load_file(path)


@pytest.mark.parametrize(
    "plan",
    [
        "{",
        "[]",
        "{}",
        json.dumps({"method": "genesis", "network": {}, "of a later version": 1}),
        json.dumps({"method": "genesis", "network": {"base_width": 4}, "version": 99}),
        json.dumps({"method": "genesis", "network": {"depth": 3}}),
        json.dumps({"method": "genesis", "network": {"base_width": 1_000_000}}),
    ],
)
def test_a_plan_that_cannot_be_used_is_told_without_taking_memory(tmp_path: Path, plan: str):
    path = tmp_path / "strange.safetensors"
    save_file({"a": torch.zeros(2)}, path, {"medssl": plan})
    with pytest.raises(WeightsError):
        medssl.load_weights(path)


def test_damaged_bytes_of_a_torch_file_are_told(tmp_path: Path):
    whole, path, rng = tmp_path / "whole.pt", tmp_path / "damaged.pt", random.Random(0)
    torch.save({"state_dict": UNet3D(4).state_dict()}, whole, _use_new_zipfile_serialization=False)
    for _ in range(40):
        data = bytearray(whole.read_bytes())
        for _ in range(3):
            data[rng.randrange(4000)] = rng.randrange(256)
        path.write_bytes(data)
        try:
            open_weights(path)
        except WeightsError:
            continue
