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
        "medssl.core.requests:RestoreRequest", "medssl.inference.volumes.restoration:inspect",
        "Distort a volume and let a model restore it.",
    ),
    "preview": Inspection(
        "medssl.core.requests:PreviewRequest", "medssl.handlers.preview:inspect",
        "Crops of a training set and their distortions.",
    ),
    "catalog": Inspection(
        "medssl.core.requests:CatalogRequest", "medssl.handlers.catalog:inspect", "What is in a training set.",
    ),
    "plane": Inspection(
        "medssl.core.requests:PlaneRequest", "medssl.handlers.plane:inspect",
        "The 2D image that a view makes of a 3D volume.",
    ),
    "correspond": Inspection(
        "medssl.core.requests:CorrespondRequest", "medssl.inspection.anatomy.correspondence:inspect",
        "Places of equal anatomy in several radiographs.",
    ),
    "similarity": Inspection(
        "medssl.core.requests:SimilarityRequest", "medssl.inspection.anatomy.similarity:inspect",
        "Where in each radiograph is what lies at a point of one?",
    ),
    "cosegment": Inspection(
        "medssl.core.requests:CosegmentRequest", "medssl.inspection.anatomy.cosegmentation:inspect",
        "Parts of equal anatomy in several radiographs.",
    ),
    "patchmap": Inspection(
        "medssl.core.requests:PatchmapRequest", "medssl.inspection.anatomy.patchmap:inspect",
        "A plane in which patches of equal descriptors lie together.",
    ),
    "landmarks": Inspection(
        "medssl.core.requests:LandmarksRequest", "medssl.inspection.anatomy.landmarks:inspect",
        "How far from known landmarks do models find them?",
    ),
    "segment": Inspection(
        "medssl.core.requests:SegmentRequest", "medssl.inference.volumes.segmenter:inspect",
        "Segment an image with a fine-tuned model.",
    ),
    "predict": Inspection(
        "medssl.core.requests:PredictRequest", "medssl.inference.classification.predict:inspect",
        "Probabilities of a fine-tuned classifier, a probe or a pretrained Ark.",
    ),
    "retrieve": Inspection(
        "medssl.core.requests:RetrieveRequest", "medssl.inspection.search.case_search:inspect",
        "The most similar images of a set to one image.",
    ),
    "saliency": Inspection(
        "medssl.core.requests:SaliencyRequest", "medssl.inspection.saliency.maps:inspect",
        "Where in a radiograph does a finding's probability come from?",
    ),
}  # fmt: skip
