"""The confusion matrix as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.pictures import blank, write

if TYPE_CHECKING:
    import numpy as np

_NAMED_CLASSES = 60  # with more, names no longer fit: the axes show their numbers
_COUNTED_CLASSES = 20  # with more, counts no longer fit into the cells
_NAME_CHARACTERS = 32
_NO_FONTS = ("Last Resort",)  # it draws a box for everything


def confusion_picture(confusion: np.ndarray[Any, Any], labels: Sequence[str], path: Path, cache: Path) -> None:
    """Draw (true, predicted) counts as a PNG: a row's colours are shares of that true class.

    The axes carry the labels, or their numbers in `labels` (0, 1, ...) where there are too many or no font here has
    their characters. `cache` is a folder for matplotlib's list of fonts. Raises `MissingPartError` without matplotlib.
    """
    classes = len(labels)
    inches = 3 + min(12.0, 0.32 * classes)
    figure = blank(inches + 1, inches, cache)
    font = _font_for("".join(labels) + "…") if classes <= _NAMED_CLASSES else None
    names = [_short(label) for label in labels] if font else [str(number) for number in range(classes)]
    axes = figure.add_subplot()
    shares = confusion / confusion.sum(axis=1, keepdims=True).clip(1)  # (true, predicted)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, shrink=0.8)
    ticks = range(0, classes, 1 if font else max(1, classes // 30))
    axes.set_xticks(ticks, [names[tick] for tick in ticks], rotation=90, fontfamily=font)
    axes.set_yticks(ticks, [names[tick] for tick in ticks], fontfamily=font)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    if classes <= _COUNTED_CLASSES:
        for row, column in zip(*confusion.nonzero(), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(confusion[row, column]), ha="center", va="center", color=colour, fontsize=7)
    write(figure, path)


def _short(label: str) -> str:
    return label if len(label) <= _NAME_CHARACTERS else label[: _NAME_CHARACTERS - 1] + "…"


def _font_for(text: str) -> str | None:
    """Return the name of a font on this machine that has every character of `text`; None when there is none."""
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    wanted = {ord(character) for character in text if not character.isspace()}
    fonts = sorted(font_manager.fontManager.ttflist, key=lambda font: (font.name != "DejaVu Sans", font.name))
    for font in fonts:
        if not font.name.startswith(_NO_FONTS) and wanted <= FT2Font(font.fname).get_charmap().keys():
            return str(font.name)
    return None
