"""What stands in place of a finding. Here: the typed placeholder, `<PERSON_1>`, the same for the same value within a record."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from appliance.privacy.normalise import normalise
from appliance.schema import Finding

__all__ = ["Placeholders"]

_PLACEHOLDER = re.compile(r"<([A-Z_]+)_([0-9]{1,9})>")
_FILLER = re.compile(r"[\s.,;:·•()\-_/]+")


class Placeholders:
    """The numbers given out within one record. Numbering starts at 1 per kind, and behind placeholders that stand in the text already."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: Counter[str] = Counter()

    def replace(self, text: str, findings: Iterable[Finding]) -> str:
        """Return `text` with each finding (in order, without overlaps) replaced. Two values are the same when they differ in case, width or separators only."""
        for kind, number in _PLACEHOLDER.findall(text):
            self._last[kind] = max(self._last[kind], int(number))
        pieces, position = [], 0
        for finding in findings:
            value = text[finding.start : finding.end]
            pieces += [text[position : finding.start], f"<{finding.kind}_{self._number(finding.kind, value)}>"]
            position = finding.end
        return "".join([*pieces, text[position:]])

    def _number(self, kind: str, value: str) -> int:
        key = (kind, _FILLER.sub("", normalise(value).text).casefold())
        if key not in self._numbers:
            self._last[kind] += 1
            self._numbers[key] = self._last[kind]
        return self._numbers[key]
