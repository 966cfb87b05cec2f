"""An ensemble answers with the mean of its members' probabilities, is one file, and is exported as one network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from downstream import make_ensemble, make_input, make_network
from refusals import refused

from medssl.core.plan import read_plan
from medssl.networks.weights.export import export
from medssl.networks.weights.members import member, member_count, together, write_member
from medssl.networks.weights.weight_files import inspect_weights, load_weights, open_weights, save_weights


def saved(network, path: Path) -> Path:
    save_weights(path, network.state_dict(), network.plan)
    return path


@pytest.mark.parametrize("method", ["unet-segmenter", "swin-segmenter", "nnunet-segmenter"])
@torch.inference_mode()
def test_its_probabilities_are_the_mean_of_the_members(method):
    members = [make_network(method, seed) for seed in range(3)]
    whole = make_ensemble(method, 3)
    x = make_input(whole)
    found = whole(x).softmax(1)
    mean = torch.stack([one(x).softmax(1) for one in members]).mean(0)
    torch.testing.assert_close(found, mean, atol=1e-6, rtol=1e-5)
    assert not torch.allclose(found, members[0](x).softmax(1), atol=1e-3)
    images = torch.rand(1, 1, 32, 32)
    if method == "swin-segmenter":
        torch.testing.assert_close(whole.standardise(images), members[0].standardise(images))


def test_it_survives_probabilities_of_nothing():
    whole = make_ensemble()
    x = make_input(whole) * 1e6
    assert whole(x).isfinite().all()


def test_the_file_is_one_model_and_holds_each_member(tmp_path):
    whole = make_ensemble(count=3)
    path = saved(whole, tmp_path / "model.safetensors")
    loaded = load_weights(path)
    x = make_input(loaded)
    with torch.inference_mode():
        assert torch.equal(loaded(x), whole(x))
    assert inspect_weights(path)[1].complete and member_count(read_plan(path)) == 3
    write_member(path, 4, tmp_path / "one.safetensors")  # the second: numbers go round
    one, second = load_weights(tmp_path / "one.safetensors"), make_network("unet-segmenter", 1)
    assert one.plan.method == "unet-segmenter" and one.plan.task == whole.plan.task
    assert all(torch.equal(one.state_dict()[name], tensor) for name, tensor in second.state_dict().items())
    file = open_weights(tmp_path / "one.safetensors")
    assert member(file, 0) is file


def test_members_of_another_kind_are_refused(tmp_path):
    files = [open_weights(saved(make_network("unet-segmenter", n), tmp_path / f"{n}.safetensors")) for n in range(2)]
    for field, other in (("modality", "MR"), ("input_size", (8, 8, 8)), ("normalisation", {"kind": "mr"})):
        odd = replace(files[1], plan=replace(files[1].plan, **{field: other}))
        with refused("members-differ", names=["0.safetensors", "1.safetensors"]):
            together([files[0], odd])
    task = {**files[1].plan.task, "segments": files[1].plan.task["segments"][:1]}
    with refused("members-differ", names="classes"):
        together([files[0], replace(files[1], plan=replace(files[1].plan, task=task))])


@pytest.mark.parametrize("format", ["torchscript", "official", "bundle"])
def test_what_is_exported_answers_as_one(tmp_path, format):
    network = make_ensemble("unet-segmenter", 2)
    network.plan = replace(network.plan, task={**network.plan.task, "postprocessing": [{"step": "largest"}]})
    report = export(network, tmp_path / "exported", format)  # which compares the answers itself
    assert report.difference < 1e-4 and "post-processing" in report.note
