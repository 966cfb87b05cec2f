"""What `configs/inference.json` of a MONAI bundle says of a model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from medssl.core.capabilities import CLASSES, SEGMENT
from medssl.core.plan import Plan
from medssl.images.intensity.config import NormalisationConfig
from medssl.images.intensity.normalise import resolve, window
from medssl.images.intensity.volume_statistics import compute
from medssl.networks import MONAI, NETWORKS, capabilities_of, family_of
from medssl.networks.network import Network

WINDOWS_AT_A_TIME = 4
BYTE = 255  # the largest value of a label map in uint8


def inference(network: Network) -> dict[str, Any]:
    """The configuration: for volumes from file to label map, else the network and its inferer."""
    plan = network.plan
    content: dict[str, Any] = {
        "imports": ["$import glob", "$import numpy as np", "$import torch"],
        "bundle_root": ".",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": network_definition(network),
        "network": "$@network_def.to(@device)",
        "inferer": {"_target_": "SimpleInferer"},
    }
    if SEGMENT not in capabilities_of(plan) or plan.task.get("form") != "3d":
        return content
    return content | {
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": list(plan.task.get("crop") or plan.input_size),
            "sw_batch_size": WINDOWS_AT_A_TIME,
            "overlap": plan.task.get("overlap", 0.25),
            "mode": "gaussian",
        },
        "dataset_dir": "images",
        "output_dir": "$@bundle_root + '/eval'",
        "datalist": "$[{'image': path} for path in sorted(glob.glob(@dataset_dir + '/*.nii.gz'))]",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image", "ensure_channel_first": True, "dtype": "$np.float32"},
                *_geometry(plan),
                intensity_transform(plan),
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1},
        "postprocessing": {"_target_": "Compose", "transforms": _postprocessing(plan)},
        "handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@network"},
            }
        ],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
        },
        "run": ["$@evaluator.run()"],
    }


def _geometry(plan: Plan) -> list[dict[str, Any]]:
    """What brings images to the orientation and spacing of training, as far as the model records them.

    MONAI interpolates by B-splines and does not smooth before it coarsens: nearly what MedSSL does, not the same.
    """
    geometry = plan.geometry
    if not geometry.recorded:
        return []
    turned = {"_target_": "Orientationd", "keys": "image", "axcodes": geometry.orientation}
    mode = 3 if geometry.interpolation == "cubic" else "bilinear"
    spaced = {"_target_": "Spacingd", "keys": "image", "pixdim": list(geometry.spacing), "mode": mode}
    return [turned, spaced] if geometry.spacing else [turned]


def network_definition(network: Network) -> dict[str, Any]:
    """The class and arguments that build an empty network: MONAI's own where there is one."""
    plan = network.plan
    if not is_monais(plan):
        return {"_target_": NETWORKS[plan.method].network.replace(":", "."), **plan.network, "fidelity": plan.fidelity}
    return {"_target_": type(network.network).__name__, **network.settings}  # type: ignore[dict-item]


def is_monais(plan: Plan) -> bool:
    """Whether the class of a bundle's network is MONAI's own, under whose names its weights are written."""
    return family_of(plan) == MONAI


def intensity_transform(plan: Plan) -> dict[str, Any]:
    """A MONAI transform that brings an image's intensities to 0…1; fixed ranges need nothing of MedSSL."""
    config = NormalisationConfig(**plan.normalisation)
    fixed = {"ct": (config.low, config.high), "mr-fixed": (config.fixed_low, config.fixed_high)}
    if config.kind in fixed:
        low, high = fixed[config.kind]
        return {
            "_target_": "ScaleIntensityRanged", "keys": "image", "a_min": low, "a_max": high, "b_min": 0.0, "b_max": 1.0,
            "clip": True,
        }  # fmt: skip
    return {
        "_target_": "Lambdad",
        "keys": "image",
        "func": {
            "_target_": "medssl.networks.weights.bundle_inference.UnitRange",
            "normalisation": plan.normalisation,
            "modality": plan.modality,
        },
    }


class UnitRange:
    """Intensities to 0…1 by an image's own percentiles, as in training.

    Args:
        normalisation: a `NormalisationConfig` as a dict.
        modality: CT, MR or CXR.
    """

    def __init__(self, normalisation: dict[str, Any], modality: str) -> None:
        self.config, self.modality = resolve(NormalisationConfig(**normalisation), modality), modality

    def __call__(self, image: Tensor) -> Tensor:
        """An image of any shape."""
        low, high = window(self.config, compute(torch.as_tensor(image).numpy(), self.modality))
        return ((image - low) / (high - low)).clamp(0.0, 1.0)


def class_channels(plan: Plan) -> dict[str, str]:
    """What each channel of the answer stands for; empty where the model has no classes."""
    segments = [segment["name"] for segment in plan.task.get("segments", ())]
    names = ["background", *segments] if segments else plan.task.get("classes", [])
    return {str(channel): name for channel, name in enumerate(names)}


def probability_rule(plan: Plan) -> str:
    """How the probabilities of the task follow from the logits that the exported network gives; "" where it gives none."""
    able, task = capabilities_of(plan), plan.task
    if SEGMENT in able:
        known = (task.get("calibration") or {}).get("temperature", 1.0)
        return f"probability = softmax(logits / T) over the channels, T = {known:.4g}"
    if CLASSES not in able:
        return ""
    if task.get("kind") == "multi-class":
        common = next(iter(task.get("temperature", {}).values()), 1.0)  # all classes have the same
        return f"probability = softmax(logits / T), T = {common:.4g}"
    return "probability = sigmoid(logit / T), a class being found from its threshold on"


def class_thresholds(plan: Plan) -> list[str]:
    """The temperature and the threshold of each class; of classes that exclude each other there are none."""
    task = plan.task
    if CLASSES not in capabilities_of(plan) or task.get("kind") == "multi-class":
        return []
    known = [(name, task.get("temperature", {}), task.get("thresholds", {})) for name in task["classes"]]
    return [f"{name}: T = {t.get(name, 1.0):.4g}, threshold {of.get(name, 0.5):.4g}" for name, t, of in known]


def _postprocessing(plan: Plan) -> list[dict[str, Any]]:
    values = [segment["value"] for segment in plan.task["segments"]]
    numbers = list(range(1, len(values) + 1))
    mapped = {"_target_": "MapLabelValued", "keys": "pred", "orig_labels": numbers, "target_labels": values}
    back = {
        "_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image", "nearest_interp": False,
        "to_tensor": True,
    }  # fmt: skip
    return [
        *([{"_target_": "Activationsd", "keys": "pred", "softmax": True}, back] if plan.geometry.recorded else []),
        {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
        *([mapped] if values != numbers else []),
        {
            "_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "output_postfix": "seg",
            "output_dtype": "$np.uint8" if max(values) <= BYTE else "$np.int16", "resample": False, "separate_folder": False,
        },
    ]  # fmt: skip
