"""The network of Foundation Ark (Ma et al., MICCAI 2023; Nature 2025): an encoder, a shared projector, a head per dataset."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import isqrt
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from medssl.core.errors import ConfigError
from medssl.networks.network import Network
from medssl.networks.standardisation import standardised
from medssl.networks.swin import Swin, sizes_of
from medssl.networks.teacher import StudentTeacher

PROJECTOR = 1376  # numbers of an embedding
HEADS = ("projector.", "omni_heads.")  # how names of what stands behind the backbone begin
HEAD = re.compile(r"omni_heads\.(\d+)\.weight")
MASK = "layers.0.blocks.1.attn_mask"  # its windows tell the image's size
LARGE = 192  # channels of the first stage of a Swin-L
STAGES = 4  # of a Swin whose file holds no stage at all

_CHEXPERT = (
    "No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation",
    "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices",
)  # fmt: skip
_NIH = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
OFFICIAL_SETS: tuple[
    tuple[str, str, tuple[str, ...]], ...
] = (  # name, kind, classes of the released heads, in their order
    ("mimic-cxr", "multi-label", _CHEXPERT),
    ("chexpert", "multi-label", _CHEXPERT),
    ("chestxray14", "multi-label", _NIH),
    ("rsna-pneumonia", "multi-class", ("Normal", "No Lung Opacity/Not Normal", "Lung Opacity")),
    ("vindr-cxr", "multi-label", ("PE", "Lung tumor", "Pneumonia", "Tuberculosis", "Other diseases", "No finding")),
    ("shenzhen", "binary", ("TB",)),
)


class ArkEncoder(Network):
    """What every Ark has behind its backbone, whichever that is: a projector, and one linear head for each dataset.

    A subclass builds its backbone, calls `add_heads`, and says how features come of images.

    Attributes:
        dimension: numbers of a feature vector.
        architecture: timm's name of a convolutional backbone; "": a Swin.
        cells: of a side of its saliency maps; 0: as many as there are places.
        projector, omni_heads: in the names of the official files.
    """

    answer = "embedding"
    axes = 2
    framing = "whole"  # as the authors train it
    embeddings = ("projector", "encoder")
    architecture: str = ""
    dimension: int
    cells: int = 0
    projector: nn.Linear
    omni_heads: nn.ModuleList

    def add_heads(self, dimension: int, projector: int, sets: Iterable[Mapping[str, Any]]) -> None:
        """A projector from `dimension` to `projector` numbers, and the heads of `sets` (see `checked_sets`).

        Raises:
            ConfigError: two sets of one name, or a set without classes.
        """
        self.dimension, self.sets = dimension, checked_sets(sets)
        self.projector = nn.Linear(dimension, projector)
        self.omni_heads = nn.ModuleList(nn.Linear(projector, len(one["classes"])) for one in self.sets)

    def places(self, x: Tensor) -> Tensor:
        """What is known of each place (N, rows, columns, C) of standardised images, before places exchange anything further."""
        raise NotImplementedError

    def pooled(self, places: Tensor) -> Tensor:
        """The features (N, D) that come of `places`."""
        raise NotImplementedError

    def features(self, x: Tensor) -> Tensor:
        """What the encoder alone knows (N, D) of standardised images (N, 3, side, side)."""
        return self.pooled(self.places(x))

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (N, projector): the projected features."""
        return self.projector(self.features(x))

    def embed(self, x: Tensor, features: str = "") -> Tensor:
        """The same as `forward` (N, projector), or of the encoder alone `features` (N, D)."""
        return self.features(x) if features == "encoder" else self(x)

    def backbone_stages(self) -> list[list[nn.Module]]:
        """Modules of the backbone from the input on; together they hold each of its parameters once."""
        raise NotImplementedError

    def stages(self) -> list[list[nn.Module]]:
        """Modules from the input to the heads, which come last."""
        return [*self.backbone_stages(), [self.projector, *self.omni_heads]]

    def backbone_state(self) -> dict[str, Tensor]:
        """Name -> tensor of all that turns images into features."""
        return {name: tensor for name, tensor in self.state_dict().items() if not name.startswith(HEADS)}

    def class_logits(self, pooled: Tensor, head: int = 0) -> Tensor:
        """Logits (N, classes) of features (N, D), by the head of that number."""
        return self.omni_heads[head](self.projector(pooled))

    def logits(self, embedding: Tensor) -> list[Tensor]:
        """Every head's logits (N, its classes)."""
        return [head(embedding) for head in self.omni_heads]

    def probabilities(self, x: Tensor) -> list[Tensor]:
        """Every head's probabilities (N, its classes), through the head's activation."""
        return [activated(answer, one) for answer, one in zip(self.logits(self(x)), self.sets)]

    def outputs(self, x: Tensor, **inputs: Any) -> dict[str, Any]:
        """`embedding` (N, projector) and `logits`, a list with (N, classes) of every head."""
        embedding = self(x)
        return {"embedding": embedding, "logits": self.logits(embedding)}


