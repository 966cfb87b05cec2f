"""A convolutional network from scratch and from a file, through the task, to predictions and embeddings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from refusals import refused
from safetensors.torch import save_file
from task_sets import SMALL, run, task_spec, write_pictures, write_volumes

from medssl.core.plan import read_plan
from medssl.evaluation.prediction_tables import read_predictions
from medssl.images.formats.reading import read_volume
from medssl.inference.classification.predict import predict_images
from medssl.networks.downstream.cnn_classifier import CnnClassifier
from medssl.networks.weights.weight_files import load_weights

LOOP = {**SMALL["classification"]["training"], "batch_size": 4}
CNN = {"network": "cnn", "cnn": "test_efficientnet", "pixels": 64, "training": LOOP}


def test_from_scratch_and_on_from_what_was_learnt(tmp_path: Path):
    data = write_pictures(tmp_path / "data")
    _, job = run(task_spec("classification", data, **CNN), tmp_path / "a")
    model = job.folder / "results" / "model.safetensors"
    assert read_plan(model).network == {"name": "test_efficientnet", "classes": 1, "pixels": 64}
    table, net = read_predictions(job.folder / "results" / "predictions.csv"), load_weights(model)
    found = [one["Bright"][0] for one in predict_images([read_volume(name, "CXR") for name in table.images], net)]
    assert found == pytest.approx(table.probabilities[:, 0].tolist(), abs=1e-5)
    _, more = run(task_spec("classification", data, str(model), pixels=96, training=LOOP), tmp_path / "b")
    assert more.of("transfer")[0]["new"] == 0
    assert read_plan(more.folder / "results" / "model.safetensors").input_size == (96, 96)


def test_a_file_of_timm_whose_layers_are_frozen_stays_as_it_is_but_for_the_head(tmp_path: Path):
    source = CnnClassifier("test_efficientnet", classes=10).network
    save_file(source.state_dict(), tmp_path / "test_efficientnet.safetensors")
    over = {"pixels": 64, "training": LOOP, "transfer": {"freeze": "backbone", "layer_decay": 0.8}, "mixup": 0.2}
    data = write_pictures(tmp_path / "data")
    _, job = run(task_spec("classification", data, str(tmp_path / "test_efficientnet.safetensors"), **over), tmp_path)
    net = load_weights(job.folder / "results" / "model.safetensors")
    assert net.plan.network["standard"] == "imagenet" and net.plan.licence
    for name, tensor in source.state_dict().items():
        if not name.startswith("classifier."):
            torch.testing.assert_close(net.network.state_dict()[name], tensor, msg=name)


def test_volumes_have_no_such_network(tmp_path: Path):
    with refused("network-of-another-form", names="'cnn'"):
        run(task_spec("classification", write_volumes(tmp_path / "data"), **{**CNN, "labels": "sex"}), tmp_path)
