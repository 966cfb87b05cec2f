"""Requests about several radiographs leave tables, label maps and pictures; what cannot be compared is refused."""

from __future__ import annotations

import csv
from importlib.util import find_spec

import numpy as np
import pytest
from asking import ask
from body_fakes import BrightnessNetwork, body, truth
from radiograph_fakes import CELL, SIDE, CellNetwork, RadiographContext, radiograph, references, shifted
from refusals import refused

from medssl.client.session import similarity_maps
from medssl.core.protocol import ResultStatus
from medssl.images.formats.reading import read_volume
from medssl.inference.patch_grid import embed_patches


def test_correspond_leaves_a_table_and_a_picture(tmp_path):
    image = radiograph(name="Müller, A.")
    context = RadiographContext(tmp_path, [image, shifted(image, 0, 3 * CELL), radiograph(7)])
    ask("correspond", {"images": references(3), "model": "m", "count": 5}, context)
    found = context.found
    assert found.files == ["correspondences.csv", "montage.png"]
    assert all((context.folder / name).stat().st_size > 0 for name in found.files)
    assert found.info["names"] == ["Müller, A.", "shifted", "noise 7"] and found.info["found"] == 5
    with (context.folder / "correspondences.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(found.table)
    by_label = {}
    for row in found.table:
        by_label.setdefault(row["label"], []).append(row)
        assert 0 <= row["confidence"] <= 1
    assert all(rows[0]["image"] == 0 and len({row["colour"] for row in rows}) == 1 for rows in by_label.values())


def test_a_search_radius_brings_the_untrained_network_along(tmp_path):
    image = radiograph()
    images = [image, shifted(image, CELL, 0)]
    context = RadiographContext(tmp_path, images)
    asked = {"images": references(2), "model": "m", "search_radius": 10.0, "refine": True}
    ask("correspond", {**asked, "count": 4}, context)
    beside = context.found.info["untrained"]
    assert beside["within_cell"] == beside["matches"] == len(context.found.table) // 2, "this context has one network"
    assert any("untrained network" in note for note in context.found.info["notes"])
    ask("similarity", {**asked, "x": 60.0, "y": 70.0, "files": True}, context)
    (here, there), circles = context.found.table, context.found.info["circles"]
    assert (there["x"], there["y"]) == pytest.approx((60 + CELL, 70), abs=CELL / 10)
    assert context.found.info["untrained"] == [here, there]
    assert [(one["x"], one["y"], one["radius"]) for one in circles] == [pytest.approx((60, 70, 0.1 * SIDE))] * 2
    ask(
        "similarity",
        {"images": references(2), "model": "untrained:laptop", "x": 6, "y": 7, "search_radius": 5},
        context,
    )
    assert "untrained" not in context.found.info, "there is nothing to hold beside itself"


def test_correspond_notes_fewer_places_than_wanted(tmp_path):
    context = RadiographContext(tmp_path, [radiograph(1), radiograph(2)])
    ask("correspond", {"images": references(2), "model": "m", "count": 1000}, context)
    assert context.found.info["found"] < 1000 and any("of 1000 wanted" in note for note in context.found.info["notes"])


def test_the_same_image_twice_is_allowed(tmp_path):
    context = RadiographContext(tmp_path, [radiograph()])
    ask("correspond", {"images": references(1) * 2, "model": "m", "count": 3}, context)
    assert all(row["similarity"] == pytest.approx(1, abs=1e-5) for row in context.found.table)


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        ({"images": references(1)}, "too-few-images", "1 image"),
        ({"count": 0}, "setting-out-of-range", "count = 0"),
        ({"dense": 3}, "setting-not-a-choice", "dense = 3"),
        ({"search_radius": 101}, "setting-out-of-range", "search_radius"),
        ({"colour": 1}, "field-unknown", "colour"),
    ],
)
def test_correspond_refuses(tmp_path, change, code, names):
    context = RadiographContext(tmp_path, [radiograph(1), radiograph(2)])
    with refused(code, names):
        ask("correspond", {"images": references(2), "model": "m", **change}, context)


def test_a_volume_without_a_view_and_an_empty_image_are_refused(tmp_path):
    deep = radiograph(1).with_array(radiograph(1).array)
    deep = type(deep)(np.stack([deep.array] * 3, axis=2), modality="CT", name="ct")
    flat = radiograph(1).with_array(np.full_like(radiograph(1).array, 7))
    for number, (image, code) in enumerate(((deep, "not-2d"), (flat, "image-constant"))):
        (tmp_path / str(number)).mkdir()
        context = RadiographContext(tmp_path / str(number), [radiograph(2), image])
        with refused(code):
            ask("correspond", {"images": references(2), "model": "m"}, context)


