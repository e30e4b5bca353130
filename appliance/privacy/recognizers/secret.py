"""Secrets: private keys (RFC 7468), JSON web tokens (RFC 7519), keys of cloud and web services by the form their issuers document, passwords by label.

Class C3 of JR/T 0171-2020; network identity authentication data by GB/T 35273-2020 annex B.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.glance import loosened
from appliance.privacy.recognizers.labels import BETWEEN, Labels
from appliance.privacy.recognizers.recognizer import Hit, Recognizer

_EDGE = r"(?<![0-9A-Za-z_\-])"
_PEM = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:.{0,20000}?-----END [A-Z ]+-----|[0-9A-Za-z+/=\s]{1,8000})",
    re.DOTALL,
)
_JWT = re.compile(rf"{_EDGE}eyJ[0-9A-Za-z_\-]{{8,}}\.[0-9A-Za-z_\-]{{4,}}(?:\.[0-9A-Za-z_\-]{{4,}})?")
_ISSUED = re.compile(
    _EDGE
    + r"(?:(?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}|AIza[0-9A-Za-z_\-]{35}|ya29\.[0-9A-Za-z_\-]{20,}|GOCSPX-[0-9A-Za-z_\-]{28}"
    r"|gh[opusr]_[0-9A-Za-z]{36,}|github_pat_[0-9A-Za-z_]{22,}|glpat-[0-9A-Za-z_\-]{20,}|xox[abeoprs]-[0-9A-Za-z\-]{10,}"
    r"|(?:sk|pk|rk)_(?:live|test)_[0-9A-Za-z]{16,}|whsec_[0-9A-Za-z]{24,}|sk-(?:proj-|ant-)?[0-9A-Za-z_\-]{20,}|SG\.[0-9A-Za-z_\-]{16,}\.[0-9A-Za-z_\-]{16,}"
    r"|hf_[0-9A-Za-z]{30,}|npm_[0-9A-Za-z]{36}|pypi-[0-9A-Za-z_\-]{40,}|dop_v1_[0-9a-f]{64}|AC[0-9a-f]{32}|SK[0-9a-f]{32}|key-[0-9a-f]{32}|LTAI[0-9A-Za-z]{12,24}|AKID[0-9A-Za-z]{16,40}"
    r"|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}|EAA[0-9A-Za-z]{60,}|ATATT3[0-9A-Za-z_\-=]{60,}|dckr_pat_[0-9A-Za-z_\-]{20,}|AGE-SECRET-KEY-1[0-9A-Z]{58})"
    r"(?![0-9A-Za-z])"
)
_LONG = 17  # characters of the shortest key
_STRICT = "a colon must follow"
_LABELS: Labels[str | None] = Labels(
    (
        ("password, passwords, passwd, pwd, pass word, pass ?phrase, pass ?code, secret, token, credentials, bearer, otp, one time (?:code|password|pin), verification code, security answer, recovery code, backup code", None),
        ("api_?key, apikey, passkey, wifi key, wi-fi password, wifi password, api key, api secret, api token, secret key, secret access key, access key, access key id, access token, private key, encryption key, account key, accountkey, signing key, shared key, license key, client secret, app secret, shared secret, auth token, refresh token, session token, bot token, session id, sessionid, cookie", None),
        ("pw, pass", _STRICT),
        ("密码, 口令, 密钥, 秘钥, 令牌, 验证码, 校验码, 动态码, 授权码, 提取码, 取件码, 登录密码, 初始密码, 默认密码, 支付密码, 交易密码", None),
    )
)  # fmt: skip
_QUOTE = "[\"'`]?"
_STOP = rf"(?={_QUOTE}(?:[,;，。；、)）\s]|$|[\u4e00-\u9fff]))"
_MARKED = re.compile(
    rf"(?=\s{{0,2}}[^ 0-9A-Za-z]|\n|填|\s(?:is|was) ?:)(?P<link>{BETWEEN}+)>?\s?(?P<value>[!-~]{{4,200}}?){_STOP}"
)
_TOLD = re.compile(
    rf"\s(?:(?:is|was|to|of|set to|changed to)\s)?{_QUOTE}(?=[!-~]*[0-9])(?=[!-~]*[A-Za-z!@#$%^&*])(?P<value>[!-~]{{5,200}}?)(?=[\"'`.]?(?:[,;\s]|$))"
)
_DIGITS = re.compile(r"\s?(?:is|was|[:=是为])?\s?(?P<value>[0-9](?: ?[0-9]){3,7})(?![0-9A-Za-z%])")
_PATTERNS = ((_MARKED, 0.8), (_TOLD, 0.7), (_DIGITS, 0.7))
_BEARER = re.compile(r"(?<![A-Za-z])(?:Bearer|Basic)\s([0-9A-Za-z._~+/\-]{16,}=*)")
_HARMLESS = re.compile(
    r"(?:reset|required?|incorrect|wrong|invalid|expired|changed|forgotten|null|none|true|false|yes|no|the|not|please|\*+|x+|\.+|<.*>?|\{.*\}|\$.*|https?:.*)$",
    re.IGNORECASE,
)


def find(text: str) -> Iterator[Hit]:
    """Yield keys by form (.95) and secrets behind their label (.8; words in a sentence .7)."""
    if max(map(len, text.split()), default=0) >= _LONG or "-----BEGIN" in text:
        for pattern, form in ((_PEM, "PRIVATE_KEY"), (_JWT, "JWT"), (_ISSUED, "CLOUD_KEY")):
            for match in pattern.finditer(text):
                yield Hit(*match.span(), "SECRET", 0.95, form)
        for match in _BEARER.finditer(text):
            yield Hit(*match.span(1), "SECRET", 0.8, "CLOUD_KEY")
    for _start, end, strict in _LABELS.find(text):
        for pattern, score in _PATTERNS[:1] if strict else _PATTERNS:
            found = pattern.match(text, end)
            if found and not _HARMLESS.match(found["value"]) and (pattern is not _MARKED or _tied(found)):
                yield Hit(*found.span("value"), "SECRET", score, "PASSWORD")
                break


def _tied(found: re.Match[str]) -> bool:
    """Tell whether a colon or the like ties the value to its label; a mere bracket does only where the value is no word."""
    return bool(re.search(r"[:=|\n\t是为填\"“'`]", found["link"]) or re.search("[0-9]", found["value"]))


def _labelled() -> list[str]:
    values = [loosened(pattern, left=False) for pattern, _score in _PATTERNS]
    return _LABELS.loosened(lambda strict: values[0] if strict else f"(?:{'|'.join(values)})")


RECOGNIZER = Recognizer("secret", find, strong=True, expressions=(_PEM, _JWT, _ISSUED, _BEARER, _labelled))
