"""`date-shift`: every date of a subject moves by the same number of days, so the time between two of them stays what it was.

The shift is in [-days, days] without 0 (`days` = 365 unless the policy says otherwise), from the keyed HMAC of the subject: nobody without the
key knows it, and it is the same in every record of the subject. Dates keep how they were written. HIPAA's Safe Harbor does not admit shifted dates
(164.514(b)(2)(i)(C) asks for the year alone); they are for expert determination (164.514(b)(1)) and GB/T 37964-2019 annex A.
"""

from __future__ import annotations

from appliance.privacy import dates
from appliance.privacy.operators.value import Keyed, Scope, Value

__all__ = ["days_of", "replace"]

_DAYS = 365


def replace(value: Value, scope: Scope) -> str | None:
    """Return the date moved by the subject's shift; None for what is no date that can be read."""
    return dates.shift(value.text, days_of(value.subject, scope.keyed, scope.options.get("days", _DAYS)), scope.today)


def days_of(subject: str, keyed: Keyed, days: int = _DAYS) -> int:
    """Return the subject's shift in days: in [-days, days], never 0."""
    drawn = keyed.below(2 * days, "date-shift", subject)
    return drawn - days if drawn < days else drawn - days + 1