class ArkNetwork(ArkEncoder, Swin):
    """Swin, mean over its tokens, projector, one linear head for each dataset. Layer names are the official files'.

    Args:
        width: channels of the first Swin stage.
        patch: pixels of the first patches' sides.
        depths: blocks of each stage.
        heads: attention heads of each stage.
        window: tokens of an attention window's sides.
        cells: last stage's tokens per side of an image: 7 for Swin-B 224, 12 and 24 for Swin-L 384 and 768.
        drop_path: chance that the last block is left out in training.
        projector: numbers of an embedding.
        sets: a dict for each dataset: `name`, `kind` (binary, multi-label, multi-class), `classes`, and `activation`
            (sigmoid, softmax; left out: softmax for multi-class), in the order of the heads.
        fidelity: recorded with the weights; the network is the same in both.

    Attributes:
        side: pixels of an image's sides.
        dimension: channels of a token.

    Raises:
        ConfigError: sizes that do not fit each other, two sets of one name, or a set without classes.
    """

    standard = "imagenet"

    def __init__(
        self,
        width: int = 128,
        patch: int = 4,
        depths: Sequence[int] = (2, 2, 18, 2),
        heads: Sequence[int] = (4, 8, 16, 32),
        window: int = 7,
        cells: int = 7,
        drop_path: float = 0.0,
        projector: int = PROJECTOR,
        sets: Iterable[Mapping[str, Any]] = (),
        fidelity: str = "paper",
    ) -> None:
        side = cells * patch * 2 ** (len(depths) - 1)
        super().__init__(side, patch, width, depths, heads, window, drop_path)
        self.side, self.cells, self.fidelity = side, cells, fidelity
        self.input_size = side, side
        self.add_heads(width * 2 ** (len(depths) - 1), projector, sets)

    @staticmethod
    def standardise(images: Tensor) -> Tensor:
        """Images (N, 1, S, S) in 0…1 as the network takes them (N, 3, S, S)."""
        return standardised(images, ArkNetwork.standard)

    def tokens(self, x: Tensor) -> Tensor:
        """Tokens (N, cells², D) of standardised images (N, 3, side, side), row by row, after the final norm."""
        return Swin.forward(self, x).flatten(1, 2)

    def features(self, x: Tensor) -> Tensor:
        """The mean token (N, D): what the encoder alone knows."""
        return self.tokens(x).mean(dim=1)

    def places(self, x: Tensor) -> Tensor:
        """The patch tokens (N, side/patch, side/patch, width), before any attention."""
        return self.patch_embed(x)

    def pooled(self, places: Tensor) -> Tensor:
        """The mean token (N, D) that all stages make of the patch tokens."""
        return self.from_patches(places).flatten(1, 2).mean(dim=1)

    def backbone(self) -> Swin:
        """The network itself is the Swin."""
        return self

    def backbone_stages(self) -> list[list[nn.Module]]:
        """The Swin's."""
        return Swin.stages(self)

    @staticmethod
    def arguments_of(shapes: dict[str, tuple[int, ...]]) -> dict[str, Any]:
        """Constructor arguments that fit the tensor shapes of a file; heads of the official sizes get the official names.

        The image's size shows in the attention masks, which official files hold; without them the last stage is taken for one
        window: 224 pixels where the window is 7, 384 where it is 12.
        """
        arguments = sizes_of(shapes)
        window, halvings = arguments.get("window", 7), 2 ** (len(arguments.get("depths", range(STAGES))) - 1)
        cells = isqrt(shapes[MASK][0]) * window // halvings if MASK in shapes else window
        sizes = {int(found[1]): shape[0] for name, shape in shapes.items() if (found := HEAD.fullmatch(name))}
        projector = (shapes.get("projector.weight") or (PROJECTOR,))[0]
        sets = named_sets([sizes[n] for n in sorted(sizes)], softmax=arguments["width"] >= LARGE)
        return {**arguments, "cells": cells, "projector": projector, "sets": sets}


