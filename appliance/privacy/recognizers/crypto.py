"""Addresses of crypto-currencies: Bitcoin and its relatives by Base58Check, segregated witness by Bech32 (BIP 173, BIP 350), Ethereum by form (EIP-55).

Online identifiers by GDPR article 4(1). Other chains beside a word for them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.check_digits import base58check, bech32
from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, beside

_BASE58 = re.compile(rf"{START}[13mn2LMDAT9X][1-9A-HJ-NP-Za-km-z]{{25,34}}{END}")
_BECH32 = re.compile(rf"{START}(?:bc|tb|ltc)1[02-9ac-hj-np-z]{{11,71}}{END}", re.IGNORECASE)
_ETHEREUM = re.compile(rf"{START}0[xX][0-9a-fA-F]{{40}}{END}")
_LONG = re.compile(
    rf"{START}(?:[1-9A-HJ-NP-Za-km-z]{{32,44}}|4[0-9AB][1-9A-HJ-NP-Za-km-z]{{93}}|addr1[0-9a-z]{{50,100}}|r[1-9A-HJ-NP-Za-km-z]{{24,34}}){END}"
)
_CONTEXT = re.compile(r"(?<![A-Za-z])(?:btc|bitcoin|eth|ethereum|wallet|crypto[a-z]*|solana|sol|xrp|ripple|usdt|trx|tron|monero|xmr|cardano|ada|litecoin|doge[a-z]*)(?![A-Za-z])|钱包|比特币|以太坊|加密货币|虚拟币|泰达币", re.IGNORECASE)  # fmt: skip


def find(text: str) -> Iterator[Hit]:
    """Yield addresses whose check fits (.95), Ethereum by form (.9), others beside a word for them (.7)."""
    for match in _BASE58.finditer(text):
        if base58check(match[0]):
            yield Hit(*match.span(), "CRYPTO", 0.95, "BITCOIN")
    for match in _BECH32.finditer(text):
        if bech32(match[0]):
            yield Hit(*match.span(), "CRYPTO", 0.95, "BITCOIN")
    for match in _ETHEREUM.finditer(text):
        yield Hit(*match.span(), "CRYPTO", 0.9, "ETHEREUM")
    for match in _LONG.finditer(text):
        mixed = any(map(str.isdigit, match[0])) and any(map(str.isupper, match[0])) and any(map(str.islower, match[0]))
        if mixed and beside(text, *match.span(), _CONTEXT, before=60, after=30):
            yield Hit(*match.span(), "CRYPTO", 0.7)


RECOGNIZER = Recognizer(
    "crypto",
    find,
    min_digits=2,
    trigger=re.compile("[0-9A-Za-z]{25}"),
    strong=True,
    expressions=(_BASE58, _BECH32, _ETHEREUM, _LONG),
)
