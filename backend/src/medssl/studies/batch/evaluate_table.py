"""An item of a batch that evaluates a table: one that lies there, or the one that an earlier item left."""

from __future__ import annotations

from pathlib import Path

from medssl.core.errors import NotFoundError
from medssl.evaluation.evaluate import evaluate_classification, evaluate_segmentation
from medssl.evaluation.prediction_tables import is_cases, read_cases, read_predictions
from medssl.jobs.store import JobStore
from medssl.reports.evaluation_report import write_evaluation
from medssl.studies.batch.config import LATER, Item
from medssl.studies.batch.progress_table import headline
from medssl.tasks.apply.table_choices import choices_of

TABLES = ("predictions.csv", "cases.csv")


def evaluate_table(item: Item, found: dict[str, str], store: JobStore, folder: Path) -> str:
    """Write the evaluation of `item.predictions` into the folder; the headline.

    Thresholds are those that the job which left the table chose on validation.

    Args:
        found: earlier item -> its job.

    Raises:
        NotFoundError: there is no table. InputError: an unknown group, labels that are missing.
    """
    path = Path(item.predictions)
    if item.predictions.startswith(LATER):
        results = store.folder(found[item.predictions[1:]]) / "results"
        path = next((results / name for name in TABLES if (results / name).is_file()), results / TABLES[0])
    if not path.is_file():
        raise NotFoundError(
            path, "is not there", "Evaluate an item that predicts for labelled images", code="file-not-found"
        )
    if is_cases(path):
        evaluation = evaluate_segmentation(read_cases(path), item.groups)
    else:
        table = read_predictions(path)
        known = choices_of(path, table.names, store.home)
        evaluation = evaluate_classification(table, known.thresholds, item.groups, kind=known.kind)
    write_evaluation(evaluation, folder, item.name)
    return headline(evaluation["headline"])
