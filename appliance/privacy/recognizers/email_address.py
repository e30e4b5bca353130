"""E-mail addresses: RFC 5322 addr-spec without quoted and bracketed forms, international letters allowed (RFC 6531)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import Hit, Recognizer

# Han characters are no part of a local part here: they are the sentence around it.
_LOCAL = r"[0-9A-Za-z\u00c0-\u024f\u0370-\u04ff._%+'\-]"
_DOMAIN = r"[0-9A-Za-z\u00c0-\u024f\u0370-\u04ff\-]{1,63}"
_ADDRESS = re.compile(
    rf"(?<!{_LOCAL}){_LOCAL}{{1,64}}(?: ?@ ?| ?[\[(](?:at|AT)[\])] ?)(?:{_DOMAIN}(?: ?[\[(](?:dot|DOT)[\])] ?|\.)){{1,8}}[A-Za-z]{{2,24}}"
)


def find(text: str) -> Iterator[Hit]:
    """Yield e-mail addresses (.95), also written with [at] and [dot]."""
    for match in _ADDRESS.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip(".'-"))
        yield Hit(start, match.end(), "EMAIL", 0.95)


RECOGNIZER = Recognizer(
    "email_address", find, trigger=re.compile(r"@|[\[(](?:at|AT)[\])]"), strong=True, expressions=(_ADDRESS,)
)
