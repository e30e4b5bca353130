"""The lines above an address: in a letterhead or a signature they are a name, perhaps a position, and an organization."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from appliance.privacy.recognizers.recognizer import Hit

__all__ = ["RULE", "find_lines"]

RULE = "contact_block"
_LINE = re.compile(r"[^\w\n]*((?:\w[^\n]*?)?)[^\w\n)]*(?:\n|$)")
_UPPER = r"(?:[A-Z]|[^\W\d_\x00-\x7f\u2e80-\u9fff\uac00-\ud7af])"
_NAME = re.compile(rf"{_UPPER}[\w'’\-]*\.?(?: (?:{_UPPER}[\w'’\-]*\.?|de|da|van|von|der|di|del)){{1,3}}$")
_SENTENCE = re.compile(
    r"[:?!;]|[.,]\s*$|\b(?:is|are|was|were|the|this|please|lives|has|have|to|at|my|your|his|her)\b", re.IGNORECASE
)
_MOST = 4  # lines above the address


def find_lines(text: str, hits: Iterable[Hit]) -> Iterator[Hit]:
    """Yield the top line of a block as PERSON when it looks like a name (.5), and the line on the address as ORGANIZATION (.45)."""
    starts = {hit.start for hit in hits if hit.kind == "ADDRESS"}
    if not starts or "\n" not in text:
        return
    lines = [(match.start(1), match.end(1)) for match in _LINE.finditer(text)]
    for index, (start, _end) in enumerate(lines):
        if start in starts:
            block = _above(text, lines, index)
            if block and _NAME.match(text, *block[0]):
                yield Hit(*block[0], "PERSON", 0.5)
            if len(block) > 1:
                yield Hit(*block[-1], "ORGANIZATION", 0.45)


def _above(text: str, lines: list[tuple[int, int]], index: int) -> list[tuple[int, int]]:
    """Return the lines of the block above line `index`, top first; one blank line may part it from the address."""
    block: list[tuple[int, int]] = []
    for start, end in reversed(lines[max(0, index - _MOST) : index]):
        if start == end and not block:
            continue
        if (
            start == end
            or end - start > 60
            or len(text[start:end].split()) > 6
            or _SENTENCE.search(text, start, end)
            or any(map(str.isdigit, text[start:end]))
        ):
            break
        block.insert(0, (start, end))
    return block
