"""Heads are found by the names of findings: exactly, by synonym, as told; what no head knows is refused with a hint."""

from __future__ import annotations

from refusals import refused

from medssl.inference.classification.findings import SYNONYMS, find_heads, names_of, plain_name, read_findings
from medssl.networks.ark import OFFICIAL_SETS

SETS = [{"name": name, "kind": kind, "classes": list(classes)} for name, kind, classes in OFFICIAL_SETS]
MIMIC, CHEXPERT, NIH, RSNA, VINDR, SHENZHEN = range(6)


def named(members):
    return [(SETS[head]["name"], SETS[head]["classes"][number]) for head, number in members]


def test_one_finding_under_four_names():
    found = named(find_heads(SETS, "pleural effusion"))
    assert found == [
        ("mimic-cxr", "Pleural Effusion"), ("chexpert", "Pleural Effusion"), ("chestxray14", "Effusion"), ("vindr-cxr", "PE"),
    ]  # fmt: skip
    assert find_heads(SETS, "Effusion") == find_heads(SETS, "PE") == find_heads(SETS, "PLEURAL_EFFUSION")
    assert named(find_heads(SETS, "TB")) == [("vindr-cxr", "Tuberculosis"), ("shenzhen", "TB")]
    assert named(find_heads(SETS, "Pleural Thickening")) == [("chestxray14", "Pleural_Thickening")]


def test_neighbours_in_meaning_are_not_mixed():
    assert named(find_heads(SETS, "Nodule")) == [("chestxray14", "Nodule")]
    assert named(find_heads(SETS, "Lung Lesion")) == [("mimic-cxr", "Lung Lesion"), ("chexpert", "Lung Lesion")]
    assert {name for _, name in named(find_heads(SETS, "Lung Opacity"))} == {"Lung Opacity"}
    assert {name for _, name in named(find_heads(SETS, "Pneumonia"))} == {"Pneumonia"}


def test_every_name_belongs_to_one_finding_and_is_its_own_first_name():
    names = [plain_name(name) for canonical, others in SYNONYMS.items() for name in (canonical, *others)]
    assert len(names) == len(set(names))
    assert all(names_of(name)[0] == name for name in names)
    assert names_of("Something else") == ("something else",)


def test_a_head_answers_with_the_given_name_rather_than_a_synonym():
    sets = [{"name": "own", "kind": "multi-label", "classes": ["Pleural Effusion", "Effusion", "effusion left"]}]
    assert find_heads(sets, "Effusion") == [(0, 1)] and find_heads(sets, "Pleural Effusion") == [(0, 0)]
    assert find_heads(sets, "PE") == [(0, 0)]


def test_heads_can_be_told():
    told = read_findings(
        SETS, ["Consumption = shenzhen:TB | VinDr-CXR:tuberculosis", "shenzhen:TB", "Phthisis=shenzhen"]
    )
    assert [one.members for one in told] == [((SHENZHEN, 0), (VINDR, 3)), ((SHENZHEN, 0),), ((SHENZHEN, 0),)]
    assert [one.name for one in told] == ["Consumption", "shenzhen:TB", "Phthisis"] and told[1].finding == "TB"
    assert told[0].text(SETS) == "Consumption: mean of shenzhen (TB) and vindr-cxr (Tuberculosis)"
    assert told[1].text(SETS) == "shenzhen:TB: shenzhen (TB)"
    assert named(find_heads(SETS, "Edema", ["chexpert", "chestxray14"])) == [
        ("chexpert", "Edema"),
        ("chestxray14", "Edema"),
    ]


def test_without_findings_every_class_of_every_head_is_a_column():
    columns = read_findings(SETS)
    assert len(columns) == 52 and len({one.name for one in columns}) == 52
    assert [one.name for one in read_findings(SETS, (), ["RSNA-pneumonia", "shenzhen"])] == [
        "rsna-pneumonia.Normal", "rsna-pneumonia.No Lung Opacity/Not Normal", "rsna-pneumonia.Lung Opacity", "shenzhen.TB",
    ]  # fmt: skip
    assert columns[-1].finding == "TB" and columns[-1].members == ((SHENZHEN, 0),)


def test_what_no_head_knows_is_refused_with_the_nearest_names():
    with refused("finding-unknown", names=["'Emphysem'", "heads: mimic-cxr, chexpert"]) as error:
        find_heads(SETS, "Emphysem")
    assert "Did you mean 'Emphysema'?" in error.value.remedy and "Emphysem=HEAD:CLASS" in error.value.remedy
    with refused("head-unknown", names=["head 'chexpart'", "'chexpert'"]):
        read_findings(SETS, (), ["chexpart"])
    with refused("class-unknown", names=["class 'Oedema' of head 'chexpert'", "'Edema'"]):
        find_heads(SETS, "X=chexpert:Oedema")
    with refused("finding-unknown", names=["'Tuberculosis'", "heads: chexpert"]):
        find_heads(SETS, "Tuberculosis", ["chexpert"])
    with refused("finding-repeated", names="'Edema'"):
        read_findings(SETS, ["Edema", "Edema"])
    with refused("model-unsuitable"):
        read_findings([], ["Edema"])
