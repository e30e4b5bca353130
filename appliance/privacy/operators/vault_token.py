"""`vault`: a token that two people together can turn back into the value (`skerry reveal`). See `vault.py`."""

from __future__ import annotations

from appliance.privacy.operators.value import Scope, Value

__all__ = ["replace"]


def replace(value: Value, scope: Scope) -> str | None:
    """Return the token; None without a vault."""
    return scope.vault.seal(value.kind, value.text) if scope.vault else None
