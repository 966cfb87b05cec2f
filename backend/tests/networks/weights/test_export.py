"""What is exported answers as the model did, and comes back as the model it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from closed_form import fill as closed_form
from downstream import MONAI, NAMES, make_input, make_network, make_plan
from refusals import refused
from scipy import ndimage
from small import SIZES, make_peac, write_pair

from medssl.core.geometry import Geometry
from medssl.core.plan import Plan
from medssl.images.geometry import reorient
from medssl.images.volume import Volume
from medssl.inference.volumes.segmenter import segment_image
from medssl.networks.libraries.monai_segmenter import MonaiSegmenter
from medssl.networks.unet3d import UNet3D
from medssl.networks.weights import export as module
from medssl.networks.weights.bundle_inference import UnitRange, inference, intensity_transform
from medssl.networks.weights.export import FORMATS, describe, export, make_example
from medssl.networks.weights.weight_files import load_weights, open_weights, save_weights

SHALLOW = {"depths": [1, 1]}  # ONNX takes seconds a block
CHEAP = ("unet-classifier", "swin-classifier", "monai-segmenter")


def make(method: str):
    return make_network(method, **(SHALLOW if method.startswith("swin") else {}))


@pytest.mark.parametrize("method", [*CHEAP, "unet-segmenter", "swin-segmenter"])
def test_torchscript_answers_alike_and_carries_the_plan(tmp_path: Path, method: str):
    network = make(method)
    report = export(network, tmp_path / "model.ts", "torchscript")
    assert report.path == tmp_path / "model.ts" and report.difference < 1e-5 and "logits" in report.note
    extra = {"medssl.json": ""}
    scripted = torch.jit.load(tmp_path / "model.ts", _extra_files=extra)
    assert json.loads(extra["medssl.json"])["task"] == network.plan.task
    x = make_input(network, number=3)
    with torch.inference_mode():
        assert torch.allclose(scripted(x), network(x), atol=1e-5)


@pytest.mark.parametrize("method", ["unet-classifier", "swin-classifier"])
def test_onnx_answers_alike(tmp_path: Path, method: str):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="the extra [export] is not installed")
    network = make(method)
    report = export(network, tmp_path / "model.onnx", "onnx")
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["medssl"])["method"] == method
    x = make_input(network, number=5)
    with torch.inference_mode():
        assert np.allclose(session.run(["pred"], {"image": x.numpy()})[0], network(x), atol=1e-4)
    assert report.difference < 1e-4


def test_onnx_without_its_package_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with refused("package-missing", names="medssl[export]"):
        export(make("unet-classifier"), tmp_path / "model.onnx", "onnx")


@pytest.mark.parametrize("method", CHEAP)
def test_a_bundle_is_loaded_by_monai_and_comes_back_whole(tmp_path: Path, method: str):
    network = make(method)
    report = export(network, tmp_path / "model", "bundle")  # which compares what monai.bundle.load gives
    assert report.difference < 1e-5
    for name in ("configs/metadata.json", "configs/inference.json", "models/model.ts", "docs/README.md", "LICENSE"):
        assert (tmp_path / "model" / name).is_file()
    for path in (tmp_path / "model", tmp_path / "model" / "models" / "model.pt"):
        loaded = load_weights(path)
        assert type(loaded) is type(network) and loaded.plan.task == network.plan.task
        assert all(torch.equal(t, network.state_dict()[n]) for n, t in loaded.state_dict().items())


def test_a_bundle_of_volumes_has_the_way_from_file_to_label_map(tmp_path: Path):
    from monai.bundle import ConfigParser

    network = closed_form(make("unet-segmenter"), 0.3)
    export(network, tmp_path / "model", "bundle", check=False)
    parser = ConfigParser()
    parser.read_config(tmp_path / "model" / "configs" / "inference.json")
    parser.read_meta(tmp_path / "model" / "configs" / "metadata.json")
    channels = parser.get("_meta_#network_data_format#outputs#pred#channel_def")
    assert channels == {"0": "background", "1": NAMES[0], "2": NAMES[1]}
    image = torch.randint(-2000, 2000, (1, 24, 16, 16)).float()
    scaled = parser.get_parsed_content("preprocessing#transforms#1")({"image": image})["image"]
    assert torch.allclose(scaled, ((image + 1000) / 2000).clamp(0, 1))
    with torch.inference_mode():
        logits = parser.get_parsed_content("inferer")(scaled[None], network)
        labels = parser.get_parsed_content("postprocessing#transforms#0")({"pred": logits[0]})["pred"]
    assert labels.shape == (1, 24, 16, 16) and torch.equal(labels[0].long(), logits[0].argmax(0))
    assert parser.get("evaluator")["val_data_loader"] == "@dataloader" and parser.get("run") == ["$@evaluator.run()"]


@pytest.mark.parametrize("spacing", [(), (1.5, 1.2, 2.0)])
def test_a_bundle_brings_images_to_the_models_axes_and_back(tmp_path: Path, spacing: tuple[float, ...]):
    from monai.bundle import ConfigParser
    from monai.data import MetaTensor

    network = closed_form(make("unet-segmenter"), 0.3)
    network.plan = replace(network.plan, geometry=Geometry("LPS", spacing, "linear"), input_size=(16, 16, 16))
    report = export(network, tmp_path / "model", "bundle", check=False)
    assert "LPS" in report.note and ("native" in report.note) == (spacing == ())
    noise = np.random.default_rng(0).normal(size=(30, 26, 22))
    smooth = ndimage.gaussian_filter(noise, 4)
    ct = (smooth / np.abs(smooth).max() * 900).astype(np.int16)
    volume = reorient(Volume(ct, [1.0, 1.1, 1.3], [5.0, 6.0, 7.0], modality="CT"), "SRA")
    image = MetaTensor(torch.from_numpy(volume.array.astype(np.float32))[None], affine=torch.tensor(volume.ijk_to_ras))
    parser = ConfigParser()
    parser.read_config(tmp_path / "model" / "configs" / "inference.json")
    parser["preprocessing#transforms"] = parser["preprocessing#transforms"][1:]  # all but reading and writing files
    parser["postprocessing#transforms"] = parser["postprocessing#transforms"][:3]
    item = parser.get_parsed_content("preprocessing")({"image": image})
    with torch.inference_mode():
        item["pred"] = parser.get_parsed_content("inferer")(item["image"][None], network)[0]
    theirs = parser.get_parsed_content("postprocessing")(item)["pred"][0].numpy()
    ours = segment_image(volume, network, overlap=0.25).labels.array
    values = {one["value"]: n for n, one in enumerate(network.plan.task["segments"], start=1)} | {0: 0}
    same = theirs == np.vectorize(values.get)(ours)
    assert theirs.shape == ours.shape and same.mean() > (0.9 if spacing else 0.999) and len(np.unique(ours)) > 1


@pytest.mark.parametrize(("value", "kind"), [(255, "uint8"), (256, "int16")])
def test_a_bundle_writes_label_values_above_a_byte_in_sixteen_bits(value: int, kind: str):
    network = make("unet-segmenter")
    segments = [*network.plan.task["segments"][:1], {"value": value, "name": "Far", "colour": "", "terminology": ""}]
    network.plan = replace(network.plan, task={**network.plan.task, "segments": segments})
    *_, saved = inference(network)["postprocessing"]["transforms"]
    assert saved["_target_"] == "SaveImaged" and saved["output_dtype"] == f"$np.{kind}"


def test_a_bundle_says_how_probabilities_and_decisions_follow_from_its_logits(tmp_path: Path):
    network = make("unet-classifier")
    task = {**network.plan.task, "temperature": {"Effusion": 1.5, "Edema": 0.75}}
    network.plan = replace(network.plan, task=task)
    report = export(network, tmp_path / "model", "bundle", check=False)
    readme = (tmp_path / "model" / "docs" / "README.md").read_text(encoding="utf-8")
    metadata = json.loads((tmp_path / "model" / "configs" / "metadata.json").read_text())
    assert metadata["network_data_format"]["outputs"]["pred"]["type"] == "logits"
    lines = ["Effusion: T = 1.5, threshold 0.25", "Edema: T = 0.75, threshold 0.5", "Mass: T = 1, threshold 0.125"]
    for text in (report.note, readme):
        assert "robability = sigmoid(logit / T)" in text and all(line in text for line in lines)


def test_classes_that_exclude_each_other_share_a_softmax_and_a_temperature():
    network = make("unet-classifier")
    names = network.plan.task["classes"]
    known = {"kind": "multi-class", "thresholds": {}, "temperature": dict.fromkeys(names, 1.25)}
    network.plan = replace(network.plan, task={**network.plan.task, **known})
    assert "Probability = softmax(logits / T), T = 1.25." in describe(network)
    network = make("unet-segmenter")
    network.plan = replace(network.plan, task={**network.plan.task, "calibration": {"temperature": 0.8}})
    assert "Probability = softmax(logits / T) over the channels, T = 0.8." in describe(network)


@pytest.mark.parametrize(
    ("setting", "said"),
    [("postprocessing", "post-processing"), ("largest_component", "largest part"), ("mirror", "mirrored copies")],
)
def test_what_an_exported_network_does_not_do_is_named(setting: str, said: str):
    network = make("unet-segmenter")
    assert said not in describe(network)
    network.plan = replace(network.plan, task={**network.plan.task, setting: [{"step": "largest"}]})
    assert said in describe(network).partition("not part of this: ")[2]


def test_a_dynunet_is_exported_as_monai_names_it(tmp_path: Path):
    from monai.networks.nets.dynunet import DynUNet

    network = make("monai-segmenter")
    export(network, tmp_path / "dynunet.pt", "official")
    theirs = DynUNet(**network.settings)
    state = torch.load(tmp_path / "dynunet.pt", weights_only=True)["state_dict"]
    assert set(state) == set(theirs.state_dict())
    theirs.load_state_dict(state)
    x = make_input(network)
    with torch.inference_mode():
        assert torch.equal(theirs.eval()(x), network(x))
    back = load_weights(tmp_path / "dynunet.pt")
    assert back.plan.task == network.plan.task and open_weights(tmp_path / "dynunet.pt").layout == "official"


@pytest.mark.parametrize("method", ["unet-segmenter", "swin-segmenter"])
def test_official_names_of_a_fine_tuned_model_come_back(tmp_path: Path, method: str):
    network = make(method)
    report = export(network, tmp_path / "model.pt", "official")
    state = torch.load(tmp_path / "model.pt", weights_only=True)["state_dict"]
    assert report.difference == 0 and set(state) == {f"module.{name}" for name in network.state_dict()}
    assert load_weights(tmp_path / "model.pt").plan.task == network.plan.task


def test_a_pretraining_is_exported_from_its_file(tmp_path: Path):
    save_weights(
        tmp_path / "genesis.safetensors", UNet3D(4).state_dict(), Plan("genesis", {"base_width": 4}, "released")
    )
    report = export(tmp_path / "genesis.safetensors", tmp_path / "genesis.ts", "torchscript")
    assert report.difference < 1e-5 and "restored image" in report.note and "divisible by 8" in report.note


def test_official_export_of_a_pair_keeps_the_teacher(tmp_path: Path):
    write_pair(tmp_path / "peac.pth", make_peac(0).state_dict(), make_peac(1).state_dict())
    report = export(tmp_path / "peac.pth", tmp_path / "back.pth", "official")
    assert report.difference == 0 and set(open_weights(tmp_path / "back.pth").parts) == {"student", "teacher"}
    assert "tokens" in report.note and "non-commercial" in report.note


def test_a_file_that_answers_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write, _ = FORMATS["official"]
    monkeypatch.setitem(FORMATS, "official", (write, lambda path: [lambda x: network(x) + 1]))
    network = make("unet-classifier")
    with refused("export-differs", names="model.pt"):
        export(network, tmp_path / "model.pt", "official")


def test_unknown_formats_and_networks_without_plan_are_refused(tmp_path: Path):
    with refused("export-format-unknown", names=["'tflite'", "torchscript, onnx, bundle, official"]):
        export(make("unet-classifier"), tmp_path / "m", "tflite")
    with refused("plan-missing"):
        export(UNet3D(4), tmp_path / "m", "torchscript")


def test_examples_are_of_the_size_that_a_network_was_trained_on_where_only_that_holds():
    pytest.importorskip("einops", reason="MONAI's SwinUNETR needs einops")
    network = MonaiSegmenter("swin_unetr", 2, arguments=MONAI["swin_unetr"])
    plan = make_plan("monai-segmenter", name="swin_unetr", arguments=MONAI["swin_unetr"])
    network.plan = Plan("monai-segmenter", plan.network, input_size=(96, 64))
    assert make_example(network, 3, grown=True).shape == (3, 1, 96, 64) and "(N, 1, 96, 64)" in describe(network)
    network.plan = Plan("monai-segmenter", plan.network, input_size=(90, 64))
    assert make_example(network, 3).shape == (3, 1, 64, 64)


def test_percentiles_of_a_bundle_are_those_of_training():
    transform = intensity_transform(Plan("unet-segmenter", {}, normalisation={"kind": "mr-percentile"}, modality="MR"))
    image = torch.rand(1, 20, 20, 20) * 500
    scaled = UnitRange(**{n: v for n, v in transform["func"].items() if n != "_target_"})(image)
    assert scaled.min() == 0 and scaled.max() == 1
    tissue = image[image >= 25]  # above 5 % of the range
    low, high = (float(np.percentile(tissue, percent)) for percent in (0.5, 99.5))
    assert torch.allclose(scaled, ((image - low) / (high - low)).clamp(0, 1), atol=5e-3)


def test_the_sizes_of_a_small_peac_are_kept(tmp_path: Path):
    network = make_peac().eval()
    network.plan = Plan("peac", {**SIZES}, normalisation={"kind": "cxr"})
    assert make_example(network, 2).shape == (2, 3, 56, 56) and "standardised" in describe(network)
