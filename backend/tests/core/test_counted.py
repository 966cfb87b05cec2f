"""Counts in messages read as a person would say them."""

import pytest

from medssl.core.errors import be, counted, have


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 images are, have"), (1, "1 image is, has"), (2, "2 images are, have")]
)
def test_singular_and_plural(count, said):
    assert f"{counted(count, 'image')} {be(count)}, {have(count)}" == said
