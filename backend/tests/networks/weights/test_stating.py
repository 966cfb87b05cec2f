"""Orientation and spacing stated afterwards: the tensors stay, the new road applies, what is recorded is not lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from closed_form import fill as closed_form
from inspection_fakes import make_ct
from refusals import refused
from typer.testing import CliRunner

from medssl.cli.app import app
from medssl.core.geometry import UNRECORDED, Geometry, parse_spacing, stated_geometry
from medssl.core.plan import Plan, read_plan
from medssl.images.geometry import reorient
from medssl.inference.volumes.segmenter import segment_image
from medssl.networks.downstream.unet_segmenter import UNetSegmenter
from medssl.networks.weights.stating import state_geometry, with_geometry
from medssl.networks.weights.weight_files import inspect_weights, load_weights, save_weights

TASK = {
    "name": "segmentation", "form": "3d",
    "segments": [{"value": 1, "name": "part", "colour": "#ff0000", "terminology": ""}],
}  # fmt: skip


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A model whose file records no geometry, as earlier versions wrote them."""
    torch.manual_seed(0)
    net = closed_form(UNetSegmenter(classes=2, base_width=4), 0.3)
    rule = {"kind": "ct", "low": -1000.0, "high": 1000.0}
    plan = Plan("unet-segmenter", net.arguments, "paper", rule, (16, 16, 8), "CT", TASK)
    save_weights(tmp_path / "old.safetensors", net.state_dict(), plan)
    return tmp_path / "old.safetensors"


def test_after_stating_the_storage_no_longer_matters(old: Path, tmp_path: Path):
    ct, before = make_ct((24, 16, 16)), load_weights(old)
    stored = reorient(ct, "RAS")
    as_stored = segment_image(stored, before)
    assert as_stored.notes[0] == UNRECORDED
    other = segment_image(reorient(ct, "SPR"), before).labels
    assert (reorient(other, "RAS").array != as_stored.labels.array).any()  # what was wrong
    target = tmp_path / "new.safetensors"
    state_geometry(old, target, Geometry("RAS"))
    net = load_weights(target)  # its digest is still right
    assert all(torch.equal(tensor, before.state_dict()[name]) for name, tensor in net.state_dict().items())
    for orientation in ("RAS", "SPR", "LPS", "AIL"):
        found = segment_image(reorient(ct, orientation), net)
        np.testing.assert_array_equal(reorient(found.labels, "RAS").array, as_stored.labels.array)
        assert UNRECORDED not in found.notes
    assert read_plan(old).geometry == Geometry() and read_plan(target).provenance["geometry"] == "stated afterwards"


def test_one_request_can_state_it_without_changing_the_warm_model(old: Path):
    net, ct = load_weights(old), make_ct((24, 16, 16))
    once = with_geometry(net, Geometry("RAS"))
    wanted = segment_image(reorient(ct, "RAS"), net).labels
    found = segment_image(ct, once).labels
    np.testing.assert_array_equal(reorient(found, "RAS").array, wanted.array)
    assert net.plan.geometry == Geometry() and with_geometry(net, Geometry()) is net
    with refused("geometry-recorded", names=["LPS", "RAS"]):
        with_geometry(once, Geometry("LPS"))
    assert with_geometry(once, Geometry("RAS")).plan == once.plan
    fine = with_geometry(net, Geometry("RAS", (1.2503, 1, 2.4545)))
    assert with_geometry(fine, Geometry("RAS", (1.25, 1, 2.45))).plan == fine.plan  # as it is shown
    with refused("geometry-recorded"):
        with_geometry(fine, Geometry("RAS", (1.25, 1, 2.5)))


def test_the_command_writes_in_place_or_beside_and_keeps_what_is_recorded(old: Path, tmp_path: Path):
    run = CliRunner().invoke
    beside = tmp_path / "beside.safetensors"
    assert (
        run(app, ["weights", "state", str(old), str(beside), "--orientation", "ras", "--spacing", "1x1x2"]).exit_code
        == 0
    )
    assert read_plan(beside).geometry == Geometry("RAS", (1, 1, 2)) and read_plan(old).geometry == Geometry()
    assert run(app, ["weights", "state", str(old), "--orientation", "LPS"]).exit_code == 0
    assert read_plan(old).geometry == Geometry("LPS") and inspect_weights(old)[1].complete
    assert run(app, ["weights", "state", str(old), "--orientation", "RAS"]).exit_code != 0
    assert run(app, ["weights", "state", str(old), "--orientation", "RAS", "--again"]).exit_code == 0
    assert read_plan(old).geometry == Geometry("RAS")
    with refused("geometry-recorded", names=["RAS"]):
        state_geometry(old, old, Geometry("LIP"))


def test_a_foreign_file_becomes_a_checkpoint(tmp_path: Path):
    from medssl.networks.unet3d import UNet3D

    torch.save(UNet3D(4).state_dict(), tmp_path / "genesis.pt")
    with refused("weights-not-safetensors", names=["new.pt"]):
        state_geometry(tmp_path / "genesis.pt", tmp_path / "new.pt", Geometry("LPS"))
    with refused("geometry-recorded", names=["LPS"]):  # which official Genesis files state
        state_geometry(tmp_path / "genesis.pt", tmp_path / "new.safetensors", Geometry("RAS", (1, 1, 1)))
    assert not (tmp_path / "new.safetensors").exists()
    plan = state_geometry(tmp_path / "genesis.pt", tmp_path / "new.safetensors", Geometry("RAS", (1, 1, 1)), again=True)
    assert read_plan(tmp_path / "new.safetensors").geometry == plan.geometry == Geometry("RAS", (1, 1, 1))


def test_official_genesis_weights_state_the_frame_of_their_training(tmp_path: Path):
    from medssl.networks.unet3d import UNet3D

    torch.save({"state_dict": UNet3D(4).state_dict()}, tmp_path / "genesis.pt")
    geometry = load_weights(tmp_path / "genesis.pt").plan.geometry
    assert (geometry.orientation, geometry.spacing) == ("LPS", ()) and geometry.coarsest[2] == 2.5


@pytest.mark.parametrize("text", ["1 1 3", "1,1,3", "1x1x3", " 1; 1; 3.0 "])
def test_spacings_as_people_write_them(text: str):
    assert parse_spacing(text) == (1, 1, 3)


def test_a_spacing_belongs_to_an_orientation():
    assert stated_geometry("", "native") == Geometry() and stated_geometry("ras", "1 1 2") == Geometry("RAS", (1, 1, 2))
    with refused("orientation-missing", names=["'1 1 2'"]):
        stated_geometry("", "1 1 2")


def test_one_number_is_all_axes_and_nonsense_is_refused():
    assert parse_spacing("1.5") == (1.5,) * 3 and parse_spacing("native") == parse_spacing("") == ()
    for text in ("1 1", "a", "0 1 1", "-1", "nan", "1 1 1 1", "inf"):
        with refused("spacing-malformed", names=[repr(text)]):
            parse_spacing(text)
