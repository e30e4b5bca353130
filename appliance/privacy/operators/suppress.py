"""`suppress`: three asterisks, whatever it was; neither kind nor length nor identity is told (ISO/IEC 20889:2018, suppression techniques)."""

from __future__ import annotations

from appliance.privacy.operators.value import Scope, Value

__all__ = ["replace"]


def replace(_value: Value, _scope: Scope) -> str:
    """Return `***`."""
    return "***"
