"""Looking into models and training sets. One line registers an inspection; standard library only.

A line's name is the route `/inspect/<name>`, the client's call and the console's verb; its request class says what can be asked.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Inspection:
    """Import strings of the request class and of the handler `(request, context) -> None`, and what it is in one line."""

    request: str
    handler: str
    summary: str


INSPECTIONS = {
    "restore": Inspection(
        "medssl.core.requests:RestoreRequest", "medssl.handlers.restore:restore",
        "Distort a volume and let a model restore it.",
    ),
    "preview": Inspection(
        "medssl.core.requests:PreviewRequest", "medssl.handlers.preview:preview",
        "Crops of a training set and their distortions.",
    ),
    "catalog": Inspection(
        "medssl.core.requests:CatalogRequest", "medssl.handlers.catalog:catalog", "What is in a training set.",
    ),
    "plane": Inspection(
        "medssl.core.requests:PlaneRequest", "medssl.handlers.plane:plane",
        "The 2D image that a view makes of a 3D volume.",
    ),
    "correspond": Inspection(
        "medssl.core.requests:CorrespondRequest", "medssl.handlers.correspond:correspond",
        "Places of equal anatomy in several radiographs.",
    ),
    "similarity": Inspection(
        "medssl.core.requests:SimilarityRequest", "medssl.handlers.similarity:similarity",
        "Where in each radiograph is what lies at a point of one?",
    ),
    "cosegment": Inspection(
        "medssl.core.requests:CosegmentRequest", "medssl.handlers.cosegment:cosegment",
        "Parts of equal anatomy in several radiographs.",
    ),
    "patchmap": Inspection(
        "medssl.core.requests:PatchmapRequest", "medssl.handlers.patchmap:patchmap",
        "A plane in which patches of equal descriptors lie together.",
    ),
    "landmarks": Inspection(
        "medssl.core.requests:LandmarksRequest", "medssl.handlers.landmarks:landmarks",
        "How far from known landmarks do models find them?",
    ),
    "segment": Inspection(
        "medssl.core.requests:SegmentRequest", "medssl.handlers.segment:segment",
        "Segment an image with a fine-tuned model.",
    ),
    "predict": Inspection(
        "medssl.core.requests:PredictRequest", "medssl.handlers.predict:predict",
        "Probabilities of a fine-tuned classifier, a probe or a pretrained Ark.",
    ),
    "retrieve": Inspection(
        "medssl.core.requests:RetrieveRequest", "medssl.handlers.retrieve:retrieve",
        "The most similar images of a set to one image.",
    ),
    "saliency": Inspection(
        "medssl.core.requests:SaliencyRequest", "medssl.handlers.saliency:saliency",
        "Where in a radiograph does a finding's probability come from?",
    ),
}  # fmt: skip
