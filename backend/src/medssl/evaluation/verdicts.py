"""What a result says, in one plain sentence: the wording of reports, terminal, HTTP and panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medssl.core.errors import be, counted
from medssl.evaluation.statistics.interval import FEWEST, Interval

TITLES = {
    "auc": "AUC", "average_precision": "average precision", "accuracy": "accuracy", "mcc": "MCC", "f1": "F1",
    "sensitivity": "sensitivity", "specificity": "specificity", "brier": "Brier score", "ece": "calibration error",
    "sensitivity_at_specificity": "sensitivity at fixed specificity", "dice": "Dice", "iou": "IoU",
    "surface_dice": "surface Dice", "hd95": "HD95 (mm)",
}  # fmt: skip
ALIKE = 0.99  # mean cosine of embeddings, above which they hardly tell images apart
UNVARIED = "it is the same whichever patients are drawn, so that there is no interval"
UNDERTRAINED = "Its best validation was the last one: it may be trained too little"


@dataclass(frozen=True)
class Verdict:
    """A sentence, and whether it is good news; None: nothing can be said."""

    text: str
    good: bool | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def with_more(self, *sentences: str) -> Verdict:
        """With further sentences behind it; empty ones are left out."""
        return Verdict(" ".join([self.text, *(f"{text}." for text in sentences if text)]), self.good)


def against_rivals(rows: Sequence[Mapping[str, Any]], higher_is_better: bool = True, who: str = "The model") -> Verdict:
    """Is a model better than every trivial rival? It has to be better than each by the interval of the difference.

    Args:
        rows: of `evaluation.rivals`; one at least.
        who: the model in the sentence.
    """
    metric = TITLES.get(rows[0]["metric"], rows[0]["metric"])
    sign = 1 if higher_is_better else -1
    known = [row for row in rows if row["difference"] is not None]
    if not known:
        return Verdict(
            f"{who} has no {metric} on these test images, so that it cannot be held against trivial rivals.", None
        )
    best = max(known, key=lambda row: sign * row["value"])
    if any(row["difference_low"] is None for row in known) and best["patients"] < FEWEST:
        said = f"{who} has {metric} {best['model']:.3f}, the best trivial rival ({best['rival']}) {best['value']:.3f}"
        return Verdict(f"{said}; that rests on {counted(best['patients'], 'patient')}, too few for an interval.", None)
    nearest = min(known, key=lambda row: _least(row, sign))
    opponent = best if _least(nearest, sign) > 0 or _least(best, sign) <= 0 else nearest
    facts = f"{metric} {opponent['model']:.3f} against {opponent['value']:.3f}{_interval(opponent)}"
    if _least(nearest, sign) > 0:
        return Verdict(f"{who} is better than every trivial rival, the best being {opponent['rival']}: {facts}.", True)
    if _most(opponent, sign) < 0:
        return Verdict(f"{who} is worse than a trivial rival, {opponent['rival']}: {facts}.", False)
    return Verdict(f"{who} is not shown to be better than a trivial rival, {opponent['rival']}: {facts}.", False)


def of_arms(
    where: str, found: Sequence[tuple[str, Sequence[Mapping[str, Any]], Verdict]], higher_is_better: bool = True
) -> Verdict:
    """Which arms of a comparison are better than every trivial rival?

    Args:
        where: the size of the training sets, in words.
        found: of each arm its name, its rows of rivals and its own verdict.
    """
    rows = [row for _, of_arm, _ in found for row in of_arm if row["difference"] is not None]
    if not rows:
        return Verdict(f"With {where}, no arm can be held against trivial rivals.", None)
    best = (max if higher_is_better else min)(rows, key=lambda row: row["value"])
    metric = TITLES.get(best["metric"], best["metric"])
    facts = f"the best of these, {best['rival']}, has {metric} {best['value']:.3f}; " + ", ".join(
        f"{name} {of_arm[0]['model']:.3f}" for name, of_arm, _ in found
    )
    if all(verdict.good is None for *_, verdict in found):
        return Verdict(
            f"With {where}, there are too few test patients to hold arms against trivial rivals: {facts}.", None
        )
    better = [name for name, _, verdict in found if verdict.good]
    if len(better) == len(found):
        return Verdict(f"With {where}, every arm is better than every trivial rival: {facts}.", True)
    if not better:
        return Verdict(f"With {where}, no arm is shown to be better than every trivial rival: {facts}.", False)
    others = [name for name, *_ in found if name not in better]
    said = f"only {' and '.join(better)} {be(len(better))} better than every trivial rival, {' and '.join(others)} not"
    return Verdict(f"With {where}, {said}: {facts}.", None)


def place_not_tested(margin: float, unit: str) -> str:
    """What images that were cropped around their target cannot show."""
    return f"The images are cropped around the target with a margin of {margin:.3g} {unit}: finding the place was not tested"


def of_classification(evaluation: Mapping[str, Any], row: Interval) -> Verdict:
    """Of an evaluation without rivals: is the AUC told apart from chance?

    Args:
        evaluation: of `evaluate_classification`.
        row: interval of the AUC that stands for the whole.
    """
    which = "Mean AUC" if len(evaluation["classes"]) > 1 else "AUC"
    if row.value is None:
        return Verdict("AUC is unknown: there are not both positive and negative images.", None)
    if not row.varies:
        return Verdict(f"{which} {row.value:.3f}: {UNVARIED}.", None)
    if row.low is None or row.high is None:
        return Verdict(f"{which} {row.value:.3f}: too few patients with and without the finding for an interval.", None)
    said = f"{which} {row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
    if row.low > 0.5:
        return Verdict(f"{said}: better than chance.", True)
    return Verdict(f"{said}: {'worse than chance' if row.high < 0.5 else 'not told apart from chance'}.", False)


def of_segmentation(evaluation: Mapping[str, Any], row: Interval) -> Verdict:
    """Of an evaluation without rivals: there is nothing that a Dice is better or worse than.

    Args:
        evaluation: of `evaluate_segmentation`.
        row: interval of the mean Dice.
    """
    if row.value is None:
        return Verdict("Dice is unknown: no image shows anything.", None)
    if row.low is None and row.varies:
        patients = counted(evaluation["patients"], "patient")
        return Verdict(f"Mean Dice {row.value:.3f}: {patients}, too few for an interval.", None)
    said = f"Mean Dice {row.value:.3f}"
    said += f" ({row.low:.3f} to {row.high:.3f})" if row.varies else f": {UNVARIED}"
    one_map = in_one_map(evaluation)
    more = f", with {one_map}" if one_map else ""
    return Verdict(f"{said}{more}; no trivial rival is known here to hold it against.", None)


def in_one_map(evaluation: Mapping[str, Any], name: str = "") -> str:
    """How often only one of the two maps shows a class, and which: "2 missed, 1 found where it is not (of 8)"; "" of never.

    Args:
        evaluation: of `evaluate_segmentation`.
        name: of the class; without it, or of a name that is no class, all together.
    """
    chosen = [name] if name in evaluation["counts"] else list(evaluation["counts"])
    counts = [evaluation["counts"][one] for one in chosen]
    sides = [evaluation["one_map"][one] for one in chosen]
    parts = {side: sum(row[side] for row in sides) for side in ("missed", "found where it is not")}
    parts["in one of the two maps only"] = sum(row["in one"] for row in counts) - sum(parts.values())
    said = ", ".join(f"{count} {side}" for side, count in parts.items() if count)
    return f"{said} (of {sum(row['images'] for row in counts)})" if said else ""


def of_restoration(table: Sequence[Mapping[str, Any]]) -> Verdict:
    """Is what a model restored nearer to the original than what it was given?

    Args:
        table: rows of image (distorted, restored, constant mean) and mse.
    """
    errors = {row["image"]: row["mse"] for row in table}
    restored, distorted, mean = errors["restored"], errors["distorted"], errors["constant mean"]
    if distorted == 0:
        return Verdict(
            f"Nothing was distorted, so that restoring could only do harm: its error is {restored:.4g}.", None
        )
    facts = f"its error is {restored:.4g}, that of the distorted image {distorted:.4g}, of a constant {mean:.4g}"
    if restored >= distorted:
        return Verdict(f"Restoring did worse than doing nothing: {facts}.", False)
    if restored >= mean:
        return Verdict(f"Restoring did better than doing nothing, but not than a constant grey: {facts}.", False)
    return Verdict(f"Restoring did better than doing nothing: {facts}.", True)


def of_embeddings(images: int, cosine: float | None) -> Verdict:
    """Do embeddings tell images apart?

    Args:
        images: how many.
        cosine: mean cosine of two different images; None of a single one.
    """
    if cosine is None:
        return Verdict("One image: whether the model tells images apart cannot be seen.", None)
    said = f"the mean cosine of two of the {counted(images, 'image')} is {cosine:.3f}"
    if cosine > ALIKE:
        return Verdict(
            f"The embeddings hardly tell images apart: {said}; the model has collapsed or learnt too little.", False
        )
    return Verdict(f"The embeddings tell images apart: {said}.", True)


def of_search(found: float, everyone: float, images: int) -> Verdict:
    """How much nearer to the image are the cases found than any of the set?

    Args:
        found: mean cosine similarity of the cases that are shown.
        everyone: of all images of the set.
        images: how many these are.
    """
    said = f"their mean similarity is {found:.3f}, that of all {images} images {everyone:.3f}"
    if everyone > ALIKE:
        return Verdict(
            f"The order of these cases says little, since all of the set are nearly alike to the model: {said}.", False
        )
    return Verdict(
        f"These cases are near to the image as the model sees it: {said}; whether that is medical likeness was not tested.",
        None,
    )


def _least(row: Mapping[str, Any], sign: int) -> float:
    """The end of the interval that is worst for the model; of none, where nothing varies, the difference."""
    low, high = row["difference_low"], row["difference_high"]
    return float(row["difference"]) * sign if low is None else float(low if sign > 0 else -high)


def _most(row: Mapping[str, Any], sign: int) -> float:
    low, high = row["difference_low"], row["difference_high"]
    return float(row["difference"]) * sign if low is None else float(high if sign > 0 else -low)


def _interval(row: Mapping[str, Any]) -> str:
    if row["difference_low"] is None:
        return ""
    return f" ({row['difference']:+.3f}, {row['difference_low']:+.3f} to {row['difference_high']:+.3f})"
