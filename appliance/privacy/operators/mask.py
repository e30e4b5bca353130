"""`mask`: the display forms of JR/T 0171-2020 annex A (informative): enough for the owner to know it, hidden from others.

==============================  ===========================================================================
bank card, account, IBAN        first 6 and last 4; below 16 characters the last 4
mobile number                   first 3 and last 4; Hong Kong, Macau (8 digits) first 2 and last 2
landline                        area code and last 4
identity documents              first 1 and last 1
e-mail address                  first 3 of the name (1 of a name up to 3 long), then the domain
name of a person                the last character (Chinese), the first letter of each word (other scripts)
everything else                 nothing
==============================  ===========================================================================

At least a third of the letters and digits is hidden in every form, and of numbers never less than 2. Asterisks stand one for one, so lengths are
told; `form = "all"` hides every letter and digit. A masked value is no anonymous value.
"""

from __future__ import annotations

import re

from appliance.privacy.operators.value import Scope, Value

__all__ = ["replace"]

_CARDS = frozenset(("BANK_CARD", "ACCOUNT", "IBAN"))
_DOCUMENTS = frozenset(
    ("ID_NUMBER", "PASSPORT", "NATIONAL_ID", "DRIVER_LICENSE", "MEDICAL_RECORD", "USCC", "TAX_ID", "HEALTH_ID")
)
_EXTENSION = re.compile(r"\s*(?:ext\.?|extension|x|#|转|分机)\s*[0-9]{1,6}\s*$", re.IGNORECASE)
_AREA = re.compile(r"[(（]?0(?:10|2\d|[3-9]\d{2})")


def replace(value: Value, scope: Scope) -> str:
    """Return the value with asterisks in place of letters and digits, separators kept."""
    if scope.options.get("form", "jrt-0171") == "all":
        return _stars(value.text, 0, 0)
    if value.kind in _CARDS:
        return _stars(value.text, 6 if _size(value.text) >= 16 else 0, 4)
    if value.kind == "PHONE":
        return _phone(value.text)
    if value.kind in _DOCUMENTS:
        return _stars(value.text, 1, 1)
    if value.kind == "EMAIL":
        return _mail(value.text)
    if value.kind == "PERSON":
        return (
            _stars(value.text, 0, 1, 1) if value.han else re.sub(r"\w+", lambda word: _stars(word[0], 1, 0), value.text)
        )
    return _stars(value.text, 0, 0)


def _size(text: str) -> int:
    return sum(map(str.isalnum, text))


def _stars(text: str, first: int, last: int, least: int = 2) -> str:
    """Hide the letters and digits of `text` but the `first` and `last` ones; those too where less than a third or `least` would be hidden."""
    size = _size(text)
    hidden = max(min(size, least), -(-size // 3))
    first = min(first, max(0, size - hidden - last))
    last = min(last, max(0, size - hidden))
    seen, shown = 0, []
    for character in text:
        seen += character.isalnum()
        open_ = not character.isalnum() or seen <= first or seen > size - last
        shown.append(character if open_ else "*")
    return "".join(shown)


def _phone(text: str) -> str:
    extension = _EXTENSION.search(text)
    if extension and extension.start():
        return _phone(text[: extension.start()]) + _stars(extension[0], 0, 0)
    area = _AREA.match(text)
    if area:
        return _stars(text, _size(area[0]), 4)
    return _stars(text, 2, 2) if _size(text) <= 8 else _stars(text, 3 if _size(text) <= 11 else 5, 4)


def _mail(text: str) -> str:
    name, at, domain = text.rpartition("@") if "@" in text else text.rpartition("＠")
    if not at:
        return _stars(text, 0, 0)
    return name[: 3 if len(name) > 3 else 1] + "***" + at + domain
