"""The typed placeholder: `<PERSON_1>`, the same for the same value within a record."""

from __future__ import annotations

import re
from collections import Counter

from appliance.privacy.kinds import KINDS
from appliance.privacy.operators.value import Value

__all__ = ["Placeholders"]

_PLACEHOLDER = re.compile(rf"<({'|'.join(each.name for each in KINDS)})_([0-9]{{1,6}})>")


class Placeholders:
    """The numbers given out within one record. Numbering starts at 1 per kind, and behind placeholders that stand in the text already."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: Counter[str] = Counter()

    def leave_room(self, text: str) -> None:
        """Number behind the placeholders that stand in `text`."""
        for kind, number in _PLACEHOLDER.findall(text):
            self._last[kind] = max(self._last[kind], int(number))

    def replace(self, value: Value) -> str:
        """Return the placeholder of `value`. Two values are the same when they differ in case, width or separators only."""
        key = (value.kind, value.normal)
        if key not in self._numbers:
            self._last[value.kind] += 1
            self._numbers[key] = self._last[value.kind]
        return f"<{value.kind}_{self._numbers[key]}>"
