"""Which base model a data set wants."""

from __future__ import annotations

import re
from collections.abc import Iterable

from appliance.words import _

__all__ = ["HAN_SHARE", "choose", "han_share"]

HAN_SHARE = 0.05
# Unicode 16 blocks of Han characters: URO and extension A, compatibility ideographs, the supplementary and tertiary ideographic planes.
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def han_share(texts: Iterable[str]) -> float:
    """Return the share of texts that hold a Han character, 0.0 to 1.0 (0.0 of none)."""
    rows = han = 0
    for text in texts:
        rows += 1
        han += _HAN.search(text) is not None
    return han / rows if rows else 0.0


def choose(share: float) -> tuple[str, str]:
    """Return the base model for a share of rows with Han characters, `e5` or `minilm`, and the sentence that says why.

    MiniLM turns Chinese into unknown tokens (0.65 against 0.86 for e5 with 400 rows of waimai_10k), so a twentieth is enough for e5.
    """
    if share > HAN_SHARE:
        return "e5", _(
            "{share:.1%} of rows hold Chinese characters, over {limit:.0%}: base model `e5` (Chinese and English)",
            share=share,
            limit=HAN_SHARE,
        )
    return "minilm", _(
        "{share:.1%} of rows hold Chinese characters, at most {limit:.0%}: base model `minilm` (English)",
        share=share,
        limit=HAN_SHARE,
    )
