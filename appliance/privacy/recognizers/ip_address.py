"""IP addresses: IPv4 dotted quads and IPv6 (RFC 4291), read by Python's `ipaddress`; MAC addresses (IEEE 802)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from appliance.privacy.recognizers.labels import BETWEEN
from appliance.privacy.recognizers.recognizer import Hit, Recognizer, follows, slips

_V4 = re.compile(
    r"(?:(?<![0-9A-Za-z.])|(?<=IP)|(?<=ip))[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?(?![0-9A-Za-z]|\.[0-9])"
)
_V6 = re.compile(
    r"(?:(?<![0-9A-Za-z:.])|(?<=[^0-9:]:)(?=[0-9A-Fa-f]))(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?:(?<=:)[0-9]{1,3}(?:\.[0-9]{1,3}){3})?(?:%[0-9A-Za-z]+)?(?![0-9A-Za-z:])"
)
_MAC = re.compile(
    r"(?<![0-9A-Za-z\-])(?<![^A-Za-z][0-9A-Fa-f]{2}:)(?:[0-9A-Fa-f]{2}([:\-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}|(?=[0-9.]*[A-Fa-f])[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})(?![0-9A-Za-z:\-]|\.[0-9])"
)

_MAC_LOOSE = re.compile(
    r"(?<![0-9A-Za-z])[0-9A-Fa-f]{2}([ .])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Za-z]|[ .][0-9A-Fa-f]{2}(?![0-9A-Za-z]))"
)
_MAC_LABEL = re.compile(rf"(?:mac|物理地址|硬件地址|网卡|网卡地址)(?: ?address|地址|{BETWEEN})*$", re.IGNORECASE)


def _parses(address: str) -> bool:
    try:
        ipaddress.ip_interface(address.split("%")[0])
    except ValueError:
        return False
    return True


def find(text: str) -> Iterator[Hit]:
    """Yield IPv4 (.8), IPv6 (.85) and MAC addresses (.9); a quad labelled as a version stays."""
    for match in _V4.finditer(text):
        if _parses(match[0]) and not slips(text, match.start()):
            yield Hit(*match.span(), "IP", 0.8)
    for match in _V6.finditer(text):
        # `::` alone and times (10:20:30) are no addresses.
        if len(match[0]) > 4 and (match[0].count(":") == 7 or "::" in match[0]) and _parses(match[0]):
            yield Hit(*match.span(), "IP", 0.85)
    for match in _MAC.finditer(text):
        yield Hit(*match.span(), "MAC", 0.9)
    for match in _MAC_LOOSE.finditer(text):
        if follows(text, match.start(), _MAC_LABEL) or len(re.findall("[A-Fa-f]", match[0])) >= 2:
            yield Hit(*match.span(), "MAC", 0.7)


RECOGNIZER = Recognizer(
    "ip_address",
    find,
    min_digits=2,
    trigger=re.compile(r"(?:[.:\-][0-9A-Fa-f]{1,4}){2}|::|(?: [0-9A-Fa-f]{2}){3}"),
    strong=True,
    expressions=(_V4, _V6, _MAC, _MAC_LOOSE),
)
