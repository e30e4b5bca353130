"""What makes a card pay: security code, expiry, PIN. Never to be kept by PCI DSS 3.3, class C3 by JR/T 0171-2020. Found by label only."""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.glance import loosened
from appliance.privacy.recognizers.labels import BETWEEN, Labels
from appliance.privacy.recognizers.recognizer import Hit, Recognizer

_IS = rf"(?:\.| ?date|[ \-]?(?:number|code|no\.?)(?![A-Za-z])|码|{BETWEEN})*"
_CODE = re.compile(_IS + r"([0-9]{3,4}|[0-9] [0-9] [0-9](?: [0-9])?)(?![0-9A-Za-z])")
_EXPIRY = re.compile(_IS + r"((?:0[1-9]|1[0-2]) ?[/\-. ]? ?(?:20)?[2-9][0-9])(?![0-9A-Za-z/\-])")
_PIN = re.compile(_IS + r"([0-9]{4,6})(?![0-9A-Za-z])")
_LABELS = Labels(
    (
        ("cvv2?, cvc2?, cvn2?, cid, csc, security code, card verification(?: value| code)?, 安全码, 卡背后三位, 卡背面三位, 卡背面三位安全码, 背面三位, 背面三位数, 后三位", (_CODE, "CVV")),
        ("exp, expiry, expires, expiration, exp(?:iry|iration|\\.)? date, card expires, card expiry, expiring, valid (?:thru|through|until|till|to), good (?:thru|through), 有效期, 有效期至, 到期日, 卡有效期", (_EXPIRY, "CARD_EXPIRY")),
        ("PIN, pin code, pin number, card pin, atm pin, 取款密码, 支付密码, 交易密码, 查询密码, 银行卡密码, 卡密码", (_PIN, "PIN")),
    )
)  # fmt: skip


def find(text: str) -> Iterator[Hit]:
    """Yield security codes, expiries and PINs behind their labels (.8)."""
    for _start, end, (value, form) in _LABELS.find(text):
        found = value.match(text, end)
        if found:
            yield Hit(*found.span(1), "CARD_SECURITY", 0.8, form)


RECOGNIZER = Recognizer(
    "card_security",
    find,
    min_digits=3,
    expressions=(lambda: _LABELS.loosened(lambda row: loosened(row[0], left=False)),),
)
