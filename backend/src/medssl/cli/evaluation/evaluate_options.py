"""Which options of `medssl evaluate` do not count for what is measured; one that was given is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medssl.core.errors import CatalogError
from medssl.core.home import home_folder

OF_PROBABILITIES = ("--validation", "--rule", "--specificity", "--kind")
OF_LABEL_MAPS = ("--catalog", "--classes", "--tolerance")
DEFAULTS = {"--rule": "youden", "--specificity": 0.9, "--kind": "auto", "--tolerance": 1.0, "--part": "auto"}
WITH_MODEL = ("--finding", "--head", "--part", "--split", "--labels")


@dataclass(frozen=True)
class Measured:
    """Something that is measured.

    Attributes:
        about: what it is, as messages say it.
        passed_over: options that do not count for it.
        remedy: what else leads there.
    """

    about: str
    passed_over: tuple[str, ...]
    remedy: str = "Leave it out"


SEVERAL = Measured("tables of several models", (*WITH_MODEL, *OF_PROBABILITIES, *OF_LABEL_MAPS, "--truth", "--images"))
SEGMENTED = Measured(
    "data that a model segments first", (*OF_PROBABILITIES, *OF_LABEL_MAPS[:2], "--truth", "--labels", "--images"),
    "Leave it out: the data name label maps (column mask) and patients, the model its classes. Label maps in a folder: segment the "
    "data, then medssl evaluate FOLDER --truth LABELS",
)  # fmt: skip
CLASSIFIED = Measured(
    "data that a model classifies first", (*OF_LABEL_MAPS, "--truth"),
    "Leave it out: the data name labels (see --labels) and patients",
)  # fmt: skip
FOLDER = Measured("label maps", OF_PROBABILITIES)
CASES = Measured(
    "a table of cases, which are measured already", (*OF_PROBABILITIES, *OF_LABEL_MAPS),
    "Leave it out, or measure the label maps again: medssl evaluate FOLDER --truth LABELS",
)  # fmt: skip
PREDICTIONS = Measured("a table of predictions, which names patients and classes itself", OF_LABEL_MAPS)


def refuse_not_counting(options: Mapping[str, Any], measured: Measured) -> None:
    """Refuse options that were given and would be passed over in silence; one that says the same as the default contradicts nothing.

    Args:
        options: flags and their values.
        measured: what is measured.

    Raises:
        CatalogError: the first of them.
    """
    for name in measured.passed_over:
        if differs(name, value := options[name]):
            said = ", ".join(value) if isinstance(value, list) else value
            rule = f"does not count for {measured.about}"
            raise CatalogError(f"{name} {said}", rule, measured.remedy, code="option-not-counting")
    if options["--rule"] != DEFAULTS["--rule"] and not options["--validation"]:
        rule, remedy = "chooses thresholds on --validation, which is not given", "Add --validation, or leave it out"
        raise CatalogError(f"--rule {options['--rule']}", rule, remedy, code="option-not-counting")


def differs(name: str, value: Any) -> bool:
    """Whether an option says something else than its default."""
    return value not in (None, "", []) and value != DEFAULTS.get(name)


def applied_by(model: str, asked: bool, home: Path | None) -> Measured:
    """What a model leaves to be measured; `asked`: for findings or heads.

    Raises:
        MedSSLError: see `model_path`.
    """
    from medssl.core.capabilities import SEGMENT
    from medssl.core.plan import read_plan
    from medssl.inference.models import model_path
    from medssl.networks import capabilities_of

    path = model_path(home_folder(home), model)
    plan = read_plan(path) if path.suffix == ".safetensors" else None
    segments = plan is not None and SEGMENT in capabilities_of(plan)
    return SEGMENTED if segments and not asked else CLASSIFIED


def measured_in(path: Path, truth: Path | None) -> Measured:
    """What is in a folder or a table.

    Raises:
        NotFoundError, CatalogError: no such file, no table.
    """
    from medssl.evaluation.prediction_tables import is_cases

    if truth or path.is_dir():
        return FOLDER
    return CASES if is_cases(path) else PREDICTIONS
