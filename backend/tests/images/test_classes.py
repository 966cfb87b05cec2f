from __future__ import annotations

import json

import numpy as np
import pytest
from refusals import refused

from medssl.images.segment_classes import Segment, SegmentClasses, default_colour, find_classes, read_classes

TWO = read_classes("5=Anterior, 300 = Posterior part")


def test_index_and_back():
    values = np.array([[0, 5], [300, 5]])
    numbers = TWO.index(values)
    assert numbers.dtype == np.uint8 and numbers.tolist() == [[0, 1], [2, 1]]
    assert TWO.values_of(numbers).tolist() == values.tolist() and TWO.values_of(numbers).dtype == np.int16
    assert read_classes("1=a").values_of(np.array([1])).dtype == np.uint8
    assert (TWO.names, TWO.values, TWO.count) == (("Anterior", "Posterior part"), (5, 300), 2)


@pytest.mark.parametrize("value", [1, -1, 301])
def test_a_value_that_is_no_class_is_named(value):
    with refused("label-value-unknown", names=[f"liver with the value {value}", "5 (Anterior), 300 (Posterior part)"]):
        TWO.index(np.array([0, 5, value]), "liver")


def test_text_json_and_list_say_the_same():
    named = SegmentClasses((Segment(5, "Anterior", "#00ff00", "T"), Segment(300, "Posterior part")))
    assert read_classes(json.dumps(named.as_list())) == SegmentClasses.from_list(named.as_list()) == named
    assert read_classes('[{"value": 5, "name": "Anterior"}]').names == ("Anterior",)


@pytest.mark.parametrize(
    ("text", "code", "names"),
    [
        ("", "number-of-classes", "0 classes"), ("Anterior", "class-malformed", "Anterior"), ("a=Anterior", "class-malformed", "a=Anterior"),
        ("0=Background", "class-value", "Background"), ("-2=x", "class-value", "-2"), ("40000=x", "class-value", "40000"), ("1=", "class-name", ""), ("1=mean", "class-name", "mean over classes"),
        ("1=a,1=b", "class-repeated", "value 1"), ("1=a,2=a", "class-repeated", "name 'a'"), ("[1]", "class-malformed", "class 1"),
        ("[{", "class-malformed", "JSON"), ('[{"value": 1, "name": "a", "colour": "red"}]', "class-name", "red"),
    ],
)  # fmt: skip
def test_classes_that_break_a_rule(text, code, names):
    with refused(code, names):
        read_classes(text)


def test_classes_found_in_label_maps():
    found = find_classes([(0, 255), (3, 255)])
    assert found.values == (3, 255) and found.names == ("Segment_3", "Segment_255")
    with refused("not-a-label-map", names="299"):
        find_classes([range(300)])


def test_default_colours_differ():
    colours = [default_colour(n) for n in range(60)]
    assert len(set(colours)) == 60
    assert [s.colour for s in TWO.segments] == colours[:2]
