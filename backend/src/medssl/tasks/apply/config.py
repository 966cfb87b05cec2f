"""Settings of applying a model to many images. Standard library only: forms, HTTP and headers read it without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from medssl.core.schema import setting


@dataclass(frozen=True)
class ApplyConfig:
    """Applying: label maps or probabilities of a fine-tuned model for all images of a set."""

    output: str = setting("", "Folder (for predictions also a .csv file) of the results; empty: the job's own")
    overlap: float = setting(
        -1.0, "Share of a window that its neighbour sees too; negative: as the model was trained", minimum=-1.0,
        maximum=0.9, advanced=True,
    )  # fmt: skip
    mirror: bool = setting(
        False, "Average segmentations over mirrored images too, of a model that was trained with such", advanced=True
    )
    uncertainty: bool = setting(
        False, "Uncertainty maps of segmentations too, 0 (sure) to 1, in a folder beside the label maps; of a model that is no "
        "ensemble over mirrored images, which takes longer, where it was trained with such", advanced=True,
    )  # fmt: skip
    test_time: str = setting(
        "auto", "What predictions are averaged over; auto: as the model was trained; mirror: of volumes where training mirrored them",
        choices=("auto", "none", "mirror", "ten-crop"), advanced=True,
    )  # fmt: skip
    findings: str = setting(
        "", "Of a pretrained Ark: findings by name, separated by semicolons, each the mean of the heads that know it, or "
        '"TB=shenzhen:TB|vindr-cxr:Tuberculosis"; empty: every class of every head',
    )  # fmt: skip
    heads: str = setting(
        "", "Of a pretrained Ark: the heads that answer, separated by semicolons; empty: all", advanced=True
    )
    part: str = setting(
        "auto", "Where weights hold both; auto: the teacher of an Ark, the student of others",
        choices=("auto", "student", "teacher"), advanced=True,
    )  # fmt: skip
    orientation: str = setting(
        "",
        "Orientation of the model's training images, such as LPS or RAS, where its file does not record it",
        advanced=True,
    )
    spacing: str = setting("native", "Spacing in mm that goes with the orientation: native, or 1 1 3", advanced=True)
    format: str = setting(
        "nii.gz", "Format of label maps; nrrd holds names and colours too", choices=("nii.gz", "nrrd")
    )
    overwrite: bool = setting(False, "Replace what an earlier run left in the output folder")

    PRESETS: ClassVar[dict[str, dict]] = {"default": {}}