def test_a_model_of_another_method_is_refused(tmp_path):
    context = RadiographContext(tmp_path, [radiograph(1), radiograph(2)], CellNetwork("genesis"))
    with refused("model-unsuitable", names="genesis"):
        ask("correspond", {"images": references(2), "model": "m"}, context)


def test_similarity_writes_nothing_unless_asked(tmp_path):
    image = radiograph()
    context = RadiographContext(tmp_path, [image, shifted(image, CELL, 0)])
    request = {"images": references(2), "model": "m", "x": 49.5, "y": 61.5}
    ask("similarity", request, context)
    found = context.found
    assert found.files == [] and list(context.folder.iterdir()) == []
    assert [row["image"] for row in found.table] == [0, 1]
    assert found.table[1]["x"] - found.table[0]["x"] == pytest.approx(CELL, abs=0.5)
    maps = similarity_maps(ResultStatus("r", "similarity", "finished", info=found.info))
    assert maps[1].shape == (38, 38) and maps[1].max() <= 1.00001
    assert found.info["maps"][0]["step"] == pytest.approx((CELL / 2, CELL / 2))


def test_a_point_on_a_border_is_noted(tmp_path):
    array = radiograph().array.copy()
    array[:30] = 0
    context = RadiographContext(tmp_path, [radiograph().with_array(array), radiograph(1)])
    ask("similarity", {"images": references(2), "model": "m", "x": 10.0, "y": 60.0}, context)
    assert any("lies on a border" in note for note in context.found.info["notes"])
    assert [row["confidence"] for row in context.found.table] == [0, 0]


def test_similarity_maps_lie_where_the_image_lies(tmp_path):
    image = radiograph(shape=(2 * SIDE, SIDE))
    context = RadiographContext(tmp_path, [image])
    ask("similarity", {"images": references(1), "model": "m", "x": 101.5, "y": 41.5, "files": True}, context)
    heat = read_volume(context.folder / "similarity-0.nrrd")
    assert heat.shape == (76, 38) and heat.spacing[:2] == pytest.approx([CELL / 2] * 2)
    assert heat.origin[:2] == pytest.approx([CELL / 4 - 0.5] * 2)
    best = np.unravel_index(heat.array.argmax(), heat.shape)
    assert heat.origin[:2] + np.array(best) * heat.spacing[:2] == pytest.approx([101.5, 41.5])
    assert (context.folder / "montage.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        ({"x": 152.0}, "point-outside", "(152, 60)"),
        ({"y": -0.6}, "point-outside", ""),
        ({"x": float("nan")}, "point-outside", ""),
        ({"source": 2}, "image-number-unknown", "source = 2"),
        ({"source": -1}, "image-number-unknown", "source = -1"),
        ({"images": []}, "too-few-images", "0 images"),
    ],
)
def test_similarity_refuses(tmp_path, change, code, names):
    context = RadiographContext(tmp_path, [radiograph(1), radiograph(2)])
    with refused(code, names):
        ask("similarity", {"images": references(2), "model": "m", "x": 50.0, "y": 60.0, **change}, context)


def test_similarity_in_images_of_other_shapes_and_channels(tmp_path):
    context = RadiographContext(tmp_path, [radiograph(1), radiograph(2, (200, 410)), radiograph(3, (70, 64))])
    ask("similarity", {"images": references(3), "model": "m", "x": 50.0, "y": 60.0}, context)
    for row, image in zip(context.found.table, context.images):
        assert -0.5 <= row["x"] <= image.shape[0] - 0.5 and -0.5 <= row["y"] <= image.shape[1] - 0.5


def test_parts_have_one_label_in_all_images(tmp_path):
    images = [body(1), body(2, 210, 300), body(3, 190, 160)]
    context = RadiographContext(tmp_path, images, BrightnessNetwork())
    ask("cosegment", {"images": references(3), "model": "m", "parts": 3}, context)
    meaning = set()
    for n, image in enumerate(images):
        found = read_volume(context.folder / f"segmentation-{n}.nrrd")
        assert found.shape == image.shape and np.allclose(found.spacing, image.spacing)
        assert np.allclose(found.origin, image.origin) and set(np.unique(found.array)) <= {0, 1, 2, 3}
        for tissue in range(3):
            inside = found.array[truth(image) == tissue]
            label = np.bincount(inside.astype(int)).argmax()
            assert (inside == label).mean() > 0.8
            meaning.add((tissue, label))
    assert len(meaning) == 3  # the same label for the same tissue everywhere
    assert context.found.files == [
        "segmentation-0.nrrd",
        "segmentation-1.nrrd",
        "segmentation-2.nrrd",
        "montage.png",
        "parts.csv",
    ]
    for row in context.found.table:
        assert row["images"] == 3 and len({r["colour"] for r in context.found.table}) == 3
    assert all((context.folder / name).stat().st_size for name in context.found.files)


