"""Web addresses: RFC 3986 URLs, and bare domains under well-known top-level domains (IANA root zone)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import Hit, Recognizer

_TAIL = r"(?:[:/?#][0-9A-Za-z\-._~:/?#\[\]@!$&'()*+,;=%]*)?"
_URL = re.compile(
    rf"(?<![0-9A-Za-z])(?:(?:https?|ftps?|wss?|sftp|git|file)://[0-9A-Za-z\-._~:/?#\[\]@!$&'()*+,;=%\u00c0-\u024f]+|www\d?\.[0-9A-Za-z\-]+\.[0-9A-Za-z\-.]+{_TAIL})",
    re.IGNORECASE,
)
_GENERIC = "com|net|org|edu|gov|mil|int|info|biz|name|pro|io|ai|app|dev|xyz|site|online|shop|top|club|vip|cloud|tech|store|blog|live|mobi|tv|cc|wang|ltd|win|ren"
# Country domains that are no English word (`is`, `it`, `in`, `at`, `no`, `so`, `me`, `my`, `to`, `be`, `do`, `as`, `am`, `us`, `by` need a path or another dot).
_COUNTRY = "cn|hk|tw|mo|uk|de|fr|es|pt|nl|ch|se|dk|fi|pl|cz|sk|hu|ro|bg|gr|ru|ua|tr|il|sa|ae|ir|pk|bd|lk|th|vn|ph|sg|jp|kr|au|nz|ca|mx|br|ar|cl|co|pe|za|eg|ng|ke|ie|lu|si|hr|rs|lt|lv|ee|eu"
_WORDY = "is|it|in|at|no|so|me|my|to|be|do|as|am|us|by|li|la|ly|gl|gg|fm|im"
_BARE = re.compile(
    rf"(?<![0-9A-Za-z@./:\-_])(?!www\.)(?:[0-9A-Za-z](?:[0-9A-Za-z\-]{{0,62}})\.){{1,5}}(?:(?:{_GENERIC}|{_COUNTRY}){_TAIL}|(?:{_WORDY})/[0-9A-Za-z\-._~:/?#@!$&'()*+,;=%]*)(?![0-9A-Za-z@])",
    re.IGNORECASE,
)

_SENTENCE = re.compile(r"[a-z]\.[A-Z][a-z]+$")  # a full stop without a space behind it: `the best.Top`


def find(text: str) -> Iterator[Hit]:
    """Yield URLs (.9) and bare domains (.6), without the punctuation of the sentence behind them."""
    for pattern, score in ((_URL, 0.9), (_BARE, 0.6)):
        for match in pattern.finditer(text):
            found = match[0].rstrip(".,;:!?'*")
            if pattern is _BARE and _SENTENCE.search(found):
                continue
            if found.endswith(")") and "(" not in found:
                found = found.rstrip(")")
            yield Hit(match.start(), match.start() + len(found), "URL", score)


RECOGNIZER = Recognizer(
    "web_address", find, trigger=re.compile(r"://|[0-9A-Za-z]\.[A-Za-z]"), strong=False, expressions=(_URL, _BARE)
)
