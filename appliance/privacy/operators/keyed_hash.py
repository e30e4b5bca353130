"""`hmac`: HMAC-SHA-256 of the normalised value, cut to a stated length (RFC 2104; NIST SP 800-107 section 5.3 on truncation).

A plain hash of a telephone or identity number is undone by trying them all; without the key this one is not. The same value has the same hash
under the same key, so tables can still be joined. 16 hex digits are 64 bits: among a million values, two meet with a chance of 1 in 37 million.
"""

from __future__ import annotations

import re

from appliance.privacy.operators.value import Scope, Value

__all__ = ["replace", "written"]

_LENGTH = 16


def replace(value: Value, scope: Scope) -> str:
    """Return `<KIND_` and the first `length` (16 to 64, default 16) hex digits of the keyed hash and `>`."""
    return written(
        value.kind, scope.keyed.digest("hmac", value.kind, value.normal), scope.options.get("length", _LENGTH)
    )


def written(kind: str, digest: bytes, length: int = _LENGTH) -> str:
    """Return `<KIND_hex>` with `length` hex digits of a digest of 32 bytes, the leading ones unless no letter is among them: then it would look like a number."""
    digits = digest.hex()
    start = 0 if re.search("[a-f]", digits[:length]) else max(0, len(digits.rstrip("0123456789")) - length)
    return f"<{kind}_{digits[start : start + length]}>"
