"""Looking into models and training sets. One line registers an inspection; standard library only.

A line's name is the route `/inspect/<name>` with its OpenAPI schema, the call `medssl.client.api.<name>`, the verb of
`medssl.client.session.Session` and of Slicer's console, and the command `medssl <name>`; the request class has their options.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Inspection:
    """One line of the registry.

    Attributes:
        request: import string of the request class.
        handler: import string of the function `(request, context) -> None` that answers it.
        summary: what it is, in one sentence.
        quick: it takes milliseconds, as while the mouse moves: clients wait for the answer, and few answers are kept.
        command: `medssl <name>` exists; otherwise another verb of the command line does this for many images at once.
    """

    request: str
    handler: str
    summary: str
    quick: bool = False
    command: bool = True


INSPECTIONS = {
    "restore": Inspection(
        "medssl.core.requests:RestoreRequest", "medssl.handlers.restore:restore",
        "Distort a volume and let a model restore it.",
    ),
    "preview": Inspection(
        "medssl.core.requests:PreviewRequest", "medssl.handlers.training_set.preview:preview",
        "Crops of a training set and their distortions.", command=False,
    ),
    "check": Inspection(
        "medssl.core.requests:CheckRequest", "medssl.handlers.training_set.check:check", "What is in a training set.",
        command=False,
    ),
    "plan": Inspection(
        "medssl.core.requests:PlanRequest", "medssl.handlers.training_set.plan:plan", "How a segmentation would be trained.",
        command=False,
    ),
    "plane": Inspection(
        "medssl.core.requests:PlaneRequest", "medssl.handlers.plane:plane",
        "The 2D image that a view makes of a 3D volume.", command=False,
    ),
    "correspond": Inspection(
        "medssl.core.requests:CorrespondRequest", "medssl.handlers.correspond:correspond",
        "Places of equal anatomy in several radiographs.",
    ),
    "similarity": Inspection(
        "medssl.core.requests:SimilarityRequest", "medssl.handlers.similarity:similarity",
        "Where in each radiograph is what lies at a point of one?", quick=True,
    ),
    "warp": Inspection(
        "medssl.core.requests:WarpRequest", "medssl.handlers.warp:warp",
        "Bend one radiograph onto another by points of equal anatomy.",
    ),
    "correspond_volumes": Inspection(
        "medssl.core.requests:CorrespondVolumesRequest", "medssl.handlers.correspond_volumes:correspond_volumes",
        "Where in other CTs or MRs is what lies at points of one?", quick=True, command=False,
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
        "Segment an image with a fine-tuned model.", command=False,
    ),
    "predict": Inspection(
        "medssl.core.requests:PredictRequest", "medssl.handlers.predict:predict",
        "Probabilities of a fine-tuned classifier, a probe or a pretrained Ark.", command=False,
    ),
    "retrieve": Inspection(
        "medssl.core.requests:RetrieveRequest", "medssl.handlers.retrieve:retrieve",
        "The most similar images of a set to one image.",
    ),
    "saliency": Inspection(
        "medssl.core.requests:SaliencyRequest", "medssl.handlers.saliency:saliency",
        "Where in a radiograph does a finding's probability come from?",
    ),
    "next_case": Inspection(
        "medssl.core.requests:NextCaseRequest", "medssl.handlers.labelling.next_case:next_case",
        "Which image is worth labelling next?", command=False,
    ),
}  # fmt: skip
