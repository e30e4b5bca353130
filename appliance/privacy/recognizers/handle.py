"""Account names on networks: @name, QQ numbers, WeChat ids (5 to 20 characters, first a letter), other accounts by their label.

Online identifiers are personal data by GDPR article 4(1) and GB/T 35273-2020 annex A.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import Hit, Recognizer

_AT = re.compile(r"(?<![0-9A-Za-z._%+\-@/])@ ?([A-Za-z_][0-9A-Za-z_.\-]{1,38}[0-9A-Za-z_])")
_AT_HAN = re.compile(r"(?<![0-9A-Za-z])@([\u4e00-\u9fff][\u4e00-\u9fff0-9A-Za-z_\-]{1,14})(?=[\s:：,，@]|$)")
_IS = r"(?:号码?|账号|帐号|ID|id)?\s*(?:是|为|is|:|：|=)?\s*"
_QQ = re.compile(
    rf"(?<![A-Za-z])[Qq]{{2}}(?:群|邮箱)?{_IS}([1-9][0-9]{{4,11}})(?![0-9])|扣扣{_IS}([1-9][0-9]{{4,11}})(?![0-9])"
)
_WECHAT = re.compile(
    rf"(?:微信|微信号|威信|薇信|(?<![A-Za-z])(?:[Ww]e[Cc]hat|WX|wx|vx|VX|[Vv]信))(?: id| ID)?{_IS}([A-Za-z][0-9A-Za-z_\-]{{4,19}}|[0-9]{{5,12}})(?![0-9A-Za-z_])"
)
_LABELLED = re.compile(
    r"(?:(?<![A-Za-z])(?:user ?name|user ?id|login|screen ?name|skype|telegram|instagram|twitter|facebook|snapchat|whatsapp|discord|handle|nickname)\s*(?:id|name)?\s*(?:is|:|=)\s*@?"
    r"|(?:用户名|登录名|账户名|微博|抖音号?|快手号?|支付宝|淘宝|钉钉号?|陌陌号?|昵称)(?:账号|帐号|ID)?\s*(?:是|为|:|：|=)\s*@?)([0-9A-Za-z_][0-9A-Za-z_.\-]{2,38})",
    re.IGNORECASE,
)


def find(text: str) -> Iterator[Hit]:
    """Yield handles behind @ (.6) and by label (.8)."""
    for match in _AT.finditer(text):
        yield Hit(*match.span(), "HANDLE", 0.6)
    for match in _AT_HAN.finditer(text):
        yield Hit(*match.span(), "HANDLE", 0.6)
    for pattern in (_QQ, _WECHAT, _LABELLED):
        for match in pattern.finditer(text):
            group = next(index for index, value in enumerate(match.groups(), 1) if value)
            yield Hit(*match.span(group), "HANDLE", 0.8)


RECOGNIZER = Recognizer(
    "handle",
    find,
    trigger=re.compile(
        r"@|[Qq]{2}|扣扣|[微威薇]信|[Vv]信|[Ww]e[Cc]hat|[WwVv][Xx]|微博|抖音|快手|支付宝|淘宝|钉钉|陌陌|昵称|用户名|登录名|账户名|user|login|screen|skype|telegram|instagram|twitter|facebook|snapchat|whatsapp|discord|handle|nickname",
        re.IGNORECASE,
    ),
)
