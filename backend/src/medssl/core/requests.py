"""What can be asked of the warm worker, one dataclass per inspection. Standard library only: Slicer imports this."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medssl.core.protocol import DataSpec, VolumeRef


@dataclass(frozen=True)
class RestoreRequest:
    """Restoration inspection of one volume with one model."""

    volume: VolumeRef
    model: str  # a job id, or the path of a weight file the backend can read
    distortion: str = "random"  # random (a training distortion), none, shuffle, bezier, inpaint, outpaint
    strength: float = 1.0  # 0…1: share of the published extent (windows, curve, boxes)
    seed: int = 0
    roi: tuple[tuple[int, int], ...] | None = None  # ((i0, i1), (j0, j1), (k0, k1)), half open; None: all
    overlap: float = 0.25  # of neighbouring windows, 0 ≤ overlap < 1
    fidelity: str = ""  # "" as the file says
    device: str = "auto"


@dataclass(frozen=True)
class CatalogRequest:
    """What is in a training set? Answered in `ResultStatus.info`: volumes, patients, modality, training, validation, notes."""

    data: DataSpec
    read_all: bool = False  # of declared sets every image, not a few


@dataclass(frozen=True)
class PreviewRequest:
    """Cubes a method would train on and their distortions, before any training.

    Files: original.nrrd and distorted.nrrd, the cubes side by side along i; the table has a row per cube.
    """

    data: DataSpec
    method: str
    config: dict[str, Any]
    count: int = 4
    seed: int = 0


@dataclass(frozen=True)
class PlaneRequest:
    """The 2D image that a view makes of a 3D volume, as the radiograph inspections would see it: plane.nrrd."""

    volume: VolumeRef


@dataclass(frozen=True)
class CorrespondRequest:
    """Places of equal anatomy in two or more radiographs; the first is the reference.

    Table: a row per place found: label, image (number), name, x, y, similarity, confidence, mutual, colour.
    """

    images: tuple[VolumeRef, ...]
    model: str  # a job id, a weight file the backend can read, or untrained:PRESET
    count: int = 12  # places wanted
    dense: int = 1  # descriptors along a side of a cell: 1, 2, 4
    seed: int = 0
    part: str = ""  # student, teacher; "": the student
    fidelity: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class SimilarityRequest:
    """Where in every image is what lies at (x, y) of one of them?

    Table: a row per image: image (number), name, x, y, similarity, runner_up_x, runner_up_y, runner_up_similarity, confidence.
    Info: `maps`, a grid of similarities per image.
    """

    images: tuple[VolumeRef, ...]
    model: str
    x: float  # column of the source image, 0 = centre of the first pixel
    y: float  # row
    source: int = 0  # number of the image that x and y belong to
    dense: int = 2
    files: bool = False  # leave similarity.csv, montage.png and the maps as similarity-N.nrrd too
    part: str = ""
    fidelity: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class CosegmentRequest:
    """Parts of equal anatomy in several radiographs, as label maps segmentation-N.nrrd with common labels.

    Table: a row per part: part (label), name, colour, images (how many show it), share_N of each image.
    """

    images: tuple[VolumeRef, ...]
    model: str
    parts: int = 0  # 0: as many as an elbow rule finds
    dense: int = 2
    seed: int = 0
    part: str = ""
    fidelity: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class PatchmapRequest:
    """A plane in which patches of equal descriptors lie together.

    Table: a row per patch: image (number), name, row, column, x, y (pixels), u, v (in the plane), colour (by place).
    """

    images: tuple[VolumeRef, ...]
    model: str
    method: str = "tsne"  # tsne, pca, umap (where installed)
    dense: int = 1
    perplexity: float = 30.0  # tsne: how many neighbours count
    seed: int = 0
    part: str = ""
    fidelity: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class LandmarksRequest:
    """How far from a landmark of one patient does a model find it in another? One or more models, compared.

    Table: a row per model, landmark and group: pairs, patients, mean, low, high, median, within_cell.
    """

    data: DataSpec  # the images
    models: tuple[str, ...]
    landmarks: str = ""  # a CSV with columns image, landmark, x, y, on the backend's machine
    points: tuple[dict[str, Any], ...] = ()  # the same rows, instead of a file
    compare_untrained: bool = True
    groups: tuple[str, ...] = ()  # attribute columns of the catalogue: a row for each value
    unit: str = "auto"  # mm, percent (of the image's width), auto: mm where every image knows its spacing
    dense: int = 2
    pairs: int = 0  # pairs of images that are looked at; 0: all of different patients
    seed: int = 0
    part: str = ""
    fidelity: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class SegmentRequest:
    """Segment one image with a fine-tuned model: segmentation.nrrd, a label map with the image's geometry.

    Table: a row per class: class, value, colour, voxels, volume_ml (3D), area_cm2 (2D with known spacing).
    Info: `segments`, what each value is called.
    """

    volume: VolumeRef
    model: str  # a job id or a weight file of the task segmentation
    overlap: float = -1.0  # of neighbouring windows, 0...0.9; negative: as the model was trained
    mirror: bool = False  # average over mirrored images too
    device: str = "auto"


@dataclass(frozen=True)
class PredictRequest:
    """Probabilities of a fine-tuned classifier, a probe or a pretrained Ark for one or more images.

    Table: a row per image and class: image (number), name, class, probability, low, high, threshold, positive. Of an Ark a
    row per image, head and finding, with the column head; findings that were asked for by name are further rows whose head
    tells which ones were averaged.
    """

    images: tuple[VolumeRef, ...]
    model: str  # a job id or a weight file of the task classification, or of a probe
    test_time: str = ""  # none, mirror, ten-crop; "": as the model was trained
    heads: tuple[str, ...] = ()  # of an Ark: those that answer, by name; (): all
    findings: tuple[
        str, ...
    ] = ()  # of an Ark: "Pleural Effusion", "TB=shenzhen:TB|vindr:Tuberculosis"; (): what heads say
    part: str = ""  # of an Ark: student, teacher; "": the teacher
    device: str = "auto"


@dataclass(frozen=True)
class RetrieveRequest:
    """The most similar images of a set to one image.

    Table: a row per case: rank, name, patient, path, similarity (cosine, -1...1), distance (Euclidean, of unit vectors), and
    the columns of the set's catalogue. Files: query.png, case-N.png (N = rank, from 1), montage.png. Info: `images` (in the
    index), `added`, `removed`, `skipped`, `index_s`, `query_ms`.
    """

    volume: VolumeRef
    data: DataSpec  # the images that are searched
    model: str  # a job id, or a weight file that gives embeddings
    count: int = 8
    features: str = "projector"  # of an Ark: projector (1376 numbers), encoder; other models have encoder alone
    same_patient: bool = False  # whether images of the query's own patient count
    part: str = ""
    device: str = "auto"


@dataclass(frozen=True)
class SaliencyRequest:
    """Where in an image does a finding's probability come from? saliency.nrrd, 0...1, with the image's geometry.

    Info: `method` and `text` (what made the map, to be shown with it), `probability`, and with `check`: `similarity`, the
    rank correlation with the map of the same network with random weights, and `passed`.
    """

    volume: VolumeRef
    model: str  # a pretrained Ark or a fine-tuned classifier of radiographs
    finding: str  # a class of the model
    head: str = ""  # of an Ark: whose; "": the first head that knows the finding
    method: str = "grad-cam"  # grad-cam, occlusion
    check: bool = True
    part: str = ""
    device: str = "auto"
