"""`surrogate`: another value that looks like it, the same for the same normalised value across the data set, without a table."""

from __future__ import annotations

from appliance.privacy.operators.value import Scope, Value
from appliance.privacy.surrogates import names

__all__ = ["replace"]


def replace(value: Value, scope: Scope) -> str | None:
    """Return the surrogate; None for a kind that has none."""
    if value.kind == "PERSON":
        return names.person(value, scope.keyed)
    if value.kind == "ORGANIZATION":
        return names.organization(value, scope.keyed)
    return None
