"""Networks and weight files. One line registers the network of a method or of a task, under the name that `Plan.method` has."""

from __future__ import annotations

from dataclasses import dataclass

from medssl.core.capabilities import CLASSES, EMBED, EXPLAIN, HEADS, PATCHES, RESTORE, SEGMENT, VOXELS
from medssl.core.plan import Plan

UNET, SWIN, CNN, MONAI, NNUNET = (
    "unet3d",
    "swin",
    "cnn",
    "monai",
    "nnunet",
)  # families: weights go from one network of a family to another
ENSEMBLE = "ensemble-segmenter"  # the name of several networks as one; its file holds them all


@dataclass(frozen=True)
class NetworkEntry:
    """One line of the registry.

    Attributes:
        network: import string of the class, a `medssl.networks.network.Network`; it is built from `Plan.network`.
        family: whose backbone it has; "": its own.
        can: what its models can be asked for, without what a task adds (see `capabilities_of`).
    """

    network: str
    family: str = ""
    can: tuple[str, ...] = ()


NETWORKS = {
    "genesis": NetworkEntry("medssl.networks.unet3d:UNet3D", UNET, (RESTORE, EMBED)),
    "peac": NetworkEntry("medssl.networks.peac:PeacNetwork", SWIN, (PATCHES, EMBED)),
    "anatomy": NetworkEntry("medssl.networks.patch_swin:PatchSwin", SWIN, (PATCHES, EMBED)),
    "anatomy3d": NetworkEntry("medssl.networks.dense3d:DenseUNet", UNET, (VOXELS, EMBED)),
    "ark": NetworkEntry("medssl.networks.ark:ArkNetwork", SWIN, (EMBED, HEADS, EXPLAIN)),
    "ark-cnn": NetworkEntry("medssl.networks.ark_cnn:ArkCnn", CNN, (EMBED, HEADS, EXPLAIN)),
    "unet-segmenter": NetworkEntry("medssl.networks.downstream.unet_segmenter:UNetSegmenter", UNET, (EMBED,)),
    "unet-classifier": NetworkEntry("medssl.networks.downstream.unet_classifier:UNetClassifier", UNET, (EMBED,)),
    "swin-classifier": NetworkEntry(
        "medssl.networks.downstream.swin_classifier:SwinClassifier", SWIN, (EMBED, EXPLAIN)
    ),
    "cnn-classifier": NetworkEntry("medssl.networks.downstream.cnn_classifier:CnnClassifier", CNN, (EMBED,)),
    "swin-segmenter": NetworkEntry("medssl.networks.downstream.swin_segmenter:SwinSegmenter", SWIN, (EMBED,)),
    "monai-segmenter": NetworkEntry("medssl.networks.libraries.monai_segmenter:MonaiSegmenter", MONAI),
    "nnunet-segmenter": NetworkEntry("medssl.networks.libraries.nnunet_segmenter:NnunetSegmenter", NNUNET),
    ENSEMBLE: NetworkEntry("medssl.networks.ensemble:Ensemble"),
}
LAYOUTS = {  # of weight files that others wrote, asked in this order: see `networks.weights.layouts.recognised.Layout`
    "plain Swin": "medssl.networks.weights.layouts.swin:recognise",
    "MONAI": "medssl.networks.weights.layouts.monai:recognise",
    "nnU-Net and nnssl": "medssl.networks.weights.layouts.nnunet:recognise",
    "official Genesis, PEAC and Ark": "medssl.networks.weights.layouts.official:recognise",
    "convolutional networks of timm": "medssl.networks.weights.layouts.cnn:recognise",
}
ANSWERS = {"segments": SEGMENT, "classes": CLASSES}  # what a fine-tuned model or a probe names in `Plan.task`


def capabilities_of(plan: Plan) -> tuple[str, ...]:
    """What the model of a plan can be asked for: what its network can, and what it was fine-tuned or probed for.

    One of several channels only the latter: embeddings and the like are asked of one image.
    """
    own = NETWORKS[plan.method].can if plan.method in NETWORKS and len(plan.channels) == 1 else ()
    return (*own, *(word for named, word in ANSWERS.items() if plan.task.get(named)))


def family_of(plan: Plan) -> str:
    """The family of a plan's network; "" where it has none, or is not known here."""
    return NETWORKS[plan.method].family if plan.method in NETWORKS else ""
