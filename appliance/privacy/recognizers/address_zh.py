"""Chinese addresses: province, city, district, town, road, number, building, unit, room (GB/T 2260, GB/T 23705-2009 parts of an address).

A core (a road with its number, a building with its room, two levels of administration) is found first; then the address is followed to the left,
to the first character that no place name has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import Hit, Recognizer

_HAN = "[\u4e00-\u9fff]"
_NUMBER = "(?:[甲乙丙丁]?[0-9]{1,5}[A-Za-z]?|[一二三四五六七八九十百千零〇两甲乙丙丁]{1,6}|[A-Za-z][0-9]{0,4})"
_RANGE = rf"{_NUMBER}(?:[\-—~之至][0-9]{{1,5}})?"
_ROAD = "(?:路|街|大道|大街|巷|弄|胡同|里弄|道|公路|环路|街道|支路|横路|新路|马路|巷子|里)"
_ESTATE = "(?:小区|社区|花园|公寓|大厦|广场|家园|新村|花苑|苑|山庄|别墅|公馆|名都|名苑|新城|华庭|大院|宿舍|家属院|大楼|写字楼|工业园|产业园|科技园|园区|商城|中心|村|屯|组|队)"
_UNIT = rf"(?:第?{_RANGE}(?:号楼|号院|号|栋|幢|座|楼|单元|室|层|房间|房|门|户|梯|弄|组|队|村|宅|铺|店面|期)|{_HAN}{{0,8}}?{_ESTATE}|[A-Za-z]座|[东南西北中]+[区院门楼]|[0-9]{{3,4}}(?![0-9年月日元个人次%.:]))"
_DIRECTION = "(?:[东南西北中][一二三四五六七八九十]?段?|[一二三四五六七八九十0-9]{1,2}段)?"
_CORES = (
    # 建国路88号3栋2单元501室
    (re.compile(rf"{_HAN}{_ROAD}{_DIRECTION}\s?{_RANGE}(?:号院|号|弄|巷|院)(?!线)(?:[\s,\-]?{_UNIT}){{0,8}}"), 0.85),
    # 阳光小区3栋501室, 3号楼2单元501
    (re.compile(rf"(?:{_HAN}{_ESTATE}\s?)?第?{_NUMBER}(?:号楼|栋|幢|座|单元|号院)(?:[\s,\-]?{_UNIT}){{1,6}}"), 0.8),
    (re.compile(rf"{_HAN}{_ESTATE}\s?第?{_NUMBER}(?:号楼|栋|幢|座|号|组|队|室)(?:[\s,\-]?{_UNIT}){{0,6}}"), 0.75),
    # 四川省成都市武侯区, 朝阳区望京街道
    (re.compile(rf"{_HAN}(?:省|自治区){_HAN}{{2,7}}?(?:市|州|盟|地区)(?:{_HAN}{{1,7}}?(?:区|县|旗|市))?(?:{_HAN}{{1,7}}?(?:镇|乡|街道))?(?:{_HAN}{{1,7}}?(?:村|社区))?"), 0.7),
    (re.compile(rf"{_HAN}市{_HAN}{{1,6}}?(?:区|县|旗)(?:{_HAN}{{1,7}}?(?:镇|乡|街道))?(?:{_HAN}{{1,8}}?(?:村|社区|{_ROAD}))?"), 0.65),
    (re.compile(rf"{_HAN}{{1,4}}(?:区|县){_HAN}{{1,6}}?(?:镇|乡|街道)(?:{_HAN}{{1,7}}?(?:村|社区)(?:{_RANGE}[组号])?)?"), 0.65),
)  # fmt: skip
_LABELLED = re.compile(
    r"(?:(?:家庭|通讯|通信|联系|收货|收件|寄件|户籍|居住|现住|工作|单位|公司|注册|详细|常住|邮寄|办公)?(?:地址|住址|住所地?|户籍地)|现住|家住|住在|居住于|居住在|住于)[:为是\s]{0,3}"
    rf"((?:{_HAN}|[0-9A-Za-z\-()#]){{4,45}})"
)
_POSTCODE = re.compile(r"(?:邮编|邮政编码|邮码|邮编号码)[:为是\s]{0,3}([0-9]{6})(?![0-9])")
# Characters that place names do not have: what stands ahead of an address.
_STOP = frozenset(
    "住在于址到往从的了是我你他她您请把将被至去来位为就已又还也都并且而或及与叫说问给对向跟让使有没不可能会要想应该当时候时间后前,.;:!?，。；：！？、“”\"'()（）[]【】<>《》|/\n\t "
)
# Words that end ahead of an address and have characters of place names.
_LEAD = re.compile(
    r".{0,8}?(?:户籍所在地|所在地|住所地|所地|住所|地址|户籍地|居住地|老家|家住|现住|暂住|现居|租住|租房|坐落|座落|位于|籍贯|祖籍|来自|毕业|就读|路过|前|抵达|途经|返回|不服|服)"
)
# An address has one of these (一座大厦 has none), and speaks of one city (全市各区 of all).
_CERTAIN = re.compile(r"[0-9A-Za-z]|[路街巷弄村镇乡省市区县旗号室]|单元|胡同")
_ANY_CITY = re.compile(r"[全各该本我]市|各个|城市|[上股楼超]市|市[场民值]")
_ENDS_LIKE_A_PLACE = re.compile(
    rf"{_HAN}{{2}}(?:[路街巷村镇乡区县弄]|大道|胡同|小区|花园|公寓|大厦|广场|家园|新村|社区|街道)"
)
_LONGEST = 30
_PARTS = re.compile(r"[省市区县镇乡村路街道巷弄号栋幢座楼室]")


def find(text: str) -> Iterator[Hit]:
    """Yield addresses by their parts (.65-.85), what stands behind an address label (.7), postcodes by label."""
    for pattern, score in _CORES:
        for match in pattern.finditer(text):
            start = _leftmost(text, match.start())
            lead = _LEAD.match(text, start, match.start())
            start = lead.end() if lead else start
            if _CERTAIN.search(text, start, match.end()) and not _ANY_CITY.search(text, start, match.end()):
                yield Hit(start, match.end(), "ADDRESS", score)
    for match in _LABELLED.finditer(text):
        if len(set(_PARTS.findall(match[1]))) >= 2:
            last = list(_PARTS.finditer(match[1]))[-1].end()
            tail = re.compile(r"[0-9A-Za-z\-]{0,6}").match(match[1], last)
            yield Hit(match.start(1), match.start(1) + (tail.end() if tail else last), "ADDRESS", 0.7)
    for match in _POSTCODE.finditer(text):
        yield Hit(*match.span(1), "POSTCODE", 0.85)


def _leftmost(text: str, start: int) -> int:
    position = start
    while (
        position > 0
        and start - position < _LONGEST
        and (_is_han(text[position - 1]) and text[position - 1] not in _STOP)
    ):
        position -= 1
    return position


def _is_han(character: str) -> bool:
    return "\u4e00" <= character <= "\u9fff"


def _find_eagerly(text: str) -> Iterator[Hit]:
    """Yield the addresses of `find`, and whatever ends like a road, a village, a district or an estate (.3)."""
    yield from find(text)
    for match in _ENDS_LIKE_A_PLACE.finditer(text):
        yield Hit(_leftmost(text, match.start()), match.end(), "ADDRESS", 0.3)


RECOGNIZER = Recognizer(
    "address_zh",
    find,
    trigger=re.compile("[省市区县镇乡村路街道巷弄号栋幢座楼室苑址编]"),
    names=True,
    eager=_find_eagerly,
)
