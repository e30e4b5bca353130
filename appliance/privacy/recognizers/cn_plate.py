"""Vehicle plates of China, GA 36-2018.

Province character, issuing letter, 5 letters or digits without I and O; new energy 6, with a letter A-K first or last; endings 挂 学 警 港 澳
领 使; armed police WJ; military by label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import END, Hit, Recognizer

_PROVINCE = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_GAP = r"[ \t·•.\-]{0,2}"
_LETTER, _ANY = "[A-HJ-NP-Za-hj-np-z]", "[0-9A-HJ-NP-Za-hj-np-z]"
_PLATE = re.compile(
    rf"[{_PROVINCE}]{_GAP}{_LETTER}{_GAP}"
    rf"(?:[A-HJKa-hjk]{_GAP}{_ANY}(?:{_GAP}[0-9]){{4}}|[0-9](?:{_GAP}[0-9]){{4}}{_GAP}[A-HJKa-hjk]|{_ANY}(?:{_GAP}{_ANY}){{3}}{_GAP}[挂学警港澳领使]|{_ANY}(?:{_GAP}{_ANY}){{4}}){END}"
    rf"|使{_GAP}(?:[0-9]{_GAP}){{6}}{END}|(?<![0-9])[0-9]{{6}}[使领]|WJ{_GAP}[{_PROVINCE}]?{_GAP}[0-9](?:{_GAP}[0-9A-Z]){{4}}{END}"
)


def find(text: str) -> Iterator[Hit]:
    """Yield plates with at least two digits (.85)."""
    for match in _PLATE.finditer(text):
        if sum(map(str.isdigit, match[0])) >= 2:
            yield Hit(*match.span(), "PLATE", 0.85, "CN_PLATE")


RECOGNIZER = Recognizer(
    "cn_plate", find, min_digits=2, trigger=re.compile(rf"[{_PROVINCE}使领]|WJ"), strong=True, expressions=(_PLATE,)
)
