"""What is said of a pretraining by its validation."""

from __future__ import annotations

import pytest

from medssl.evaluation.learning import of_pretraining


@pytest.mark.parametrize(
    ("best", "values", "good", "said"),
    [
        (0.02, {"constant_mean_loss": 0.07, "distorted_loss": 0.15}, True, "better than a constant: its loss on"),
        (0.0186, {"constant_mean_loss": 0.0195, "distorted_loss": 0.0897}, False, "learnt little, if anything: its loss on"),
        (0.021, {"constant_mean_loss": 0.0195, "distorted_loss": 0.0897}, False, "no better than a constant"),
        (0.05, {"constant_mean_loss": 0.07, "distorted_loss": 0.04}, False, "worse than leaving images distorted"),
        (3.2, {"constant_mean_loss": 8.5}, True, "is 3.2, that of a constant 8.5"),
        (0.6, {"auc_nih": 0.7, "auc_lungs": 0.62, "student_auc_nih": 0.1}, True, "is 0.660, mean of 2 sets (lowest: lungs, 0.620)"),
        (0.6, {"auc_nih": 0.53}, False, "is 0.530, mean of 1 set; chance gives 0.5. Train it longer"),
    ],
)  # fmt: skip
def test_it_is_held_against_a_constant_or_chance(best: float, values: dict[str, float], good: bool, said: str):
    verdict = of_pretraining(best, values)
    assert verdict is not None and verdict.good is good and said in verdict.text
    assert ("Train it longer" in verdict.text) is not good


def test_nothing_is_said_where_nothing_stands_beside_the_loss():
    assert of_pretraining(0.5, {"validation_loss": 0.5}) is None
