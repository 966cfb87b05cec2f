"""Label columns as users write them."""

from __future__ import annotations

from medssl.core.errors import ConfigError


def label_columns(text: str) -> tuple[str, ...]:
    """Columns separated by commas.

    Raises:
        ConfigError: none.
    """
    columns = tuple(part.strip() for part in text.split(",") if part.strip())
    if not columns:
        raise ConfigError(
            "labels",
            "name no column of the catalogue",
            "Say which, such as labels=Pneumonia or --labels Pneumonia",
            code="labels-without-column",
        )
    return columns


def source_columns(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The catalogue's columns that label columns are made of: "Abnormal=Mass|Nodule" of Mass and Nodule."""
    names = [part.rpartition("=")[2] for part in columns]
    return tuple(name.strip().lstrip("!").strip() for part in names for name in part.split("|"))


def attribute_groups(text: str) -> tuple[str, ...]:
    """Attributes separated by semicolons: "sex; age:40,60"."""
    return tuple(part.strip() for part in text.split(";") if part.strip())
