"""`keep`: the value stays; it is found and counted, so that the report tells how much was left on purpose."""

from __future__ import annotations

from appliance.privacy.operators.value import Scope, Value

__all__ = ["replace"]


def replace(value: Value, _scope: Scope) -> str:
    """Return the value."""
    return value.text
