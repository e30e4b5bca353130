"""Payment cards: ISO/IEC 7812-1 (issuer range, 12 to 19 digits, Luhn check digit).

Issuer ranges: 3 American Express, JCB, Diners; 4 Visa; 5, 222100-272099 Mastercard; 50, 56-69 Maestro; 60, 64, 65 Discover; 62 UnionPay;
81 RuPay. A few old cards fail Luhn, so a label keeps them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.check_digits import luhn
from appliance.privacy.recognizers.labels import BETWEEN
from appliance.privacy.recognizers.recognizer import (
    END,
    START,
    Hit,
    Recognizer,
    beside,
    compact,
    follows,
    group_ends,
    overlapping,
    regular,
    slips,
)

_GAP = r"[ \t.\-_·]{0,2}"
_NUMBER = re.compile(rf"{START}(?<![0-9][.\-])(?=([1-9](?:{_GAP}[0-9]){{11,18}}){END})")
_ISSUER = re.compile(
    r"4\d{12}(?:\d{3}(?:\d{3})?)?$|5[1-5]\d{14}$|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}$|3[47]\d{13}$|3(?:0[0-5]|095|[689]\d)\d{11}$"
    r"|(?:2131|1800)\d{11}$|35\d{14}$|6(?:011|4[4-9]\d|5\d\d)\d{12}(?:\d{3})?$|62\d{14,17}$|8[12]\d{14,17}$|(?:5[06-9]|6\d)\d{10,17}$|9\d{15,18}$"
)
# A group of three digits or more on either side: the number is a piece of a longer one.
_NEIGHBOUR, _BEHIND = re.compile(r"[0-9]{3}[ .\-]$"), re.compile(r"[ .\-][0-9]{3}")
_CONTEXT = re.compile(
    r"卡号|银行卡|储蓄卡|信用卡|借记卡|账号|帐号|账户|尾号|一卡通|(?<![a-z])(?:credit|debit|bank|visa|mastercard|amex|unionpay|maestro|cards?|cc|pan)(?![a-z])",
    re.IGNORECASE,
)
_LABEL = re.compile(
    rf"(?:卡号|银行卡|储蓄卡|信用卡|借记卡|账号|帐号|账户|(?<![a-z])(?:card|cc|card\s*(?:no\.?|number|#)))(?:号码?|(?:no\.?|number)(?![A-Za-z])|{BETWEEN})*$",
    re.IGNORECASE,
)


def find(text: str) -> Iterator[Hit]:
    """Yield card numbers: issuer and Luhn .8, with a card word 1.0; Luhn or a label alone is weaker."""
    for start, run_end in overlapping(_NUMBER, text):
        if slips(text, start):
            continue
        for end in group_ends(text, start, run_end):
            score = _score(text, start, end)
            if score:
                yield Hit(start, end, "BANK_CARD", score)
                break


def _score(text: str, start: int, end: int) -> float:
    number = compact(text[start:end])
    if not 12 <= len(number) <= 19 or len(set(number)) == 1 or not regular(text[start:end]):
        return 0.0
    context = beside(text, start, end, _CONTEXT, before=50, after=20)
    if luhn(number) and _ISSUER.match(number):
        if context:
            return 1.0
        return (
            0.8
            if len(number) >= 15 and not _NEIGHBOUR.search(text[start - 5 : start]) and not _BEHIND.match(text, end)
            else 0.3
        )
    if follows(text, start, _LABEL):
        return 0.6
    return 0.7 if luhn(number) and context else 0.0


RECOGNIZER = Recognizer("bank_card", find, min_digits=12, strong=True, expressions=(_NUMBER,))
