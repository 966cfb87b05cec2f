"""A new head answers with how common each class is before it has seen anything; a head that knows something is left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from downstream import NNUNET
from task_sets import run, task_spec, write_volumes

from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.layers import LEAST_SHARE, head_names, set_class_prior
from medssl.networks.libraries.nnunet_segmenter import NnunetSegmenter
from medssl.tasks import train_and_test

SHARES = torch.tensor([0.9, 0.1, 0.0])


@pytest.mark.parametrize("kind", ["unet", "resenc"])
def test_every_answer_begins_at_the_shares(kind: str):
    torch.manual_seed(0)
    network = UNetSegmenter(4, 1, 3) if kind == "unet" else NnunetSegmenter("resenc", 3, 1, 3, NNUNET["resenc"])
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    changed = set_class_prior(network, head_names(network), SHARES)
    differ = [name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed and sorted(changed) == sorted(differ)
    for name in changed:
        bias = network.state_dict()[name]
        assert bias.exp().tolist() == pytest.approx([0.9, 0.1, LEAST_SHARE])
    assert set_class_prior(network, [], SHARES) == ()


def test_new_heads_alone_begin_so_and_in_jobs_that_begin_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found: list[tuple[tuple[str, ...], torch.Tensor]] = []

    def watched(network, names, shares):
        found.append((set_class_prior(network, names, shares), shares))
        return found[-1][0]

    monkeypatch.setattr(train_and_test, "set_class_prior", watched)
    spec = task_spec("segmentation", write_volumes(tmp_path / "data"), network="unet3d")
    _, job = run(spec, tmp_path / "new")
    ((names, shares),) = found
    assert names == ("out_tr.final_conv.bias",)
    assert shares.sum() == pytest.approx(1.0) and 0.5 < shares[0] < 0.97 and (shares[1:] > 0.01).all()
    known = task_spec(
        "segmentation", write_volumes(tmp_path / "data"), str(job.folder / "results" / "model.safetensors")
    )
    run(known, tmp_path / "known")
    assert found[1][0] == (), "the head is that of the model"
    run(replace(spec, version=3), tmp_path / "before")
    assert len(found) == 2, "jobs of earlier versions begin as they did"
