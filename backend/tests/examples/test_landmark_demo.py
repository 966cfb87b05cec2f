"""What the demonstrations of patch descriptors say of themselves in their first line."""

from __future__ import annotations

from pathlib import Path

import pytest

from medssl.examples.landmark_demo import UNSEEN, UnseenErrors, errors_in_unseen, judge


def rows(trained: tuple[float, float]) -> list[UnseenErrors]:
    """Mean and median of the trained network, beside rivals of 30 and 25, 100 and 90 mm."""
    return [
        UnseenErrors("trained", *trained, 0.3),
        UnseenErrors("same coordinates", 30.0, 25.0, 0.2),
        UnseenErrors("untrained", 100.0, 90.0, 0.1),
    ]


@pytest.mark.parametrize(
    ("trained", "begins", "better"),
    [
        ((20.0, 12.0), "Better than the untrained network and answering with the same image coordinates: ", True),
        ((31.0, 12.0), "Not better than answering with the same image coordinates: ", None),  # in the median alone
        ((29.0, 26.0), "Not better than answering with the same image coordinates: ", None),
        ((120.0, 80.0), "Not better than the untrained network or answering with the same image coordinates: ", False),
    ],
)
def test_the_first_line_says_what_is_beaten(trained: tuple[float, float], begins: str, better: bool | None):
    verdict, found = judge(rows(trained))
    assert verdict.startswith(begins) and found is better
    mean, median = trained
    assert f"{median:.0f} mm off in the median ({mean:.0f} on average)" in verdict and "25 (30)" in verdict


def test_errors_are_those_of_the_unseen_patient(tmp_path: Path):
    lines = ["model,target_patient,error,cells"]
    lines += [f"job,{UNSEEN},{error},{error / 10}" for error in (5, 10, 30)] + ["job,patient-1,1,0.1"]
    lines += [f"untrained,{UNSEEN},50,5"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines) + "\n")
    trained, untrained = errors_in_unseen(tmp_path / "pairs.csv", "job")
    assert trained == UnseenErrors("trained", 15.0, 10.0, pytest.approx(2 / 3)) and untrained.mean == 50.0
