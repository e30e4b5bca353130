"""Numbers that belong to nobody: orders, invoices, versions, parts, standards, laws, vitals, amounts, measures. They are kept from weaker finds.

A telephone rule sees eleven digits and a named-entity model a capital; the word ahead (`订单`, `invoice no.`), the unit behind (`mg`, `元`) or the form (`ISO 9001:2015`,
`29 CFR 1910.1200`, `CVE-2021-44228`) tells what the number is. A find of .9 or more (two checks, or a check and a word) stands nevertheless.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from appliance.privacy.glance import Glance, loosened
from appliance.privacy.recognizers.labels import BETWEEN, Labels, words
from appliance.privacy.recognizers.recognizer import Hit

__all__ = ["NAMES", "SURE", "find", "nameless", "rests"]

SURE = 0.9
NAMES = frozenset(("PERSON", "ORGANIZATION", "LOCATION", "NATIONALITY"))
_DATES = frozenset(("DATE", "BIRTH_DATE"))
_DAY = re.compile(
    r"(?:19|20)[0-9]{2}([.\-/])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([.\-/])[0-9]{1,2}\2(?:19|20)[0-9]{2}|[^0-9]*[A-Za-z年].*"
)
_ANY, _SHORT = "any", "short"  # whatever stands behind the word; or only a few digits, dotted or not
_LABELS = Labels(
    (
        # trade
        ("order, orders, purchase order, sales order, work order, po, form, invoice, invoices, inv, receipt, tracking, waybill, air waybill, awb, shipment, parcel, consignment, delivery note, transaction, txn, quotation, voucher, coupon, promo code, gift card", _ANY),
        ("订单, 订单号, 订单编号, 运单, 运单号, 快递, 快递号, 快递单, 快递单号, 物流单号, 单号, 提单号, 流水, 流水号, 交易号, 交易流水, 交易流水号, 交易单号, 交易编号, 发票, 发票号, 发票号码, 发票代码, 税票, 收据号, 小票号, 顺丰, 圆通, 中通, 申通, 韵达, 京东快递, 极兔, 邮政快递", _ANY),
        # goods and machines
        ("batch, lot, sku, item, part, parts, article, catalog(?:ue)?, cat, model, mod, pattern, fabric, colou?r, style, barcode, bar code, ean, upc, gtin, asin, hs code, ndc, cas, drawing, spec, schematic, size", _ANY),
        ("批号, 批次, 批次号, 生产批号, 疫苗批号, 批准文号, 条码, 条形码, 商品条码, 商品条形码, 69码, 货号, 款号, 色号, 型号, 规格, 规格型号, 机型, 零件, 零件号, 部件, 部件号, 配件, 物料, 物料号, 物料编码, 料号, 图号, 品号, 商品编号, 产品编号, CAS号, 货架号, 库位", _ANY),
        # software
        ("version, ver, release, upgraded? to, updated? to, rolled back to, ios, android, windows, python, java, node, nginx, mysql, postgres(?:ql)?, ubuntu, debian, chrome, firefox, firmware, build, kernel, revision, commit, changeset, hotfix, patch, error, error code, exit code, status code, return code, port, checksum, sha1, sha256, md5, digest, hash, issue, bug, ticket, jira, pull request, merge request, process, pid, row, rows, record count, counter, counter stood at, count, offset, cache key, timestamp", _ANY),
        ("版本, 版本号, 升级到, 升级至, 更新到, 更新至, 回退到, 回滚到, 内核, 内核版本, 固件, 固件版本, 补丁, 端口, 端口号, 错误码, 返回码, 状态码, 响应码, 缓存键, 主键, 序号, 行号第, 工单, 工单号, 任务号, 任务编号, 缺陷, 时间戳, 校验和, 哈希值, 计数, 计数器, 系统返回", _ANY),
        # papers and papers of value
        ("isbn, issn, doi, pmid, pmcid, arxiv, isin, cusip, sedol, ticker, patent, icd, icd-10, loinc, snomed, rxcui, drg, cpt, grant, nct", _ANY),
        ("股票代码, 股票, 基金代码, 基金, 证券代码, 债券代码, 买入, 卖出, 书号, 刊号, 期刊, 专利号, 专利, 标准号, 文号, 国药准字, 疾病编码, 主要诊断编码, 手术编码", _ANY),
        # places in a text, on a road, in the sky: few digits
        ("page, pages, pp, chapter, chapters, section, sections, sec, figure, fig, table, appendix, annex, clause, paragraph, para, footnote, exhibit, volume, vol, issue, line, column, slide, step, question, article, rule, reg, regulation, act, flight, train, bus, platform, gate, route, highway, exit, junction, channel, room temperature", _SHORT),
        ("第, 见, 参见, 详见, 见教材, 图, 表, 附件, 附录, 章节, 航班, 车次, 站台, 频道, 版面", _SHORT),
        # vitals and amounts
        ("bp, blood pressure, vitals, pulse, hr, heart rate, rr, resp rate, temp, temperature, weight, height, bmi, spo2, o2 sat, glucose, hba1c, hb, wbc, rbc, plt, platelets, creatinine, egfr, psa, tsh, sodium, potassium, score, ratio, amount, total, subtotal, balance, price, qty, quantity, revenue, profit", _SHORT),
        ("apgar, apgar score, 评分, 得分, 比分", _SHORT),
        ("商户号, 商户编号, 商户代码", _ANY),
        ("血压, 复测血压, 心率, 脉搏, 体温, 血糖, 体重, 身高, 呼吸, 白细胞, 血红蛋白, 金额, 余额, 合计, 共计, 总计, 价格, 单价, 总价, 库存, 数量, 用电, 用水, 收益率, 占比", _SHORT),
    )
)  # fmt: skip
_FILL = re.compile(
    rf"(?:\.(?=\s)|[ _\-]?(?:numbers?|nos?|num|id|code|identifier)(?![A-Za-z])\.?|{BETWEEN}|号码?|编号|代码)*",
    re.IGNORECASE,
)
_VALUES = {
    _ANY: re.compile(
        r"(?:[A-Z]{1,6}(?:[ \-]?(?=[0-9])|-[A-Z]{1,4}-))?(?=[0-9A-Za-z]*[0-9])[0-9A-Za-z]+(?:[.\-/_:+][0-9A-Za-z]+)*(?: [0-9A-Z]{2,6}(?![0-9A-Za-z]|[.\-/:][0-9]))*"
    ),
    _SHORT: re.compile(r"[A-Z]{0,3} ?[0-9]{1,5}(?:[.\-–/:][0-9]{1,4})*(?![0-9A-Za-z]|[.\-/ ]?[0-9])"),
}
_UNIT = (
    r"(?:(?:%|‰|℃|°C|°F|mmHg|kPa|mmol/?L?|μmol/?L?|umol/?L?|mol/?L|mg|mcg|μg|ug|ng|pg|kg|g|ml|mL|dl|dL|cm|mm|km|nm|kcal|kJ|IU|U/L|g/L|g/dL|bpm|Hz|kHz|MHz|GHz|kW|kWh|MW|mAh|V|GB|MB|KB|TB|dpi|px|rpm|fps"
    r"|units?|tablets?|pieces?|pcs|times|people|points|votes|employees|copies|shares|dollars|euros|pounds|yuan|miles|metres|meters|percent|hours|minutes|seconds|million|billion|thousand)(?![A-Za-z])"
    r"|(?:个(?!人)|件|元|万|亿|吨|公斤|千克|毫克|克|毫升|升|千瓦时|度电|米|公里|毫米|厘米|平方|立方|人次|份|台|套|辆|箱|盒|瓶|片|粒|支|袋|张|本|株|头|次|倍|手|股|点|分钟|小时|天|块|页|行|字|岁以|级|摄氏度|毫摩))"
)
_FORMS = (
    re.compile(rf"[0-9](?<![0-9A-Za-z.,\-/+].)[0-9]*(?:[.,][0-9]+)*(?: ?[×x*~\-/] ?[0-9]+(?:\.[0-9]+)?)? ?{_UNIT}"),
    re.compile(r"(?:[$€£¥￥]|(?<![A-Za-z])(?:USD|EUR|GBP|CNY|RMB|JPY|HKD)) ?[0-9]+(?:[.,][0-9]+)*(?: ?[kKmM万亿])?"),
    re.compile(r"(?<![0-9A-Za-z])(?:ISO|IEC|IEEE|ANSI|ASTM|NIST|FIPS|RFC|ITU|JIS|GB|GBZ|GBJ|YY|HJ|QB|CJJ|JGJ|TCVN)(?:/[A-Z]{1,4})*(?:[ \-](?:[A-Z]{1,3}[ \-]?)?)?[0-9]{1,6}(?:[.\-][0-9]+)*(?::[0-9]{4})?(?![0-9A-Za-z])"),
    re.compile(r"(?<![0-9A-Za-z])(?:DIN|EN|BS|SN|GA|WS|JR|JT|DL|NY|SY|MT|SL|LY|YC|DB[0-9]{2})(?:/[A-Z])? ?[0-9]{1,6}(?:\.[0-9]+)*[\-:][0-9]{4}(?![0-9A-Za-z])"),
    re.compile(r"(?<![0-9A-Za-z])(?:CVE-[0-9]{4}-[0-9]{4,7}|CWE-[0-9]+|NCT[0-9]{8}|UTC ?[+\-][0-9]{1,2}(?::?[0-9]{2})?|GMT ?[+\-][0-9]{1,2}(?::[0-9]{2})?)(?![0-9A-Za-z])"),
    re.compile(r"(?<![0-9A-Za-z])[0-9]{1,3} (?:C\.?F\.?R\.?|U\.?S\.?C\.?|F\.? ?[23]d|F\. ?Supp)(?: Part| part| §+)? ?[0-9]+(?:\.[0-9]+)*(?:\([0-9a-z]+\))*|§+ ?[0-9]+(?:[.\-][0-9]+)*(?:\([0-9a-z]+\))*"),
    re.compile(r"(?<![0-9A-Za-z])Fed\. ?R\. ?(?:Civ|Crim|Evid|App|Bankr)\.(?: ?P\.)? ?[0-9]+(?:\.[0-9]+)?(?:\([0-9A-Za-z]{1,3}\))*"),
    re.compile(r"(?<![0-9A-Za-z])[0-9]{1,3} U\. ?S\. [0-9]{1,4}(?![0-9])"),
    re.compile(r"(?<![0-9A-Za-z])10\.[0-9]{4,9}/[0-9A-Za-z._;()/:\-]*[0-9A-Za-z]"),
    re.compile(r"(?<![0-9A-Za-z])[vV][0-9]+(?:\.[0-9]+){1,3}(?:-[0-9a-z.]+)?(?![0-9A-Za-z])"),
    re.compile(r"(?<![0-9A-Za-z.])(?:1[3-9]|[2-9][0-9])\.(?:1[3-9]|[2-9][0-9])\.[0-9]{1,3}(?![0-9A-Za-z]|\.[0-9])"),  # no month in it
    re.compile(r"(?<![0-9A-Za-z])[A-TV-Z][0-9]{2}\.[0-9]{1,3}(?![0-9A-Za-z]|[.\-·/][0-9])"),  # ICD-10
    re.compile(r"第 ?[0-9]{1,5}(?:[.\-][0-9]{1,4})* ?[条款项章节页号回集期届版次]"),
)  # fmt: skip
# A word without which the forms from the third on stand nowhere; a sign for those that need none.
_STANDARDS = frozenset(
    [
        "iso",
        "iec",
        "ieee",
        "ansi",
        "astm",
        "nist",
        "fips",
        "rfc",
        "itu",
        "jis",
        "gb",
        "gbz",
        "gbj",
        "yy",
        "hj",
        "qb",
        "cjj",
        "jgj",
        "tcvn",
    ]
)
_STANDARDS |= frozenset(
    [
        "din",
        "en",
        "bs",
        "sn",
        "ga",
        "ws",
        "jr",
        "jt",
        "dl",
        "ny",
        "sy",
        "mt",
        "sl",
        "ly",
        "yc",
        "db",
        "cve",
        "cwe",
        "nct",
        "utc",
        "gmt",
        "c",
        "cfr",
        "u",
        "usc",
        "f",
        "fed",
        "v",
    ]
)
_SIGN = re.compile(r"§|第|10\.[0-9]{4}|[A-TV-Z][0-9][0-9]\.")
# What no person, company or place is called, whatever a model says: no letter at all, a flight or road, a hash.
_NAMELESS = re.compile(
    r"[\W\d_]+|(?=[^0-9]*[0-9])(?!(?:[0-9][A-Z]|[A-Z][0-9])$)(?:[\W\d_]|[A-Za-z](?![^\W\d_]))+|[A-Z]{1,3}[0-9]{2,4}|(?=[a-f]*[0-9])(?=[0-9]*[a-f])[0-9a-f]{7,64}"
)


def nameless(text: str) -> bool:
    """Tell whether `text`, which a model takes for a name, is a number and no name."""
    return bool(_NAMELESS.fullmatch(text))


@cache
def _glance() -> Glance[str]:
    """Return what tells that there is something to find in a text."""
    return Glance([{"forms": _FORMS}, {"labels": (_labelled,)}])


def _labelled() -> list[str]:
    fill = loosened(_FILL, left=False, right=False)
    return _LABELS.loosened(lambda reach: fill + loosened(_VALUES[reach], left=False))


def find(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of numbers that belong to nobody."""
    if not _glance()(text):
        return
    for _start, end, reach in _LABELS.find(text):
        filled = _FILL.match(text, end)
        value = _VALUES[reach].match(text, filled.end() if filled else end)
        if value and (filled or value.start() == end):
            yield value.span()
    known = words(text)
    special = (
        _SIGN.search(text)
        or not _STANDARDS.isdisjoint(known)
        or not _STANDARDS.isdisjoint({word[:3] for word in known})
    )
    for form in _FORMS if special else _FORMS[:2]:
        for match in form.finditer(text):
            yield match.span()