def checked_sets(sets: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The heads' descriptions, complete.

    Raises:
        ConfigError: two of one name, one without classes, or a binary one with several.
    """
    found: list[dict[str, Any]] = []
    for one in sets:
        name, kind, classes = one["name"], one["kind"], list(one["classes"])
        if any(other["name"] == name for other in found):
            raise ConfigError(
                f"two sets named {name!r}",
                "would share one head",
                "Give each set a name of its own",
                code="head-repeated",
            )
        if not classes or (kind == "binary" and len(classes) > 1) or (kind == "multi-class" and len(classes) < 2):
            raise ConfigError(
                f"set {name!r}, {kind}, with {len(classes)} classes", "has the wrong number of classes for its kind",
                "Binary sets have one class, multi-class sets two or more", code="number-of-classes",
            )  # fmt: skip
        activation = one.get("activation") or ("softmax" if kind == "multi-class" else "sigmoid")
        found.append({"name": name, "kind": kind, "classes": classes, "activation": activation})
    return found


def named_sets(sizes: Sequence[int], softmax: bool) -> list[dict[str, Any]]:
    """Descriptions of the heads of a foreign file: the official names where the sizes are the official ones.

    Args:
        sizes: classes of each head.
        softmax: whether a multi-class head was trained with cross-entropy; Ark's was trained with binary cross-entropy.
    """
    if list(sizes) == [len(classes) for _, _, classes in OFFICIAL_SETS]:
        described = OFFICIAL_SETS
    else:
        described = tuple(
            (f"head-{n}", "multi-label" if size > 1 else "binary", tuple(f"class-{c}" for c in range(size)))
            for n, size in enumerate(sizes)
        )
    return [
        {
            "name": name, "kind": kind, "classes": list(classes),
            "activation": "softmax" if kind == "multi-class" and softmax else "sigmoid",
        }
        for name, kind, classes in described
    ]  # fmt: skip


def activated(logits: Tensor, described: Mapping[str, Any]) -> Tensor:
    """Probabilities (..., C) of a head's logits."""
    return logits.softmax(dim=-1) if described["activation"] == "softmax" else logits.sigmoid()


class ArkOutputs(NamedTuple):
    """What the loss needs of one micro-batch of one dataset."""

    logits: Tensor  # (N, C), of the visited set's head of the student
    student: Tensor  # (N, projector)
    teacher: Tensor | None  # (N, projector), without gradient; None where it was not asked


class ArkPair(StudentTeacher):
    """Student and teacher; a forward pass goes through one dataset's head alone."""

    student: ArkEncoder
    teacher: ArkEncoder

    def forward(self, seen: Tensor, clean: Tensor | None, number: int, known: bool = False) -> ArkOutputs:
        """Answers to the student's and the teacher's standardised views (N, 3, S, S) of images of set `number`.

        Args:
            seen, clean: the views; clean None: the teacher is not asked.
            number: of the head.
            known: both are features (N, D) of the backbone already.
        """
        teacher = None
        if clean is not None:
            with torch.no_grad():
                teacher = self.teacher.projector(clean) if known else self.teacher(clean)
        student = self.student.projector(seen) if known else self.student(seen)
        return ArkOutputs(self.student.omni_heads[number](student), student, teacher)
