"""Requests of inspections, one dataclass each. Standard library only: Slicer imports this.

A field's description and range stand in its metadata; the option lists of the command line, the OpenAPI document and the
help of `medssl.client.session` show them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medssl.core import request_fields as fields
from medssl.core.protocol import DataSpec, VolumeRef
from medssl.core.request_fields import Request, asked

IMAGES = "Radiographs, or 3D images with a view"
PATCH_MODEL = "Model: a job's id, a weight file that the backend can read, or untrained:PRESET (random weights)"

VOXEL_MODEL = "Model that describes volumes: a job's id or a weight file; untrained:MODEL takes random weights"


@dataclass(frozen=True)
class RestoreRequest(Request):
    """Restoration inspection of one volume with one model.

    Files: original.nrrd, distorted.nrrd, restored.nrrd, error.nrrd. Table: mse, psnr and ssim of each.
    """

    volume: VolumeRef = asked("Volume")
    model: str = asked("Model: a job's id or a weight file that the backend can read")
    distortion: str = asked(
        "Distortion; random draws as in training", "random",
        choices=("random", "none", "shuffle", "bezier", "inpaint", "outpaint"),
    )  # fmt: skip
    strength: float = asked("Share of the published extent (windows, curve, boxes)", 1.0, minimum=0, maximum=1)
    seed: int = fields.seed()
    roi: tuple[tuple[int, int], ...] | None = asked(
        "Box of voxels ((i0, i1), (j0, j1), (k0, k1)), half open; none takes the whole volume", None
    )
    overlap: float = asked("Overlap of neighbouring windows: 0 to below 1", 0.25)
    fidelity: str = fields.fidelity()
    orientation: str = fields.orientation()
    spacing: str = fields.spacing()
    device: str = fields.device()


@dataclass(frozen=True)
class CheckRequest(Request):
    """What is in a training set? Answered in `ResultStatus.info`: volumes, patients, modality, training, validation, notes."""

    data: DataSpec = asked("Training set")
    read_all: bool = asked("All images are read, not a few or their headers alone", False)
    labels: str = asked("Label columns that each part is looked into for, such as Effusion,Edema", "")
    seed: int = asked("Seed of a pretraining, which draws its split: training.seed", 0)


@dataclass(frozen=True)
class PreviewRequest(Request):
    """Crops a method would train on and their distortions, before any training.

    Files: original.nrrd and distorted.nrrd, the crops side by side along i; the table has a row per crop.
    """

    data: DataSpec = asked("Training set")
    method: str = asked("Pretraining method")
    config: dict[str, Any] = asked("Settings of the method, the complete tree or a part of it")
    count: int = asked("Crops wanted", 4, minimum=1, maximum=64)
    seed: int = fields.seed()


@dataclass(frozen=True)
class PlanRequest(Request):
    """How a segmentation would be trained: crop, stages, width and batch, planned from its images and the device.

    Table: what, which. Answered in `ResultStatus.info`: network, plan, fingerprint, text, notes, split.
    """

    data: DataSpec = asked("Training set with label maps")
    task: str = asked("Task")
    config: dict[str, Any] = asked("Settings of the task, the complete tree or a part of it")
    start_from: str = asked("Weights to begin with: a job's id or a file; empty: from scratch", "")
    device: str = fields.device()


@dataclass(frozen=True)
class PlaneRequest(Request):
    """The 2D image that a view makes of a 3D volume, as the radiograph inspections would see it: plane.nrrd."""

    volume: VolumeRef = asked("Volume, with its view")


@dataclass(frozen=True)
class CorrespondRequest(Request):
    """Places of equal anatomy in two or more radiographs; the first is the reference.

    Table: a row per place found: label, image (number), name, x, y, similarity, confidence, mutual, colour. With a search
    radius, info `untrained`: how many of the matches an untrained network puts within a cell of the same place.
    """

    images: tuple[VolumeRef, ...] = asked(IMAGES)
    model: str = asked(PATCH_MODEL)
    count: int = asked("Places wanted", 12, minimum=1)
    search_radius: float = fields.search_radius()
    refine: bool = fields.refine()
    dense: int = fields.dense(1)
    seed: int = fields.seed()
    part: str = fields.part()
    fidelity: str = fields.fidelity()
    device: str = fields.device()


@dataclass(frozen=True)
class SimilarityRequest(Request):
    """Where in every image is what lies at (x, y) of one of them?

    Table: a row per image: image (number), name, x, y, similarity, runner_up_x, runner_up_y, runner_up_similarity, confidence.
    Info: `maps`, a grid of similarities per image; with a search radius `circles`, what was searched in each image (x, y and
    radius in pixels), and `untrained`, the table of an untrained network with the same radius.
    """

    images: tuple[VolumeRef, ...] = asked(IMAGES)
    model: str = asked(PATCH_MODEL)
    x: float = asked("Column of the point in the source image, 0 = centre of the first pixel")
    y: float = asked("Row of the point in the source image")
    source: int = asked("Number of the image that the point lies in, counted from 0", 0)
    search_radius: float = fields.search_radius()
    refine: bool = fields.refine()
    dense: int = fields.dense(2)
    files: bool = asked("Files too: similarity.csv, montage.png and the maps as similarity-N.nrrd", False)
    part: str = fields.part()
    fidelity: str = fields.fidelity()
    device: str = fields.device()


@dataclass(frozen=True)
class WarpRequest(Request):
    """The first radiograph bent onto the second by a thin-plate spline through points of equal anatomy.

    Files: warped.nrrd (the first image on the second's pixels), displacement.nrrd (loads as a transform in Slicer), pairs.csv,
    montage.png. Table: a row per pair of points: x, y, target_x, target_y, confidence, used, residual (percent of the width).
    Info: `pairs`, `used`, `folded` (share of the image), `stiffness`, `residual` and `held_out` (medians, percent of the width),
    `correlation` with the second image and `correlation_before`.
    """

    images: tuple[VolumeRef, ...] = asked(
        "Two radiographs, or 3D images with a view: the first is bent onto the second"
    )
    model: str = asked(f"{PATCH_MODEL}; not needed where points are given", "")
    points: tuple[dict[str, Any], ...] = asked(
        "Pairs of points with x, y (first image), target_x and target_y (second), in pixels; none: found by the model",
        (),
    )
    stiffness: float = asked(
        "Stiffness: 0 goes through every point, the larger the nearer to an affine map; negative: chosen so that the image "
        "hardly folds and points that are left out are met best", -1.0,
    )  # fmt: skip
    least_confidence: float = asked(
        "Confidence below which a match that was found is left out", 0.0, minimum=0, maximum=1
    )
    search_radius: float = fields.search_radius()
    refine: bool = fields.refine()
    dense: int = fields.dense(1)
    seed: int = fields.seed()
    part: str = fields.part()
    fidelity: str = fields.fidelity()
    device: str = fields.device()


@dataclass(frozen=True)
class CosegmentRequest(Request):
    """Parts of equal anatomy in several radiographs, as label maps segmentation-N.nrrd with common labels.

    Table: a row per part: part (label), name, colour, images (how many show it), share_N of each image.
    """

    images: tuple[VolumeRef, ...] = asked(IMAGES)
    model: str = asked(PATCH_MODEL)
    parts: int = asked("Clusters; 0 finds a number by an elbow rule", 0)
    dense: int = fields.dense(2)
    compare_untrained: bool = asked("Beside it what the same network shows before any training", True)
    seed: int = fields.seed()
    part: str = fields.part()
    fidelity: str = fields.fidelity()
    device: str = fields.device()


@dataclass(frozen=True)
class PatchmapRequest(Request):
    """A plane in which patches of equal descriptors lie together.

    Table: a row per patch: image (number), name, row, column, x, y (pixels), u, v (in the plane), colour (by place).
    """

    images: tuple[VolumeRef, ...] = asked(IMAGES)
    model: str = asked(PATCH_MODEL)
    method: str = asked("Projection; umap where umap-learn is installed", "tsne", choices=("tsne", "pca", "umap"))
    dense: int = fields.dense(1)
    perplexity: float = asked("Neighbours that count in t-SNE", 30.0)
    compare_untrained: bool = asked("Beside it what the same network shows before any training", True)
    seed: int = fields.seed()
    part: str = fields.part()
    fidelity: str = fields.fidelity()
    device: str = fields.device()


@dataclass(frozen=True)
class CorrespondVolumesRequest(Request):
    """Where in other CTs or MRs is what lies at points of the first? Without points: places that all of them share.

    Table: a row per point and further volume: label, point (number), volume (number), name, by (model, or untrained for the
    control), r, a, s (RAS mm of the place found), similarity, confidence (how far it stands out), runner_up_r, runner_up_a,
    runner_up_s, runner_up_similarity, way_back (mm from the point to where the place found leads back), source_r, source_a,
    source_s. Files: correspondences.csv; montage.png (not with `map_of`); with `maps` similarity-POINT-VOLUME.nrrd, how alike
    every cell of a volume is.
    """

    volumes: tuple[VolumeRef, ...] = asked("CT or MR volumes; points lie in the first")
    model: str = asked(VOXEL_MODEL)
    points: tuple[tuple[float, ...], ...] = asked("Points of the first volume, R, A, S in mm each", ())
    count: int = asked("Places wanted where no points are given", 12, minimum=1, maximum=256)
    search_radius: float = asked(
        "Search radius in mm around the same relative place of each volume; 0 searches everywhere", 0.0, minimum=0,
        maximum=10_000,
    )  # fmt: skip
    refine: bool = asked(
        "A closer look at the best places of volumes seen in several tiles; else the grid decides", True
    )
    maps: bool = asked("Similarity maps of given points", True)
    map_of: int = asked("The one point whose map is wanted, counted from 0; -1: of all", -1, minimum=-1)
    compare_untrained: bool = asked("Beside it what the same network finds before any training", False)
    seed: int = fields.seed()
    device: str = fields.device()


@dataclass(frozen=True)
class LandmarksRequest(Request):
    """How far from a landmark of one patient does a model find it in another? One or more models, compared.

    Table: a row per model, landmark and group: pairs, patients, then median, within_cell, mean and mean_clipped (distances
    clipped at 30 % of the width), each with _low and _high. Info: `differences`, a row per two models and measure; `verdicts`.
    """

    data: DataSpec = asked("Images")
    models: tuple[str, ...] = asked("Model: a job's id, a weight file or untrained:PRESET")
    landmarks: str = asked("CSV with columns image, landmark, x, y (pixels), on the backend's machine", "")
    points: tuple[dict[str, Any], ...] = asked("Rows of such a table, instead of a file", ())
    compare_untrained: bool = asked("Comparison with the same network before any training", True)
    groups: tuple[str, ...] = asked("Column of the catalogue, e.g. sex: a row for each of its values", ())
    search_radius: float = fields.search_radius()
    refine: bool = fields.refine()
    unit: str = asked("Unit of errors; auto: mm where every image has a spacing, else percent of the image's width",
                      "auto", choices=("auto", "mm", "percent"))  # fmt: skip
    dense: int = fields.dense(2)
    pairs: int = asked("Pairs of images, chosen at random; 0 takes all of different patients", 0, minimum=0)
    seed: int = fields.seed()
    part: str = fields.part()
    fidelity: str = fields.fidelity()
    device: str = fields.device()


@dataclass(frozen=True)
class SegmentRequest(Request):
    """Segment one image with a fine-tuned model: segmentation.nrrd, a label map with the image's geometry.

    Table: a row per class: class, value, colour, voxels, volume_ml (3D), area_cm2 (2D with known spacing).
    Info: `segments`, what each value is called. With `uncertainty` a second file, uncertainty.nrrd, 0 (sure) to 1.
    """

    volume: VolumeRef = asked("Image")
    model: str = asked("Model: a job's id or a weight file of the task segmentation")
    overlap: float = asked("Overlap of neighbouring windows, 0 to 0.9; negative: as in training", -1.0, maximum=0.9)
    mirror: bool = asked(
        "Mirrored images too, averaged (of a volume 8 times as long); of a model that was trained with mirrored images",
        False,
    )
    uncertainty: bool = asked(
        "Uncertainty map too: entropy over the networks of an ensemble; of one network over mirrored images, where it was trained with such",
        False,
    )
    orientation: str = fields.orientation()
    spacing: str = fields.spacing()
    device: str = fields.device()


@dataclass(frozen=True)
class PredictRequest(Request):
    """Probabilities of a fine-tuned classifier, a probe or a pretrained Ark for one or more images.

    Table: a row per image and class: image (number), name, class, probability, low, high, threshold, positive. Of an Ark a
    row per image, head and finding, with the column head; findings that were asked for by name are further rows whose head
    names the heads that were averaged.
    """

    images: tuple[VolumeRef, ...] = asked("Images")
    model: str = asked("Model: a job's id or a weight file of the task classification, of a probe, or an Ark")
    test_time: str = asked("Test-time averaging; empty: as in training", "", choices=("none", "mirror", "ten-crop"))
    heads: tuple[str, ...] = asked("Head of an Ark that answers; none named: all", ())
    findings: tuple[str, ...] = asked('Finding asked of an Ark: "Pleural Effusion", "TB=shenzhen:TB|vindr:TB"', ())
    part: str = asked("Network of an Ark; empty takes the teacher", "", choices=("student", "teacher"))
    orientation: str = fields.orientation()
    spacing: str = fields.spacing()
    device: str = fields.device()


@dataclass(frozen=True)
class RetrieveRequest(Request):
    """The most similar images of a set to one image.

    Table: a row per case: rank, name, patient, path, similarity (cosine, -1...1), distance (Euclidean, of unit vectors), and
    the columns of the set's catalogue. Files: query.png, case-N.png (N = rank, from 1), montage.png. Info: `images` (in the
    index), `added`, `removed`, `skipped`, `index_s`, `query_ms`.
    """

    volume: VolumeRef = asked("Image whose like is looked for")
    data: DataSpec = asked("Images that are searched")
    model: str = asked("Model: a job's id or a weight file, of any model that gives embeddings")
    count: int = asked("Cases wanted", 8, minimum=1, maximum=200)
    features: str = asked("Features of an Ark; other models have encoder features alone", "projector",
                          choices=("projector", "encoder"))  # fmt: skip
    same_patient: bool = asked("Other images of the query's patient count too", False)
    part: str = fields.part()
    device: str = fields.device()


@dataclass(frozen=True)
class SaliencyRequest(Request):
    """Where in an image does a finding's probability come from? saliency.nrrd, 0...1, with the image's geometry.

    Info: `method` and `text` (what made the map, to be shown with it), `probability`, `peak` (log-odds at the map's 1), and with `check`: `similarity`, the
    rank correlation with the map of the same network with random weights, and `passed`.
    """

    volume: VolumeRef = asked("Radiograph, or a 3D image with a view")
    model: str = asked("Model: a job's id or a weight file, of a pretrained Ark or a classifier of radiographs")
    finding: str = asked("Finding: a class of the model; of an Ark a synonym will do")
    head: str = asked("Head of an Ark; empty takes the first that knows the finding", "")
    method: str = asked("Method", "grad-cam", choices=("grad-cam", "occlusion"))
    check: bool = asked("Comparison with the maps of networks with random weights", True)
    part: str = fields.part()
    device: str = fields.device()


@dataclass(frozen=True)
class NextCaseRequest(Request):
    """Which image is worth labelling next? Unlabelled images, ranked by how unsure a model is of each and for how many others it stands.

    Table: a row per candidate, the best first: rank, name, patient, score (0...1), uncertainty (width of the doubtful border, mm),
    represents (share of the other candidates that are nearer to it than to any labelled or chosen case), difference (distance to the nearest labelled or chosen case, in typical distances), found (what the model found, mm3), nearest,
    why (a sentence), path, number (of the image in `data`). File: table.csv. Info: `by` (prediction, embedding or statistics),
    `candidates`, `labelled`, `skipped`.
    """

    data: DataSpec = asked("Images: those without a label map are the candidates, the others count as labelled")
    labelled: tuple[DataSpec, ...] = asked("Further labelled images; none: those that the model's job learnt from", ())
    model: str = asked(
        "Model: a job's id or a weight file, of the task segmentation or any that gives embeddings; empty: none, images "
        "differ by size, intensities and a coarse picture", "",
    )  # fmt: skip
    count: int = asked("Cases wanted; 0: all", 0, minimum=0, maximum=100_000)
    uncertainty: float = asked(
        "Share of the score that is uncertainty, the rest is how well it covers the others", 0.5, minimum=0, maximum=1
    )
    mirror: bool = asked(
        "Mirrored images too, averaged (segmentation models that were trained with mirrored images)", True
    )
    part: str = fields.part()
    device: str = fields.device()
