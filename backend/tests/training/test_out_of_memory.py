"""Memory that runs out: a step is computed in parts, sees the same samples, and a resume goes on alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from fakes import FakeRun
from loop_toys import codes, plain_network, run_toy, same, state
from refusals import refused

from medssl.core.errors import CancelledError, out_of_memory, translate
from medssl.training.checkpoints import Progress
from medssl.training.shortage import divide
from medssl.training.views import divided, samples


def exhausted() -> None:
    """What torch says when the machine's own memory does not suffice."""
    torch.empty(1 << 55, dtype=torch.uint8)


def on_a_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def in_a_library() -> None:
    raise RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED")


def in_python() -> None:
    raise MemoryError


def above(most: int, fail: Callable[[], None] = exhausted, first_call: int = 0) -> Callable[[int], None]:
    """An allocator that fails above `most` samples, from a call on."""
    calls = []

    def before_loss(count: int) -> None:
        calls.append(count)
        if len(calls) > first_call and count > most:
            fail()

    return before_loss


@pytest.mark.parametrize("fail", [exhausted, on_a_gpu, in_a_library, in_python])
def test_a_step_that_does_not_fit_is_computed_in_parts_with_the_same_result(tmp_path, fail):
    undisturbed, *_ = run_toy(tmp_path / "a", net=plain_network())
    loop, run, method = run_toy(tmp_path / "b", above(4, fail, first_call=2), net=plain_network())
    assert codes(run) == ["out-of-memory"] and run.of("warning")[0]["step"] == 2
    assert "4 of the 8 samples" in run.of("warning")[0]["message"] and loop.progress.parts == 2
    assert method.seen[2] == method.seen[3] == list(range(16, 24)), "the step begins anew with its samples"
    for name, tensor in state(undisturbed).items():
        torch.testing.assert_close(state(loop)[name], tensor, atol=1e-5, rtol=1e-4)


def test_what_the_failed_attempt_changed_is_forgotten(tmp_path):
    failing = above(3)

    def second_part(count: int) -> None:  # the first half of the samples passes, and moves the batch norm
        failing(count)

    loop, run, _ = run_toy(tmp_path / "a", second_part, accumulate=2)
    expected, *_ = run_toy(tmp_path / "b", parts=4, accumulate=2)
    assert loop.progress.parts == 4 and codes(run) == ["out-of-memory"] * 2
    assert same(loop, expected), "running statistics and gradients are those of the repeated step alone"


def test_a_failure_in_the_second_micro_batch_leaves_nothing_of_the_first(tmp_path):
    loop, run, _ = run_toy(tmp_path / "a", above(4, first_call=1), accumulate=2, steps=1, validate_every=1)
    expected, *_ = run_toy(tmp_path / "b", parts=2, accumulate=2, steps=1, validate_every=1)
    assert codes(run) == ["out-of-memory"] and same(loop, expected)


@pytest.mark.parametrize("stop", [4, 5])
def test_resumed_after_a_halved_batch_it_ends_with_the_same_weights(tmp_path, stop):
    uninterrupted, *_ = run_toy(tmp_path / "a", above(4, first_call=1))
    run = FakeRun(tmp_path / "b" / "job", tmp_path / "b" / "home", cancel_at=stop)
    with pytest.raises(CancelledError):
        run_toy(tmp_path / "b", above(4, first_call=1), run=run)
    again = FakeRun(run.folder, run.home, resume=True)
    resumed, *_ = run_toy(
        tmp_path / "b", run=again
    )  # memory would now suffice: the run keeps to its parts all the same
    assert again.of("resumed") and resumed.progress.parts == 2 and codes(again) == []
    assert same(uninterrupted, resumed)


def test_one_sample_that_does_not_fit_is_an_error_with_a_remedy(tmp_path):
    with refused("out-of-memory", names=["one sample", "smaller crop"]):
        run_toy(tmp_path, above(0), batch_size=3)


def test_several_processes_stop_with_a_remedy():
    with refused("out-of-memory", names=["8 samples", "2 processes", "smaller crop"]):
        divide(Progress(), 8, 2, "out of memory")


def test_other_errors_are_left_alone(tmp_path):
    def broken(_count: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        run_toy(tmp_path, broken)


def test_validation_that_does_not_fit_is_measured_in_parts(tmp_path):
    undisturbed, whole, _ = run_toy(tmp_path / "a", net=plain_network())
    loop, run, _ = run_toy(tmp_path / "b", above(4, first_call=6), net=plain_network())
    assert codes(run) == ["out-of-memory"] and loop.progress.parts == 2 and same(loop, undisturbed)
    (found,), (expected,) = run.of("metric"), whole.of("metric")
    assert found["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-5)


def test_a_measurement_that_does_not_fit_loses_nothing(tmp_path):
    def measure(_network) -> dict[str, float]:
        exhausted()
        return {}

    run = FakeRun(tmp_path / "job", tmp_path / "home")
    with refused("out-of-memory", names=["validation images", "resumed"]):
        run_toy(tmp_path, validation=measure, run=run, validate_every=3)
    assert [event["step"] for event in run.of("checkpoint")] == [2, 3]


def test_the_error_of_a_machine_without_memory_is_named():
    with pytest.raises(RuntimeError) as caught:
        exhausted()
    assert out_of_memory(caught.value) and translate(caught.value, "the run").code == "out-of-memory"


def test_views_are_divided_along_their_samples():
    views = {"whole": torch.arange(5), "levels": [torch.arange(10).reshape(5, 2), torch.arange(5)], "set": 3}
    parts = divided(views, 2)
    assert samples(views) == 5 and [share for share, _ in parts] == [0.4, 0.6]
    assert [part["whole"].tolist() for _, part in parts] == [[0, 1], [2, 3, 4]]
    assert [part["levels"][0].shape for _, part in parts] == [(2, 2), (3, 2)] and parts[0][1]["set"] == 3
    assert len(divided(views, 8)) == 5
