from __future__ import annotations

import numpy as np
import pytest
from refusals import refused
from sklearn import metrics as sk
from sklearn.calibration import calibration_curve

from medssl.evaluation.metrics import calibration
from medssl.evaluation.metrics.classification_metrics import ClassificationMetrics, classification_metrics
from medssl.evaluation.metrics.thresholds import choose_threshold, choose_thresholds
from medssl.evaluation.metrics.weighted import METRICS, ScoredClass

NAMES = ["Mass", "Oedema", "Effusion"]


def findings(seed: int, images: int = 80, ties: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Targets and probabilities (N, 3)."""
    rng = np.random.default_rng(seed)
    targets = (rng.random((images, 3)) < 0.35).astype(float)
    scores = 1 / (1 + np.exp(-(1.2 * targets - 0.8 + rng.normal(size=targets.shape))))
    return targets, np.round(scores, 1) if ties else scores


def by_sklearn(truth: np.ndarray, scores: np.ndarray, threshold: float, weights: np.ndarray) -> dict[str, float]:
    called, how = scores >= threshold, {"sample_weight": weights}
    fpr, tpr, _ = sk.roc_curve(truth, scores, drop_intermediate=False, **how)
    return {
        "auc": sk.roc_auc_score(truth, scores, **how),
        "average_precision": sk.average_precision_score(truth, scores, **how),
        "accuracy": sk.accuracy_score(truth, called, **how),
        "mcc": sk.matthews_corrcoef(truth, called, **how),
        "f1": sk.f1_score(truth, called, **how),
        "sensitivity": sk.recall_score(truth, called, **how),
        "specificity": sk.recall_score(truth, called, pos_label=0, **how),
        "sensitivity_at_specificity": max(tpr[fpr <= 0.1 + 1e-9]),
        "brier": np.average((scores - truth) ** 2, weights=weights),
    }


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_equal_to_sklearn_for_any_weights(seed, ties):
    targets, scores = findings(seed, ties=ties)
    draws = np.random.default_rng(seed).integers(0, 4, (5, len(targets))).astype(float)
    metrics = ClassificationMetrics(targets, scores, "multi-label", NAMES, {"Mass": 0.4, "Oedema": 0.55})
    values = metrics(np.concatenate([np.ones((1, len(targets))), draws]))
    for n, weights in enumerate([np.ones(len(targets)), *draws]):
        for c, threshold in enumerate((0.4, 0.55, 0.5)):
            found = dict(zip(METRICS, values[n, c * len(METRICS) :]))
            for name, expected in by_sklearn(targets[:, c], scores[:, c], threshold, weights).items():
                assert found[name] == pytest.approx(expected, abs=1e-12), name


def test_calibration_error_equals_that_of_sklearns_curve():
    targets, scores = findings(0, 400, ties=False)
    observed, stated = calibration_curve(targets[:, 0], scores[:, 0], n_bins=10)
    counts = np.histogram(scores[:, 0], bins=10, range=(0, 1))[0]
    expected = np.average(np.abs(observed - stated), weights=counts[counts > 0])
    found = classification_metrics(targets[:, :1], scores[:, :1], "binary", ["Mass"])["Mass"]
    assert found["ece"] == pytest.approx(float(expected)) == pytest.approx(calibration.ece(targets[:, 0], scores[:, 0]))
    assert found["brier"] == pytest.approx(calibration.brier(targets[:, 0], scores[:, 0]))


def test_multi_class_tables_equal_sklearn():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 120)
    scores = rng.dirichlet(np.ones(3), 120) * 0.5 + 0.5 * np.eye(3)[np.where(rng.random(120) < 0.4, truth, 0)]
    found = classification_metrics(np.eye(3)[truth], scores, "multi-class", NAMES)
    called = scores.argmax(axis=1)
    assert found["mean"]["accuracy"] == pytest.approx(sk.accuracy_score(truth, called))
    assert found["mean"]["mcc"] == pytest.approx(sk.matthews_corrcoef(truth, called))
    assert found["mean"]["f1"] == pytest.approx(sk.f1_score(truth, called, average="macro"))
    assert found["mean"]["auc"] == pytest.approx(sk.roc_auc_score(truth, scores, multi_class="ovr"))
    assert found["Oedema"]["sensitivity"] == pytest.approx(sk.recall_score(truth == 1, called == 1))


def test_unknown_labels_are_left_out():
    targets, scores = findings(1)
    targets[:30, 0] = np.nan
    found = classification_metrics(targets, scores, "multi-label", NAMES)
    assert found["Mass"] == classification_metrics(targets[30:, :1], scores[30:, :1], "binary", ["Mass"])["Mass"]
    assert found["mean"]["auc"] == pytest.approx(np.mean([found[name]["auc"] for name in NAMES]))


def test_a_class_with_one_value_has_no_auc_and_does_not_enter_the_mean():
    targets, scores = findings(2)
    targets[:, 1] = 0
    found = classification_metrics(targets, scores, "multi-label", NAMES)
    assert found["Oedema"]["auc"] is found["Oedema"]["sensitivity"] is found["Oedema"]["mcc"] is None
    assert found["Oedema"]["specificity"] is not None and found["Oedema"]["brier"] is not None
    assert found["mean"]["auc"] == pytest.approx((found["Mass"]["auc"] + found["Effusion"]["auc"]) / 2)


def test_what_is_refused():
    targets, scores = findings(0)
    with refused("not-a-probability", names="1.2"):
        classification_metrics(targets, scores * 3, "multi-label", NAMES)
    with refused("shape-mismatch", names=["(80, 3)", "(80, 2)"]):
        classification_metrics(targets, scores[:, :2], "multi-label", NAMES)
    with refused("label-kind-unknown", names=["'many'", "multi-label"]):
        classification_metrics(targets, scores, "many", NAMES)


@pytest.mark.parametrize("ties", [True, False])
def test_thresholds_against_every_cut(ties):
    targets, scores = findings(3, ties=ties)
    truth, values = targets[:, 0] > 0, scores[:, 0]
    cuts = [2.0, *np.unique(values)]
    reached = [(np.mean(values[truth] >= cut), np.mean(values[~truth] < cut)) for cut in cuts]
    youden = choose_threshold(targets[:, 0], values, "youden")
    assert np.mean(values[truth] >= youden) + np.mean(values[~truth] < youden) == pytest.approx(max(map(sum, reached)))
    f1 = choose_threshold(targets[:, 0], values, "f1")
    assert sk.f1_score(truth, values >= f1) == pytest.approx(max(sk.f1_score(truth, values >= cut) for cut in cuts))
    for asked in (0.0, 0.8, 1.0):
        cut = choose_threshold(targets[:, 0], values, "specificity", asked)
        assert np.mean(values[~truth] < cut) >= asked
        best = max(sensitivity for sensitivity, specificity in reached if specificity >= asked)
        assert np.mean(values[truth] >= cut) == pytest.approx(best)


def test_thresholds_of_odd_targets():
    assert choose_threshold(np.zeros(4), np.linspace(0, 1, 4)) == 0.5
    assert choose_threshold(np.array([0, 1, 1, 0.0]), np.array([1.0, 1, 1, 1]), "specificity", 0.9) > 1
    assert choose_threshold(np.array([0, np.nan, 1.0]), np.array([0.2, 0.5, 0.8])) == pytest.approx(0.5)
    targets, scores = findings(0)
    assert list(choose_thresholds(targets, scores, NAMES)) == NAMES
    with refused("threshold-rule-unknown", names=["'best'", "youden"]):
        choose_threshold(targets[:, 0], scores[:, 0], "best")


def test_temperature_undoes_a_factor():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=4000) * 2
    targets = (rng.random(4000) < 1 / (1 + np.exp(-logits))).astype(float)
    assert calibration.temperature(3 * logits, targets) == pytest.approx(3, rel=0.1)
    several = rng.normal(size=(4000, 3))
    drawn = (several + rng.gumbel(size=several.shape)).argmax(axis=1)
    assert calibration.temperature(several / 2, np.eye(3)[drawn]) == pytest.approx(0.5, rel=0.1)
    assert calibration.temperature(logits, np.ones(4000)) == 1


def test_logits_of_probabilities():
    p = np.array([0.001, 0.3, 0.9])
    assert 1 / (1 + np.exp(-calibration.logits_of(p))) == pytest.approx(p)
    rows = np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])
    again = np.exp(calibration.logits_of(rows))
    assert again / again.sum(axis=1, keepdims=True) == pytest.approx(rows, abs=1e-6)


def test_reliability_counts_every_image_once():
    targets, scores = findings(0, ties=False)
    targets[:5, 0] = np.nan
    bins = calibration.reliability(targets[:, 0], scores[:, 0])
    assert sum(row["images"] for row in bins) == len(targets) - 5
    assert sum(row["images"] * row["positives"] for row in bins) == pytest.approx(np.nansum(targets[:, 0]))


def test_auc_alone_is_the_same():
    targets, scores = findings(4)
    scored = ScoredClass(targets[:, 0] > 0, scores[:, 0], scores[:, 0] > 0.5, 0.9)
    weights = np.random.default_rng(0).integers(0, 3, (7, len(targets))).astype(float)
    assert np.array_equal(scored.auc(weights), scored.metrics(weights)[:, 0])
