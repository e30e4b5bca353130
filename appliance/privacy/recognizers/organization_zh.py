"""Organizations in Chinese by their legal form or by what they are: companies, branches of banks, law offices, partnerships, cooperatives.

The forms are those of the Company Law (2023) art. 7, the Partnership Enterprise Law art. 15 and the provisions on enterprise names (State Council, 2020) art. 6:
place, trade name, trade, form. Where a name begins is guessed: behind punctuation, at its place, or behind the last word that no name holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import Hit, Recognizer

_FORMS = (
    "股份有限公司|有限责任公司|有限公司|股份公司|集团公司|分公司|律师事务所|会计师事务所|税务师事务所|专业合作社|合作社|农村信用社|信用社"
    "|有限合伙|普通合伙|支行|分行|营业部|分理处|储蓄所"
)
_RUN = re.compile(
    rf"[\u4e00-\u9fff0-9A-Za-z·&()]{{2,40}}?(?:{_FORMS})(?:[\u4e00-\u9fff]{{2,8}}?(?:分公司|支行|分行|营业部))?"
)
_PLACES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|内蒙古|广西|西藏|宁夏|新疆|香港|澳门|台湾"
    "|深圳|广州|杭州|南京|苏州|无锡|常州|南通|宁波|温州|嘉兴|绍兴|金华|合肥|芜湖|福州|厦门|泉州|南昌|济南|青岛|烟台|潍坊|临沂|郑州|洛阳|武汉|宜昌|襄阳|长沙|株洲|佛山|东莞|珠海|中山|惠州|汕头|海口|三亚"
    "|成都|绵阳|贵阳|昆明|西安|兰州|西宁|银川|乌鲁木齐|呼和浩特|包头|石家庄|唐山|保定|太原|大同|沈阳|大连|鞍山|长春|哈尔滨|大庆|南宁|柳州|桂林|拉萨"
)
_BANKS = "中国工商银行|中国农业银行|中国建设银行|中国银行|交通银行|招商银行|中信银行|光大银行|华夏银行|民生银行|平安银行|兴业银行|浦发银行|广发银行|邮储银行|中国邮政储蓄银行|工商银行|农业银行|建设银行|工行|农行|建行|中行|交行|招行"
_START = re.compile(rf"(?<!\()(?:{_PLACES})(?:省|市|特别行政区|自治区)?(?!路|街|大道)|(?:{_BANKS})")
# What stands ahead of a name and is no part of it.
_AHEAD = re.compile(
    r"贵行|我行|本行|该行|他行|从事|原审原告|原审被告|原告|被告|被上诉人|上诉人|被申请人|申请人|被执行人|申请执行人|债权人|债务人|第三人|保证人|担保人|委托人|受托人|户名|单位|名称|全称|抬头|公司名|雇主|入职|就职|任职|供职|受雇|隶属|就读|来自|位于|甲方|乙方|丙方|客户|供应商|开户行|收款人|付款人|承运方|承租人|出租人|发包人|承包人|总包方"
    r"|购买方|销售方|签约|签订|委托|起诉|投诉|举报|收购|控股|投资|成立|设立|注册|加盟|担任|出任|跳槽到|以及|并且|通过|关于|属于|由于|对于|根据|按照|经过|他们|我们|你们|是|的|了|在|到|从|由|向|被|把|给|将|请|找|去|叫|说|系|与|及|和|或|对|于|为|因|经|让|据|即"
)
_TRADE = re.compile(
    r"(?:技术|科技|信息|网络|软件|电子|商贸|贸易|进出口|实业|投资|控股|发展|建设|建筑|工程|材料|建材|装饰|设计|咨询|管理|服务|物流|运输|文化|传媒|传播|广告|教育|医疗|医药|生物|食品|餐饮|酒店|旅游|房地产|置业|物业|汽车|机械|设备|制造|化工|能源|电力|环保|农业|保险|财产|人寿|证券|基金|租赁|国际|中国|集团|国有|民营|外资|私营|大型|小型|上市|股份|责任|本|该|我|贵|其|某|各|家|一家|这家|那家|两家|多家|总|子|母|分|[0-9]+)*"
)
_CITY = re.compile(r"[\u4e00-\u9fff]{2,4}(?:省|市|自治区|县)")
_ANY = re.compile(
    r"(?:设立|成立|开设|筹建|拆|拆分|部|各|各地|某|某些|不同|一些|许多|法人|级|等|一|为|将|[一二三四五六七八九十两0-9各多几][大家]|一家城市|所有|全部|任何|其他|哪个|哪家|(?:某|一些|各|各大|外资|商业|国有)银行)$"
)  # 某银行支行: any of them
_LEAST = 2  # characters of a name without place, trade and form


def find(text: str) -> Iterator[Hit]:
    """Yield organizations by their form (.6); forms without a name of their own (该有限公司, 某银行支行) are none."""
    for match in _RUN.finditer(text):
        start = _start(text, match.start(), match.end())
        if start is not None:
            yield Hit(start, match.end(), "ORGANIZATION", 0.6)


def _start(text: str, start: int, end: int) -> int | None:
    """Return where the name that ends at `end` begins: at its last place or bank that leaves a name, else behind the last word that stands ahead of names and leaves one."""
    run = text[start:end]
    inside = re.search(rf"(?:{_FORMS})", run)
    form = inside.start() if inside else len(run)
    places = [match.start() for match in _START.finditer(run, 0, form)]
    ends = places or [0, *(match.end() for match in _AHEAD.finditer(run, 0, form))]
    for place in reversed(ends):
        if _names_one(run[place:form]):
            return start + place
    return None


def _names_one(name: str) -> bool:
    """Tell whether a name without its form says more than a trade, a place, a word for any of them."""
    place = _CITY.match(name) or _START.match(name)
    rest = name[place.end() :] if place else name
    if _ANY.search(name) or not rest:
        return False
    return bool(place) or len(_TRADE.sub("", rest)) >= _LEAST


RECOGNIZER = Recognizer(
    "organization_zh",
    find,
    trigger=re.compile("公司|事务所|合作社|信用社|合伙|[支分]行|营业部|分理处|储蓄所"),
    names=True,
)
