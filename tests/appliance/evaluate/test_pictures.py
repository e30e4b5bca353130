"""The picture is drawn without a display, with names where a font has them, the same bytes each time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from appliance.evaluate.pictures import _font_for, confusion_picture

CJK_OR_NONE = _font_for("账户")


@pytest.mark.parametrize(
    "labels",
    [
        ("card", "pin"),
        ("账户", "转账"),
        ("a" * 300, "b_$x^2$"),
        tuple(f"label {number}" for number in range(61)),
        ("one",),
    ],
)
def test_a_picture_is_drawn_for_all_kinds_of_labels(tmp_path: Path, labels: tuple[str, ...]) -> None:
    """Warnings are errors here: a character without a glyph would be one."""
    confusion = np.random.default_rng(0).integers(0, 9, (len(labels), len(labels)))
    confusion_picture(confusion, labels, tmp_path / "one.png", tmp_path)
    height, width, _channels = imread(tmp_path / "one.png").shape
    assert 200 < height < 2000 and 200 < width < 2500
    confusion_picture(confusion, labels, tmp_path / "two.png", tmp_path)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_the_picture_shows_the_counts(tmp_path: Path) -> None:
    for name, confusion in (("a", [[9, 1], [0, 9]]), ("b", [[1, 9], [0, 9]])):
        confusion_picture(np.array(confusion), ("x", "y"), tmp_path / name, tmp_path)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_a_class_that_is_never_there_divides_by_nothing(tmp_path: Path) -> None:
    confusion_picture(np.zeros((3, 3), int), ("x", "y", "z"), tmp_path / "empty.png", tmp_path)
    assert (tmp_path / "empty.png").stat().st_size > 1000


def test_the_font_for_latin_labels_comes_with_matplotlib() -> None:
    assert _font_for("card_arrival ÄÖÜ …") == "DejaVu Sans"


def test_no_font_is_none_and_not_a_font_of_boxes() -> None:
    assert CJK_OR_NONE is None or not CJK_OR_NONE.startswith("Last Resort")
    assert _font_for("\U0003fffe") is None
