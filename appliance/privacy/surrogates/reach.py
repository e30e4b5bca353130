"""Mail addresses, web addresses, accounts and network addresses that the standards keep for examples.

================  =====================================================================================
e-mail, URL       example.com, example.net, example.org (RFC 2606)
IPv4              192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24 (RFC 5737): 762 in all
IPv6              2001:db8::/32 (RFC 3849)
MAC               00-00-5E-00-53-00 to FF (RFC 9542 section 2.1.4): 256 in all
QQ number         begins with 0; none does
================  =====================================================================================
"""

from __future__ import annotations

import re

from appliance.privacy.normalise import normalise
from appliance.privacy.operators.value import Keyed, Value
from appliance.privacy.surrogates.words import FEMALE_NAMES, MALE_NAMES, town

__all__ = ["account", "ip", "mac", "mail", "web"]

_DOMAINS = ("example.com", "example.net", "example.org")
_BLOCKS = ("192.0.2", "198.51.100", "203.0.113")


def mail(value: Value, keyed: Keyed) -> str:
    """Return `given.surname12@example.org`, a number as name where the old one was a number."""
    key = value.normal
    name = re.split("[@＠]", value.text)[0]
    if name.isdigit():
        new = "0" + keyed.digits(max(5, len(name) - 1), "mail", key)
    else:
        given = keyed.pick(MALE_NAMES + FEMALE_NAMES, "mail given", key)
        new = f"{given}.{town(keyed, 'mail', key)}{keyed.below(100, 'mail number', key):02d}".lower()
    return f"{new}@{keyed.pick(_DOMAINS, 'mail domain', key)}"


def web(value: Value, keyed: Keyed) -> str:
    """Return an address in an example domain, with a scheme where the old one had one; its path tells nothing."""
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.\-]*://", value.text)
    place = town(keyed, "web", value.normal).lower()
    path = keyed.digest("web path", value.normal).hex()[:8]
    return f"{scheme[0] if scheme else ''}{place}.{keyed.pick(_DOMAINS, 'web domain', value.normal)}/{path}"


def ip(value: Value, keyed: Keyed) -> str:
    """Return an address out of the blocks for documentation, of the same version."""
    if ":" in normalise(value.text).text:
        number = keyed.below(1 << 96, "ip", value.normal)
        return "2001:db8:" + ":".join(f"{number >> shift & 0xFFFF:x}" for shift in range(80, -1, -16))
    return f"{keyed.pick(_BLOCKS, 'ip block', value.normal)}.{1 + keyed.below(254, 'ip', value.normal)}"


def mac(value: Value, keyed: Keyed) -> str:
    """Return a hardware address out of the range for documentation, written with the old one's separator."""
    separator = next((mark for mark in ":-" if mark in value.text), "")
    groups = ["00", "00", "5e", "00", "53", f"{keyed.below(256, 'mac', value.normal):02x}"]
    if "." in value.text:
        groups, separator = ["".join(groups[place : place + 2]) for place in (0, 2, 4)], "."
    text = separator.join(groups)
    return text.upper() if value.text.isupper() else text


def account(value: Value, keyed: Keyed) -> str:
    """Return an account name: `@` stays, a number becomes one that begins with 0, anything else a word and two digits."""
    plain = normalise(value.text).text.strip()
    at = plain[: len(plain) - len(plain.lstrip("@"))]
    name = plain[len(at) :]
    if name.isdigit():
        return at + "0" + keyed.digits(max(4, len(name) - 1), "account", value.normal)
    return f"{at}{town(keyed, 'account', value.normal).lower()}{keyed.below(100, 'account number', value.normal):02d}"
