"""Figures as files: the same picture, the same bytes."""

from pathlib import Path

import pytest

from appliance.pictures import blank, write


@pytest.mark.parametrize(("name", "begins"), [("one.png", b"\x89PNG"), ("one.svg", b"<?xml"), ("one", b"\x89PNG")])
def test_a_picture_drawn_again_has_the_same_bytes(tmp_path: Path, name: str, begins: bytes) -> None:
    made = []
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        figure = blank(2, 1, tmp_path / "fonts")
        figure.add_subplot().plot([1, 2], [3, 4])
        made.append(write(figure, tmp_path / folder / name).read_bytes())
    assert made[0] == made[1] and made[0].startswith(begins)