@pytest.mark.parametrize("parts", [-1, 256, 10_000])
def test_impossible_numbers_of_parts(tmp_path, parts):
    context = RadiographContext(tmp_path, [radiograph(1), radiograph(2)])
    with refused("setting-out-of-range", names=f"parts = {parts}"):
        ask("cosegment", {"images": references(2), "model": "m", "parts": parts}, context)


def test_every_cell_is_a_row_with_its_place(tmp_path):
    images = [radiograph(1), radiograph(2, (200, 300))]
    context = RadiographContext(tmp_path, images)
    ask("patchmap", {"images": references(2), "model": "m", "method": "pca"}, context)
    rows = context.found.table
    assert sum(row["image"] == 0 for row in rows) == 19 * 19
    assert all(-0.5 <= row["x"] <= images[row["image"]].shape[0] for row in rows)
    assert {"row", "column", "u", "v", "colour", "name"} <= rows[0].keys() and len(context.found.info["explained"]) == 2
    assert all((context.folder / name).stat().st_size for name in ("patchmap.csv", "montage.png"))


@pytest.mark.parametrize(
    ("change", "code", "names"),
    [
        ({"method": "lda"}, "setting-not-a-choice", "lda"),
        ({"perplexity": 0.5}, "setting-out-of-range", "perplexity = 0.5"),
        ({"perplexity": 361}, "setting-out-of-range", "361"),
    ],
)
def test_patchmap_refuses(tmp_path, change, code, names):
    context = RadiographContext(tmp_path, [radiograph(1)])
    with refused(code, names):
        ask("patchmap", {"images": references(1), "model": "m", **change}, context)


@pytest.mark.skipif(find_spec("umap") is not None, reason="UMAP is installed here")
def test_umap_says_what_to_install(tmp_path):
    with refused("package-missing", names="umap-learn"):
        ask(
            "patchmap",
            {"images": references(1), "model": "m", "method": "umap"},
            RadiographContext(tmp_path, [radiograph(1)]),
        )


class TwoNetworks(RadiographContext):
    """Untrained models are another network than the model."""

    def embedding(self, ref, reference, fidelity, device, part="", dense=1):
        net = CellNetwork() if reference.startswith("untrained:") else self.net
        return embed_patches(self.volume(ref), net, dense, ref.view, ref.inverted)


def test_parts_are_held_against_those_of_an_untrained_network(tmp_path):
    images = [body(1), body(2, 210, 300)]
    same = RadiographContext(tmp_path / "same", images, BrightnessNetwork())
    other = TwoNetworks(tmp_path / "other", images, BrightnessNetwork())
    asked = {"images": references(2), "model": "m", "parts": 3}
    for context, agreement in ((same, 1.0), (other, 0.0)):
        ask("cosegment", asked, context)
        assert context.found.info["untrained"]["agreement"] == pytest.approx(agreement, abs=0.1)
        assert any("adjusted Rand index" in note for note in context.found.info["notes"])
    for change in ({"compare_untrained": False}, {"model": "untrained:laptop"}):
        ask("cosegment", {**asked, **change}, same)
        assert "untrained" not in same.found.info


def test_a_patch_map_is_held_against_an_untrained_network(tmp_path):
    image = radiograph()
    offsets = np.kron(np.random.default_rng(0).uniform(-60, 60, (SIDE // CELL, SIDE // CELL)), np.ones((CELL, CELL)))
    changed = image.with_array((128 + 0.4 * (image.array - 128.0) + offsets).astype(np.uint8))
    images = [image, changed]  # the patterns in cells stay, their brightness does not
    asked = {"images": references(2), "model": "m", "method": "pca"}
    context = TwoNetworks(tmp_path, images, BrightnessNetwork())
    ask("patchmap", asked, context)
    shares = context.found.info["same_place"]
    assert shares["untrained"] > 0.9 and shares["model"] < 0.5
    assert "shows nothing that the model has learnt" in context.found.info["notes"][-1]
    ask("patchmap", {**asked, "compare_untrained": False}, context)
    assert "same_place" not in context.found.info and not context.found.info["notes"]
    ask("patchmap", {**asked, "images": references(1)}, context)
    assert "same_place" not in context.found.info, "there is no other image"
