"""ECDSA on P-384 checked in plain Python, for a machine that has no `openssl` program: FIPS 186-5, section 6.4.2.

Only public values pass through here, so its time may tell what it likes. It accepts what `openssl dgst -verify` accepts:
a signature in DER, an uncompressed public key on this one curve (constants: NIST SP 800-186, section 3.2.1.4).
"""

from __future__ import annotations

import hashlib
from typing import Optional

P = 2**384 - 2**128 - 2**96 + 2**32 - 1
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
B = 0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF
G = (
    0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
    0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
)
# SubjectPublicKeyInfo of an uncompressed point on secp384r1 (RFC 5480), up to the two coordinates.
_KEY_START = bytes.fromhex("3076301006072a8648ce3d020106052b8104002203620004")

# A point is (x, y), the point at infinity is None.
Point = Optional[tuple[int, int]]


def is_signed(content: bytes, signature: bytes, key_der: bytes) -> bool:
    """Tell whether `signature` (DER) is one over the SHA-384 of `content` by the public key `key_der` (DER)."""
    public, both = _point(key_der), numbers(signature)
    if not public or not both:
        return False
    r, s = both
    if not (0 < r < N and 0 < s < N):
        return False
    digest = int.from_bytes(hashlib.sha384(content).digest(), "big")
    inverse = pow(s, -1, N)
    found = _add(_times(digest * inverse % N, G), _times(r * inverse % N, public))
    return found is not None and found[0] % N == r


def _point(key_der: bytes) -> Point:
    """Return the public key's point, or None unless it lies on the curve y^2 = x^3 - 3 x + b."""
    if len(key_der) != len(_KEY_START) + 96 or not key_der.startswith(_KEY_START):
        return None
    x, y = (int.from_bytes(key_der[start : start + 48], "big") for start in (len(_KEY_START), len(_KEY_START) + 48))
    on_curve = x < P and y < P and (y * y - (x * x * x - 3 * x + B)) % P == 0
    return (x, y) if on_curve else None


def numbers(signature: bytes) -> tuple[int, int] | None:
    """Return r and s of SEQUENCE { INTEGER r, INTEGER s }, or None unless it is the one DER form of them."""
    if len(signature) < 8 or len(signature) > 127:
        return None
    length = signature[3]
    r, s = (int.from_bytes(part, "big") for part in (signature[4 : 4 + length], signature[6 + length :]))
    body = _integer(r) + _integer(s)
    return (r, s) if signature == b"\x30" + bytes([len(body)]) + body else None


def _integer(value: int) -> bytes:
    content = value.to_bytes(value.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(content)]) + content


def _times(factor: int, point: Point) -> Point:
    total: Point = None
    while factor:
        if factor & 1:
            total = _add(total, point)
        point, factor = _add(point, point), factor >> 1
    return total


def _add(one: Point, other: Point) -> Point:
    if one is None or other is None:
        return one or other
    (x1, y1), (x2, y2) = one, other
    if x1 == x2:
        if (y1 + y2) % P == 0:
            return None
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P
