"""Survey a training set, before anything is trained."""

from __future__ import annotations

from medssl.core.requests import CheckRequest
from medssl.datasets.catalog.catalog import read_catalog
from medssl.datasets.catalog.labels import LabelSpec
from medssl.datasets.spec.check import check_datasets
from medssl.datasets.spec.spec import DatasetSpec
from medssl.handlers.context import Context
from medssl.inspection.training_set.catalog_overview import catalog_overview
from medssl.inspection.training_set.spec_overview import spec_overview
from medssl.reports.figures.contact_sheet import contact_sheet


def check(request: CheckRequest, context: Context) -> None:
    """Answer with a row per image, of dataset specs a row per set; info: see `catalog_overview` and `spec_overview`.

    Raises:
        CatalogError: nothing found, or a set that breaks a rule; images that cannot be read are rows.
    """
    if request.data.sets:
        return _check_specs(request, context)
    context.progress(0.0, "listing the images")
    images = read_catalog(request.data, context.home, channels=True)
    labels = (
        LabelSpec(tuple(one.strip() for one in request.labels.split(",") if one.strip())) if request.labels else None
    )
    table, info = catalog_overview(images, request.data, context.progress, labels, request.read_all, request.seed)
    context.finish([], table, info)


def _check_specs(request: CheckRequest, context: Context) -> None:
    """The same of sets with dataset specs; files sheet-NAME.png show images with their labels.

    Raises:
        CatalogError: no dataset spec (what is wrong with the set itself stands in its report).
    """
    data, files = request.data, []
    dataset_specs = [DatasetSpec.from_dict(one) for one in data.sets]
    checked = check_datasets(dataset_specs, True, False, context.progress, data.validation_fraction, request.read_all)
    for number, one in enumerate(checked):
        if one.dataset is not None:
            context.progress(number / len(checked), f"drawing images of {one.dataset.name}")
            files.append(contact_sheet(one.dataset, context.folder / f"sheet-{one.dataset.name}.png").name)
    table, info = spec_overview(dataset_specs, checked)
    context.finish(list(dict.fromkeys(files)), table, info)
