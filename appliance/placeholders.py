"""How what the scrub wrote looks, for all who must tell it from text: placeholders, keyed hashes, vault tokens."""

from __future__ import annotations

import re

__all__ = ["pattern"]


def pattern(kinds: str = "[A-Z][A-Z_]*") -> re.Pattern[str]:
    """Return what matches `<PERSON_1>`, `<PERSON_` and 16 to 64 hex digits, one of them a letter, `>`, and `<VAULT_PERSON_` and Base32 `>`.

    `kinds` is a regular expression of the kinds that count. Other words in such brackets are text like any.
    """
    return re.compile(
        rf"<(?:{kinds})_(?:[0-9]{{1,6}}|(?=[0-9]*[a-f])[0-9a-f]{{16,64}})>|<VAULT_(?:{kinds})_[A-Z2-7]{{58,}}>"
    )
