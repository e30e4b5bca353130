"""`surrogate`: another value that looks like it, the same for the same normalised value across the data set, without a table.

The key chooses (HMAC-SHA-256), so nobody without it can tell which value stands behind a surrogate. Two values can get the same one; the report counts
how often. Names keep script, gender where the text tells it, and for Chinese the number of characters; numbers are nobody's (`surrogates/`).
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.privacy import dates
from appliance.privacy.normalise import normalise
from appliance.privacy.operators.date_shift import days_of
from appliance.privacy.operators.value import Keyed, Scope, Value, normal
from appliance.privacy.surrogates import names, numbers, phones, places, reach

__all__ = ["replace"]

_NONE = frozenset(
    ("NATIONALITY", "GPS", "SECRET", "CARD_SECURITY")
)  # nothing that looks like one is harmless or useful


def replace(value: Value, scope: Scope) -> str | None:
    """Return the surrogate, never the value itself; None for a kind or a script that has none."""
    if value.kind in _NONE:
        return None
    if value.kind in ("DATE", "BIRTH_DATE"):
        return dates.shift(value.text, days_of(value.normal, scope.keyed), scope.today)
    written = _WORK.get(value.kind, numbers.number)(value, scope.keyed)
    return None if written is None or normal(written) == normal(value.text) else written


def _age(value: Value, keyed: Keyed) -> str | None:
    """Another age of the same ten years; 90 and above stays above."""
    plain = normalise(value.text).text
    figures = "".join(character for character in plain if character.isdecimal())
    if not figures or figures not in plain or int(figures) > 150:
        return None
    age = int(figures)
    low, width = (90, 12) if age >= 90 else (age - age % 10, 10)
    return plain.replace(figures, keyed.pick([str(low + year) for year in range(width)], "age", figures, but=figures))


_WORK: dict[str, Callable[[Value, Keyed], str | None]] = {
    "PERSON": names.person,
    "ORGANIZATION": names.organization,
    "LOCATION": places.place,
    "ADDRESS": places.place,
    "POSTCODE": places.postcode,
    "AGE": _age,
    "PHONE": phones.phone,
    "EMAIL": reach.mail,
    "URL": reach.web,
    "IP": reach.ip,
    "MAC": reach.mac,
    "HANDLE": reach.account,
}
