"""The fields of a dataset spec as the form shows them: title, shape of the value, explanation."""

from __future__ import annotations

from dataclasses import dataclass

from slicer.i18n import tr as _

from medssl.datasets.spec.spec import CHOICES


@dataclass(frozen=True)
class DatasetSpecField:
    """One line of the form; `shape` is text, word, list or mapping (see datasetSpecText), or folder, choice, check, labels."""

    key: str
    title: str
    shape: str
    tip: str
    hint: str = ""  # what stands in the empty line
    choices: tuple[str, ...] = ()


def mainFields() -> list[DatasetSpecField]:
    """What most dataset specs need."""
    json = _("Several of them, or more than a name: as JSON.")
    return [
        DatasetSpecField("name", _("Name"), "text", _("Of the set and of its head: letters, digits, - and _"), "hospital-a"),
        DatasetSpecField("title", _("Title"), "text", _("For people"), _("optional")),
        DatasetSpecField(
            "root", _("Folder"), "folder", _("All paths begin from this folder, on the computer of the backend")
        ),
        DatasetSpecField(
            "tables", _("Tables"), "list",
            _("CSV files, separated by commas; empty where file names say everything. With a key or a split of its own: "
              'as JSON, such as [{"file": "sex.csv", "key": "patient"}]'), _("none: file names say everything"),
        ),
        DatasetSpecField(
            "images", _("Images"), "word",
            _("Where an image is, with columns in braces: images/{Column}; numbered folders as images_*/{Column}; without a "
              'table: images/*.png. Several, the first that fits: as JSON, ["images/{Column}", "images_*/{Column}"]'),
            "{image}",
        ),
        DatasetSpecField(
            "patient", _("Patient"), "word",
            _('A column, or the part of the image\'s path that a pattern finds: {"pattern": "(patient\\\\d+)"}.'), "patient",
        ),
        DatasetSpecField(
            "split", _("Split"), "word",
            _('A column with training, validation and test; {"column": "fold", "test": ["5"]}; or files that list images: '
              '{"test": "test_list.txt"}. Without one, patients are drawn.'), _("as the tables say, else drawn"),
        ),
        DatasetSpecField(
            "kind", _("Labels are"), "choice",
            _("multi-label: any number of findings in an image; multi-class: exactly one of the classes; binary: one finding"),
            choices=CHOICES["kind"],
        ),
        DatasetSpecField(
            "labels", _("Classes"), "labels", _("The classes in the order of the head's outputs, and how each is read")
        ),
        DatasetSpecField(
            "uncertain", _("Uncertain (-1)"), "choice", _("What an uncertain label becomes in training"),
            choices=CHOICES["uncertain"],
        ),
        DatasetSpecField(
            "missing", _("Missing"), "choice", _("What an empty field becomes in training"), choices=CHOICES["missing"]
        ),
        DatasetSpecField(
            "repeated", _("Repeated"), "choice", _("What is done where several rows name one image"),
            choices=CHOICES["repeated"],
        ),
        DatasetSpecField(
            "attributes", _("Attributes"), "mapping",
            _("For subgroups: sex=Sex, age=Patient Age. {json}").format(json=json), "sex=Sex, age=Age",
        ),
    ]  # fmt: skip


def furtherFields() -> list[DatasetSpecField]:
    """What stands folded away."""
    return [
        DatasetSpecField("only", _("Only"), "mapping", _("Rows that are kept: a column and its values"), "View=AP|PA"),
        DatasetSpecField("exclude", _("Leave out"), "mapping", _("Rows that are left out"), "View=LATERAL"),
        DatasetSpecField(
            "inverted",
            _("Inverted"),
            "check",
            _("High values are dark in all images (DICOM files say so themselves)"),
        ),
        DatasetSpecField("modality", _("Modality"), "text", _("What the images are"), "CXR"),
        DatasetSpecField("licence", _("Licence"), "text", _("What the set may be used for"), _("optional")),
        DatasetSpecField("source", _("Source"), "text", _("Where the set comes from"), _("optional")),
        DatasetSpecField("citation", _("Citation"), "text", _("What is to be cited"), _("optional")),
    ]
