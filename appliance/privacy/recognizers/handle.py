"""Account names on networks: @name, QQ numbers, WeChat ids (6 to 20 characters, first a letter), other accounts by their label.

Online identifiers are personal data by GDPR article 4(1) and GB/T 35273-2020 annex A.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.glance import loosened
from appliance.privacy.recognizers.labels import BETWEEN, Labels
from appliance.privacy.recognizers.recognizer import Hit, Recognizer

_AT = re.compile(r"(?<![0-9A-Za-z._%+\-@/])@(?: (?=[A-Za-z_]*[0-9_]))?([A-Za-z_][0-9A-Za-z_.\-]{1,38}[0-9A-Za-z_])")
_AT_HAN = re.compile(
    r"(?<![0-9A-Za-z])@([\u4e00-\u9fff][\u4e00-\u9fff0-9A-Za-z_\-]{1,14})(?![\u4e00-\u9fff0-9A-Za-z_\-])"
)
_MADE_BY_A_NETWORK = re.compile(
    r"(?<![0-9A-Za-z_])(?:wxid_[0-9a-z]{6,20}|(?:(?<![/.])/)?u/[0-9A-Za-z_\-]{3,20})(?![0-9A-Za-z_\-/.])"
)
_IS = rf"(?:号码?|账号|帐号|群号?|同号|ID|id|搜索?|添加|加|联系|查找|找|名|叫|我|{BETWEEN})*"
_QQ = re.compile(rf"{_IS}(?P<value>[1-9](?:[ \-.·]?[0-9]){{4,11}})(?![0-9])")
_WECHAT = re.compile(
    rf"(?: id| ID)?{_IS}(?P<value>[A-Za-z][0-9A-Za-z_\-]{{5,19}}|[0-9]{{5,12}}|1[3-9](?:[ \-.·]?[0-9]){{9}})(?![0-9A-Za-z_])"
)
_NAMED = re.compile(
    rf"\s?(?:id|name|账号|帐号|ID)?(?P<link>{BETWEEN}+)@?(?P<value>(?:live:)?[0-9A-Za-z_][0-9A-Za-z_.\-]{{1,37}}[0-9A-Za-z_\-])",
    re.IGNORECASE,
)
_LABELS = Labels(
    (
        ("qq, 扣扣, 企鹅号", (_QQ, "QQ")),
        ("wechat, wx, vx, weixin, 微信, 威信, 薇信, 微信号, v信, V信, 加v, 加V, 加我v, 加我V, 加个v, 加个V, 我的v, 我v, 绿泡泡", (_WECHAT, "WECHAT")),
        ("username, user name, userid, user id, login, screen name, screenname, skype, telegram, instagram, ig, twitter, facebook, fb, snapchat, snap, whatsapp, discord, handle, nickname, tiktok, linkedin, github, reddit, signal, line id", (_NAMED, "")),
        ("用户名, 登录名, 账户名, 微博, 抖音, 抖音号, 快手, 快手号, 支付宝, 淘宝, 钉钉, 钉钉号, 陌陌, 陌陌号, 昵称, 小红书, 小红书号, B站, 旺旺, 登录账号, 网名", (_NAMED, "")),
    )
)  # fmt: skip
# Behind a label names of an account may have any letters: 对方ID"数码小王子_01", 昵称:南山南; `v:` alone is WeChat among Chinese.
_ANY_LETTERS = re.compile(
    r"(?:昵称|网名|(?:对方|用户|账号|店铺|卖家|买家|主播|博主|游戏|玩家|up主)(?:的)?(?:ID|id|名))(?:[\s:=\"“'‘「【]|为|是|叫)+"
    r"((?![为是叫])[\u4e00-\u9fff0-9A-Za-z_\-.·~]{2,20})(?=[\"”'’」】,，。;；!！?？、\s()（）]|$)"
)
_V = re.compile(r"(?<![0-9A-Za-z])[vV]:\s?([A-Za-z][0-9A-Za-z_\-]{5,19})(?![0-9A-Za-z_.])")
_EVERYBODY = re.compile(
    r"(?:所有人|全体成员|全员|全体|大家|各位|all|everyone|here|channel|team|everybody)(?![0-9A-Za-z_])", re.IGNORECASE
)
_LINK = re.compile(r"[:=|\n\t是为填]")  # what ties a name to its label
_ODD = re.compile("[0-9_]")  # behind a mere `is` only what is no word
_STOP = re.compile(r"(?:is|was|not|and|the|for|with|zhifu|pay|app)$", re.IGNORECASE)


def find(text: str) -> Iterator[Hit]:
    """Yield handles behind @ (.6) and by label (.8)."""
    if "@" in text:
        for pattern in (_AT, _AT_HAN):
            for match in pattern.finditer(text):
                if not _EVERYBODY.match(match[1]):
                    yield Hit(*match.span(), "HANDLE", 0.6)
    for match in _MADE_BY_A_NETWORK.finditer(text) if "wxid_" in text or "u/" in text else ():
        yield Hit(*match.span(), "HANDLE", 0.8)
    if not text.isascii():
        for pattern in (_ANY_LETTERS, _V):
            for match in pattern.finditer(text):
                yield Hit(*match.span(1), "HANDLE", 0.7)
    for _start, end, (value, form) in _LABELS.find(text):
        found = value.match(text, end)
        if (
            found
            and not _STOP.match(found["value"])
            and (form or _LINK.search(found["link"]) or _ODD.search(found["value"]))
        ):
            yield Hit(*found.span("value"), "HANDLE", 0.8, form)


RECOGNIZER = Recognizer(
    "handle",
    find,
    expressions=(
        _AT,
        _AT_HAN,
        _MADE_BY_A_NETWORK,
        _ANY_LETTERS,
        _V,
        lambda: _LABELS.loosened(lambda row: loosened(row[0], left=False)),
    ),
)