def rests(text: str, hit: Hit, shields: Sequence[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """Return what `shields` leave of a hit: nothing when they cover half of its letters and digits, all of a sure one, of a name what lies beside them.

    Other numbers are never cut: a part of one would be left in the text.
    """
    touching = [(start, end) for start, end in shields if start < hit.end and end > hit.start]
    if not touching or hit.score >= SURE:
        return [(hit.start, hit.end)]
    places = [place for place in range(hit.start, hit.end) if text[place].isalnum()]
    covered = sum(any(start <= place < end for start, end in touching) for place in places)
    if 2 * covered >= len(places):
        return [(hit.start, hit.end)] if hit.kind in _DATES and _DAY.fullmatch(text, hit.start, hit.end) else []
    if hit.kind not in NAMES and hit.kind != "ADDRESS":
        return [(hit.start, hit.end)]
    pieces = [(hit.start, hit.end)]
    for shield in touching:
        pieces = [piece for each in pieces for piece in _cut(each, shield)]
    return pieces


def _cut(piece: tuple[int, int], shield: tuple[int, int]) -> list[tuple[int, int]]:
    (start, end), (low, high) = piece, shield
    if high <= start or end <= low:
        return [piece]
    return [(a, b) for a, b in ((start, low), (high, end)) if a < b]
