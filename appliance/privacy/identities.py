"""Synthetic identities of every kind, in English and Chinese, from a seed: valid by their standard, in the sentences in which people write them.

They are planted into copies of a site's own records to measure what the scrub finds there (`recall.py`), and into a whole site to see that nothing stays
(the canary). Names are put together from lists of common ones; e-mail and web addresses take the domains that RFC 2606 keeps free, IP addresses the blocks of
RFC 5737 and RFC 3849. Numbers pass their check digit, so by chance one may have been given out: they are written nowhere.
"""

from __future__ import annotations

import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Literal

from appliance.privacy import check_digits as check
from appliance.privacy.kinds import FORMS, KINDS

__all__ = ["IDENTITIES", "Form", "carrier", "forms", "make"]

Language = Literal["en", "zh"]
Maker = Callable[[Random], str]


@dataclass(frozen=True, slots=True)
class Form:
    """One form that a kind takes: what makes a value, and the sentences around it (`{}`) in each language that writes it."""

    name: str
    make: Maker
    en: tuple[str, ...] = ()
    zh: tuple[str, ...] = ()


def forms(kind: str, language: Language) -> tuple[Form, ...]:
    """Return the forms of `kind` that are written in `language`. A kind that is part of another takes that one's. Raises `KeyError` for an unknown kind."""
    known = {each.name: each for each in (*KINDS, *FORMS)}
    parent = known[kind].parent
    of_kind = IDENTITIES.get(kind) or IDENTITIES[parent]
    named = tuple(form for form in of_kind if form.name == kind) or of_kind
    return tuple(form for form in named if (form.zh if language == "zh" else form.en)) or named


def make(kind: str, language: Language, random: Random) -> str:
    """Return a synthetic value of `kind`, valid by its standard."""
    return random.choice(forms(kind, language)).make(random)


def carrier(kind: str, language: Language, random: Random) -> tuple[str, int, int]:
    """Return a sentence with a synthetic value of `kind`, and the value's start and end in it (code points)."""
    form = random.choice(forms(kind, language))
    sentence = random.choice((form.zh if language == "zh" else form.en) or form.en or form.zh)
    before, after = sentence.split("{}")
    value = form.make(random)
    return before + value + after, len(before), len(before) + len(value)


# -- makers -------------------------------------------------------------------------------------------------------------


def _digits(count: int, first: str = "123456789") -> Maker:
    return lambda random: random.choice(first) + "".join(random.choices(string.digits, k=count - 1))


def _filled(form: str) -> Maker:
    """Return what fills a form: # = a digit, @ = a capital letter but I and O; the rest stands."""
    alphabet = {"#": string.digits, "@": "ABCDEFGHJKLMNPQRSTUVWXYZ"}
    return lambda random: "".join(random.choice(alphabet.get(each, each)) for each in form)


def _either(*makers: Maker) -> Maker:
    return lambda random: random.choice(makers)(random)


def _one_of(*values: str) -> Maker:
    return lambda random: random.choice(values)


def _fitting(start: Maker, fits: Callable[[str], bool], last: str = string.digits) -> Maker:
    """Return what ends a number with the check character that fits; a start that has none is thrown away."""

    def fitted(random: Random) -> str:
        while True:
            body = start(random)
            for character in last:
                if fits(body + character):
                    return body + character

    return fitted


def _in_groups(maker: Maker, mark: str, *sizes: int) -> Maker:
    def grouped(random: Random) -> str:
        number, pieces = maker(random), []
        for size in sizes:
            pieces.append(number[:size])
            number = number[size:]
        return mark.join(pieces) + number

    return grouped


def _day(random: Random, first: int = 1935, last: int = 2015) -> date:
    start = date(first, 1, 1)
    return start + timedelta(days=random.randrange((date(last, 12, 31) - start).days))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    "Jan Anna Tomas Maria Peter Laura Ahmed Fatima Wei Priya Carlos Sofia Olga Ivan Emma Noah Grace Samuel Ruth Daniel "
    "Hannah Oliver Chloe Yusuf Leila Marek Ingrid Pablo Lucia Kenji Yuki Arjun Nadia Felix Clara Victor Helen George Alice Martin"
)
_LAST = _words(
    "Novak Schmidt Kowalski Rossi Garcia Johnson Patel Khan Okafor Mensah Lindqvist Petrov Dubois Moreau Fernandez Silva Tanaka Nguyen "
    "Haddad Cohen Murphy OConnor Andersson Hoffmann Bianchi Horvath Popescu Jansen Van_Dijk Baker Sanders Whitfield Ellison Ramirez Fischer Weber "
    "Marchetti Sorensen Papadakis Ibrahim Hughes"
)
_STREETS = _words("Maple Oak Station High Church Mill King Elm Park Victoria Cedar Chestnut Harbour Meadow Bridge")
_TOWNS = _words(
    "Springfield Riverton Ashford Milton Bristol Leeds Portland Dayton Galway Dundee Cardiff Oakland Denver Hamburg Utrecht"
)
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢"
_DOUBLE = ("欧阳", "司马", "诸葛", "上官", "皇甫", "慕容", "令狐", "司徒")
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂英华建国志强文斌玉梅晓东雪婷浩宇欣怡子涵思远嘉琪雨桐俊熙梓萱一诺"
_CITIES = _words(
    "北京市海淀区 上海市浦东新区 广东省深圳市南山区 浙江省杭州市西湖区 四川省成都市武侯区 湖北省武汉市洪山区 江苏省苏州市工业园区 "
    "陕西省西安市雁塔区 山东省青岛市市南区 福建省厦门市思明区"
)
_ROADS = _words("中山路 人民路 解放大道 建设路 和平街 学府路 长江路 文化巷 新华街 科技一路")
_AREAS = _words("110105 310115 440305 330106 510107 420111 320505 610113 370202 350203 440524")


def _person_en(random: Random) -> str:
    first, last = random.choice(_FIRST), random.choice(_LAST).replace("_", " ")
    middle = f" {random.choice(string.ascii_uppercase)}." if random.random() < 0.2 else ""
    return f"{first}{middle} {last}"


def _person_zh(random: Random) -> str:
    if random.random() < 0.06:
        return random.choice(("买买提·艾合买提", "古丽娜尔·吐尔逊", "扎西·多吉", "阿依古丽·卡德尔"))
    surname = random.choice(_DOUBLE) if random.random() < 0.08 else random.choice(_SURNAMES)
    return surname + "".join(random.sample(_GIVEN, random.choice((1, 2, 2))))


def _organization_en(random: Random) -> str:
    name = random.choice(_LAST).replace("_", " ")
    return name + random.choice(
        (" Logistics Ltd", " & Sons GmbH", " Medical Center", " Bank", " Holdings Inc.", " University Hospital")
    )


def _organization_zh(random: Random) -> str:
    brand = "".join(random.sample("恒瑞华信安康泰博远宏达盛荣嘉", 2))
    town = random.choice(("深圳", "杭州", "苏州", "成都", "武汉"))
    return town + random.choice(
        (
            f"市{brand}科技有限公司",
            f"{brand}实业有限公司",
            f"市第{random.choice('一二三')}人民医院",
            f"{brand}贸易有限公司",
        )
    )


def _address_en(random: Random) -> str:
    street = f"{random.randint(1, 980)} {random.choice(_STREETS)} {random.choice(('Street', 'Road', 'Avenue', 'Lane'))}"
    unit = random.choice(("", "", f", Apt {random.randint(1, 60)}", f", Flat {random.randint(1, 30)}"))
    return f"{street}{unit}, {random.choice(_TOWNS)}"


def _address_zh(random: Random) -> str:
    home = f"{random.randint(1, 30)}号楼{random.randint(1, 6)}单元{random.randint(101, 2802)}室"
    return f"{random.choice(_CITIES)}{random.choice(_ROADS)}{random.randint(1, 600)}号{random.choice(('', home))}"


def _date_en(random: Random) -> str:
    day = _day(random, 2001, 2023)
    return random.choice(
        (f"{day:%d} {day:%B} {day:%Y}", f"{day:%B} {day.day}, {day:%Y}", f"{day:%m/%d/%Y}", f"{day:%Y-%m-%d}")
    )


def _date_zh(random: Random) -> str:
    day = _day(random, 2001, 2023)
    return random.choice((f"{day.year}年{day.month}月{day.day}日", f"{day:%Y-%m-%d}", f"{day:%Y.%m.%d}"))


def _mobile_zh(random: Random) -> str:
    number = random.choice(("130", "138", "139", "150", "158", "159", "177", "186", "188", "199")) + _digits(8)(random)
    return random.choice(
        (
            number,
            number,
            f"{number[:3]} {number[3:7]} {number[7:]}",
            f"{number[:3]}-{number[3:7]}-{number[7:]}",
            f"+86 {number}",
        )
    )


def _landline_zh(random: Random) -> str:
    area, places = random.choice((("010", 8), ("021", 8), ("0755", 8), ("0571", 8), ("0317", 7), ("0592", 7)))
    return f"{area}-{_digits(places, '23456789')(random)}"


def _phone_us(random: Random) -> str:
    """Return a number of the block kept for stories: exchange 555, 0100 to 0199 (ATIS-0300115)."""
    area, last = random.choice(("212", "415", "312", "617", "206")), f"01{random.randint(0, 99):02d}"
    return random.choice((f"({area}) 555-{last}", f"{area}-555-{last}", f"+1 {area} 555 {last}"))


def _phone_uk(random: Random) -> str:
    """Return a number of the blocks that Ofcom keeps for drama."""
    return random.choice(
        (
            f"020 7946 0{random.randint(100, 999)}",
            f"07700 900{random.randint(100, 999)}",
            f"+44 7700 900{random.randint(100, 999)}",
        )
    )


def _email(random: Random) -> str:
    name = f"{random.choice(_FIRST).lower()}{random.choice('._-')}{random.choice(_LAST).replace('_', '').lower()}"
    return f"{name}{random.choice(('', str(random.randint(1, 99))))}@{random.choice(('example.com', 'example.org', 'mail.example.net'))}"


def _url(random: Random) -> str:
    host = random.choice(("www.example.com", "portal.example.org", "intranet.example.net"))
    return f"https://{host}/{random.choice(('users', 'u', 'patient', 'profile'))}/{random.randint(100, 99999)}"


def _ip(random: Random) -> str:
    if random.random() < 0.3:
        return f"2001:db8:{random.randint(16, 65535):x}::{random.randint(16, 65535):x}"
    return f"{random.choice(('192.0.2', '198.51.100', '203.0.113'))}.{random.randint(1, 254)}"


def _mac(random: Random) -> str:
    return random.choice(":-").join(f"{random.randint(0, 255):02X}" for _place in range(6))


def _card(random: Random) -> str:
    start, places = random.choice(
        (("4", 16), ("51", 16), ("55", 16), ("37", 15), ("622202", 19), ("621700", 19), ("622588", 16))
    )
    number = _fitting(
        lambda random: start + "".join(random.choices(string.digits, k=places - 1 - len(start))), check.luhn
    )(random)
    spaced = " ".join(number[place : place + 4] for place in range(0, places, 4))
    return number if random.random() < 0.6 else spaced


def _iban(random: Random) -> str:
    land, bank, places = random.choice(
        (("DE", "", 18), ("FR", "", 23), ("AT", "", 16), ("GB", "NWBK", 14), ("NL", "INGB", 10))
    )
    account = bank + _digits(places)(random)
    number = next(f"{land}{key:02d}{account}" for key in range(2, 99) if check.mod_97(f"{land}{key:02d}{account}"))
    return (
        number if random.random() < 0.5 else " ".join(number[place : place + 4] for place in range(0, len(number), 4))
    )


def _resident(random: Random) -> str:
    body = random.choice(_AREAS) + f"{_day(random):%Y%m%d}{random.randint(1, 999):03d}"
    return body + check.mod_11_2_character(body)


def _permit(random: Random) -> str:
    body = random.choice(("810000", "820000", "830000")) + f"{_day(random):%Y%m%d}{random.randint(1, 999):03d}"
    return body + check.mod_11_2_character(body)


def _foreigner(random: Random) -> str:
    """Return a number of the card of 2023: 9, province, country (ISO 3166 numeric), birth, serial, check character."""
    land = random.choice(("11", "31", "44")) + random.choice(("840", "276", "392"))
    body = f"9{land}{_day(random):%Y%m%d}{random.randint(1, 999):03d}"
    return body + check.mod_11_2_character(body)


def _hong_kong(random: Random) -> str:
    number = _fitting(_filled("@######"), check.hk_id, string.digits + "A")(random)
    return f"{number[:-1]}({number[-1]})"


def _organization_code(random: Random) -> str:
    body = _digits(8)(random)
    return body + check.gb_11714_character(body)


def _credit_code(random: Random) -> str:
    body = random.choice(("91", "92", "12", "52")) + random.choice(_AREAS)
    code = next(code for code in iter(lambda: _organization_code(random), "") if set(code) <= set(string.digits + "X"))
    return body + code + check.gb_32100_character(body + code)


def _plate_zh(random: Random) -> str:
    start = random.choice("京沪粤浙川鄂湘苏鲁闽陕") + random.choice("ABCDE")
    return start + random.choice(
        (_filled("@####"), _filled("#@###"), _filled("#####"), _filled("D#####"), _filled("F@####"))
    )(random)


def _vin(random: Random) -> str:
    letters = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    start = random.choice(("1HG", "WBA", "LSV", "LFV", "JTD")) + "".join(random.choices(letters, k=5))
    end = (
        random.choice("ABCDEFGHJKLMNPRSTVWXY123456789")
        + random.choice("ABCDEFGHKLN")
        + _digits(6, string.digits)(random)
    )
    return next(start + each + end for each in "0123456789X" if check.vin(start + each + end))


def _zone(random: Random) -> str:
    """Return the two lines of a passport (ICAO Doc 9303-4)."""
    first = f"P<UTO{random.choice(_LAST).replace('_', '<').upper()}<<{random.choice(_FIRST).upper()}".ljust(44, "<")
    fields = (_filled("@########")(random), f"{_day(random):%y%m%d}", f"{_day(random, 2027, 2034):%y%m%d}", "<" * 14)
    number, birth, until, own = (field + check.mrz_digit(field) for field in fields)
    own = "<" * 14 + "0"
    return (
        f"{first}\n{number}UTO{birth}{random.choice('MF')}{until}{own}{check.mrz_digit(number + birth + until + own)}"
    )


def _ssn(random: Random) -> str:
    area = random.choice([number for number in range(1, 900) if number != 666])
    return f"{area:03d}-{random.randint(1, 99):02d}-{random.randint(1, 9999):04d}"


def _nino(random: Random) -> str:
    prefix = random.choice(("AB", "CE", "JG", "KM", "PR", "SX", "WM"))
    number = f"{prefix}{random.randint(0, 999999):06d}{random.choice('ABCD')}"
    return number if random.random() < 0.5 else f"{number[:2]} {number[2:4]} {number[4:6]} {number[6:8]} {number[8]}"


def _mbi(random: Random) -> str:
    letters = "ACDEFGHJKMNPQRTUVWXY"
    alphabets = {"C": "123456789", "A": letters, "N": string.digits}
    return "".join(random.choice(alphabets[place]) for place in "CANNANNAANN")


def _pesel_body(random: Random) -> str:
    day = _day(random, 1940, 1999)
    return f"{day:%y%m%d}{random.randint(0, 9999):04d}"


def _steuer_body(random: Random) -> str:
    body = random.sample(string.digits[1:], 9)
    body.insert(random.randint(1, 9), body[0])
    return "".join(body)


def _nir(random: Random) -> str:
    body = f"{random.choice('12')}{random.randint(40, 99)}{random.randint(1, 12):02d}75{random.randint(101, 120)}{random.randint(1, 900):03d}"
    return f"{body}{97 - int(body) % 97:02d}"


def _utr(random: Random) -> str:
    """Return a British taxpayer's reference: the first of ten digits checks the rest (weights 6 7 8 9 10 5 4 3 2 modulo 11)."""
    body = "".join(random.choices(string.digits, k=9))
    rest = sum(int(digit) * weight for digit, weight in zip(body, (6, 7, 8, 9, 10, 5, 4, 3, 2), strict=True)) % 11
    return "21987654321"[rest] + body


def _cpf_tenth(number: str) -> bool:
    """Tell whether the tenth digit of a Brazilian number fits: weights 10..2 modulo 11, 11 minus the rest, 0 above 9."""
    rest = sum(int(digit) * weight for digit, weight in zip(number[:9], range(10, 1, -1), strict=True)) % 11
    return int(number[9]) == (0 if rest < 2 else 11 - rest)


def _resident_korea(random: Random) -> str:
    return (
        f"{_day(random, 1940, 1999):%y%m%d}{random.choice('12')}{random.randint(0, 95):02d}{random.randint(0, 999):03d}"
    )


def _bitcoin(random: Random) -> str:
    """Return a Base58Check address of version 0 (the double SHA-256's first four bytes behind the payload)."""
    from hashlib import sha256

    alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    payload = b"\0" + bytes([random.randint(1, 255), *(random.randrange(256) for _byte in range(19))])
    number, text = int.from_bytes(payload + sha256(sha256(payload).digest()).digest()[:4], "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = alphabet[rest] + text
    return "1" + text


def _cloud_key(random: Random) -> str:
    word = "".join(random.choices(string.ascii_letters + string.digits, k=36))
    return random.choice((f"AKIA{word[:16].upper()}", f"ghp_{word}", f"sk_live_{word[:24]}"))


def _web_token(random: Random) -> str:
    """Return three parts of base64url: header, claims, a signature of random bytes (RFC 7519)."""
    parts = (b'{"alg":"HS256","typ":"JWT"}', b'{"sub":"%d"}' % random.randint(10**6, 10**9), random.randbytes(32))
    return ".".join(urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def _private_key(random: Random) -> str:
    """Return random bytes between the lines of a private key (RFC 7468)."""
    body = b64encode(random.randbytes(96)).decode()
    lines = "\n".join(body[place : place + 64] for place in range(0, len(body), 64))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----"


def _password(random: Random) -> str:
    return random.choice(("Winter", "Tiger", "Orange", "Kestrel")) + random.choice("!#_") + _digits(4)(random)


def _position(random: Random) -> str:
    return f"{random.uniform(20, 59):.5f}, {random.choice(('', '-'))}{random.uniform(60, 120):.5f}"


# -- sentences ----------------------------------------------------------------------------------------------------------


def _en(*labels: str) -> tuple[str, ...]:
    forms = ("{label}: {{}}", "{label} {{}}", "My {label} is {{}}.", "Please note the {label} {{}}.", "({label}: {{}})")
    return tuple(form.format(label=label) for label in labels for form in forms)


def _beside_a_card(*labels: str) -> tuple[str, ...]:
    return tuple(f"card 4111 1111 1111 1111, {label}: {{}}" for label in labels)


def _zh(*labels: str) -> tuple[str, ...]:
    forms = (
        "{label}：{{}}",
        "{label}:{{}}",
        "{label}{{}}",
        "{label}为{{}}。",
        "我的{label}是{{}}，请核对。",
        "登记的{label}：{{}}，已确认。",
    )
    return tuple(form.format(label=label) for label in labels for form in forms)


_PEOPLE_EN = (
    "I spoke to {} about this.", "Mr {} called yesterday.", "Regards, {}", "{} has not answered yet.", "Please ask Dr {} to ring me.",
    "The form was signed by {}.", "My name is {}.", "Patient: {}", "His wife, {}, was present.",
)  # fmt: skip
_PEOPLE_ZH = (
    "我是{}。", "联系人：{}", "{}昨天来过。", "患者{}，已办理手续。", "请转告{}先生。", "经办人{}签字。", "家属{}要求复查。", "姓名：{}", "已与{}女士核实。",
)  # fmt: skip
_PHONE_ZH = ("请打{}联系我。", "{}，随时可以打。", *_zh("电话", "手机", "联系电话", "手机号"))
_PHONE_EN = ("Call me on {}.", "You can reach her at {}.", *_en("phone", "mobile", "telephone number"))

IDENTITIES: Mapping[str, tuple[Form, ...]] = {
    "PERSON": (Form("name", _person_en, en=_PEOPLE_EN), Form("姓名", _person_zh, zh=_PEOPLE_ZH)),
    "ORGANIZATION": (
        Form("company", _organization_en, en=("I work for {}.", "The invoice came from {}.", "{} refused to pay.", "She was treated at {}.")),
        Form("公司", _organization_zh, zh=("我在{}上班。", "发票由{}开具。", "已转至{}处理。", "{}尚未回复。", "单位：{}")),
    ),
    "LOCATION": (
        Form("town", _one_of(*_TOWNS), en=("I live in {}.", "We moved to {} last year.", "She was born in {}.", "The office in {} is closed.")),
        Form("城市", _one_of("成都", "武汉", "苏州市", "厦门", "西安市", "浦东新区"), zh=("我住在{}。", "去年搬到了{}。", "籍贯{}。", "从{}寄出。")),
    ),
    "ADDRESS": (
        Form("street", _address_en, en=("I live at {}.", "Please send it to {}.", "Address: {}", "Delivered to {} by mistake.")),
        Form("住址", _address_zh, zh=("住址：{}", "请寄到{}。", "我家在{}。", "收货地址：{}", "户籍地{}。")),
    ),
    "POSTCODE": (
        Form("ZIP", _filled("9####"), en=_en("ZIP code", "ZIP", "postal code")),
        Form("邮编", _filled("1000##"), zh=_zh("邮编", "邮政编码")),
    ),
    "DATE": (
        Form("date", _date_en, en=("I was there on {}.", "The letter of {} is wrong.", "Since {} nothing has worked.")),
        Form("日期", _date_zh, zh=("{}已经来过。", "于{}办理。", "从{}起停用。")),
    ),
    "BIRTH_DATE": (
        Form("birth", lambda random: f"{_day(random):%d.%m.%Y}", en=(*_en("date of birth", "DOB"), "born on {}")),
        Form("生日", lambda random: f"{_day(random):%Y-%m-%d}", zh=(*_zh("出生日期", "生日"), "生于{}。")),
    ),
    "AGE": (
        Form("age", _digits(2, "23456789"), en=("a {}-year-old patient", "She is {} years old.", "aged {}", "Age: {}")),
        Form("年龄", _digits(2, "23456789"), zh=("年龄：{}岁", "患者{}岁。", "今年{}岁。")),
    ),
    "NATIONALITY": (
        Form("nationality", _one_of("German", "Turkish", "Chinese", "Polish", "Brazilian"), en=("I am a {} citizen.", "Nationality: {}", "She is {}.")),
        Form("民族", _one_of("满族", "回族", "维吾尔族", "壮族", "藏族"), zh=("民族：{}", "男，{}，已婚。")),
    ),
    "PHONE": (
        Form("phone, US", _phone_us, en=_PHONE_EN),
        Form("phone, UK", _phone_uk, en=_PHONE_EN),
        Form("FAX", _phone_us, en=_en("fax", "fax number")),
        Form("MOBILE_PHONE", _mobile_zh, zh=_PHONE_ZH),
        Form("LANDLINE", _landline_zh, zh=("单位电话{}。", *_zh("座机", "电话", "办公电话"))),
        Form("FAX", _landline_zh, zh=_zh("传真")),
        Form("CN_SERVICE_PHONE", _filled("400-8##-####"), zh=("客服热线{}。", "请拨打{}。")),
    ),
    "EMAIL": (Form("e-mail", _email, ("Write to {}.", "My address is {}", *_en("e-mail")), ("请发到{}，谢谢。", *_zh("邮箱", "电子邮件"))),),
    "URL": (Form("URL", _url, ("See {} for details.", "It is on {}", *_en("website")), ("请看 {} 。", "网址：{}", "链接：{}")),),
    "IP": (Form("IP", _ip, ("The login came from {}.", "Host {} is down.", *_en("IP address")), ("从{}登录。", *_zh("IP地址", "IP"))),),
    "MAC": (Form("MAC", _mac, ("Device {} joined.", *_en("MAC address")), ("设备{}已离线。", *_zh("MAC地址"))),),
    "HANDLE": (
        Form("handle", lambda random: f"@{random.choice(_FIRST).lower()}_{random.randint(10, 9999)}", en=("Follow {} for more.", "{} wrote this.", "username: {}")),
        Form("QQ", _digits(9), zh=("加我QQ{}。", *_zh("QQ", "QQ号"))),
        Form("WECHAT", lambda random: f"wxid_{random.choice(_FIRST).lower()}{random.randint(100, 9999)}", zh=("加微信{}。", *_zh("微信", "微信号"))),
    ),
    "GPS": (Form("position", _position, _en("GPS", "coordinates"), _zh("GPS坐标", "经纬度")),),
    "BANK_CARD": (Form("card", _card, ("I paid with {}.", "Charge {} please.", *_en("card number", "credit card")), ("转到{}这张卡。", *_zh("卡号", "银行卡号", "信用卡"))),),
    "CARD_SECURITY": (
        Form("CVV", _digits(3), _beside_a_card("CVV", "CVC", "security code"), _zh("CVV", "安全码")),
        Form("CARD_EXPIRY", lambda random: f"{random.randint(1, 12):02d}/{random.randint(26, 33)}", _beside_a_card("expiry", "valid thru"), _zh("卡有效期", "信用卡有效期")),
        Form("PIN", _digits(6), _beside_a_card("PIN"), _zh("取款密码", "银行卡密码")),
    ),
    "IBAN": (Form("IBAN", _iban, ("Transfer it to {}.", *_en("IBAN")), ("汇到{}。", *_zh("IBAN"))),),
    "BIC": (Form("BIC", _one_of("DEUTDEFF", "COBADEFFXXX", "BNPAFRPP", "NWBKGB2L"), _en("BIC", "SWIFT code"), _zh("SWIFT代码", "SWIFT")),),
    "ACCOUNT": (
        Form("account", _digits(12), ("Debit account {} please.", *_en("account number", "bank account")), _zh("账号", "银行账号", "对公账号")),
        Form("US_ROUTING_NUMBER", _fitting(_filled("0210####"), check.aba), en=_en("routing number", "ABA number")),
        Form("UK_SORT_CODE", _filled("20-##-##"), en=_en("sort code")),
        Form("CNAPS", _filled("102100######"), zh=_zh("联行号", "支付系统行号")),
    ),
    "ID_NUMBER": (
        Form("CN_RESIDENT_ID", _resident, en=_en("Chinese ID number", "resident ID"), zh=("本人{}，申请办理。", *_zh("身份证号", "身份证", "公民身份号码", "证件号码"))),
        Form("CN_RESIDENCE_PERMIT", _permit, zh=_zh("居住证号", "港澳居民居住证")),
        Form("CN_FOREIGNER_RESIDENCE", _foreigner, zh=_zh("外国人永久居留身份证号", "永久居留证号")),
        Form("MO_ID", _filled("5######(#)"), en=_en("Macau ID"), zh=_zh("澳门身份证", "澳门居民身份证号")),
        Form("CN_RESIDENT_ID_15", lambda random: random.choice(_AREAS) + f"{_day(random):%y%m%d}{random.randint(1, 999):03d}", zh=_zh("身份证号", "一代身份证")),
        Form("HK_ID", _hong_kong, en=_en("HKID", "Hong Kong ID"), zh=_zh("香港身份证", "香港身份证号码")),
        Form("TW_ID", _fitting(lambda random: random.choice("ABCDEFGH") + _digits(8, "12")(random), check.tw_id), zh=_zh("台湾身份证", "台湾身份证字号")),
        Form("CN_MILITARY_ID", lambda random: f"{random.choice('军南北空海')}字第{_digits(7)(random)}号", zh=_zh("军官证号", "军官证")),
    ),
    "USCC": (
        Form("credit code", _credit_code, _en("unified social credit code"), ("该公司代码{}。", *_zh("统一社会信用代码", "税号"))),
        Form("CN_ORGANIZATION_CODE", lambda random: "-".join((lambda code: (code[:8], code[8:]))(_organization_code(random))), zh=_zh("组织机构代码")),
    ),
    "PASSPORT": (
        Form("CN_PASSPORT", _filled("E########"), ("travelling on passport {}", *_en("passport number")), ("持护照{}入境。", *_zh("护照号", "护照号码"))),
        Form("CN_TRAVEL_PERMIT", _either(_filled("C########"), _filled("H########"), _filled("M########")), zh=_zh("通行证号", "港澳通行证", "回乡证号")),
        Form("MRZ", _zone, en=("Scan of the passport:\n{}\n",), zh=("护照机读码：\n{}\n",)),
    ),
    "PLATE": (
        Form("CN_PLATE", _plate_zh, zh=("{}违停。", "开{}来的。", *_zh("车牌", "车牌号"))),
        Form("plate", _filled("7@@@###"), en=_en("license plate", "plate number")),
    ),
    "NATIONAL_ID": (
        Form("US_SSN", _ssn, _en("SSN", "social security number"), _zh("美国社会安全号")),
        Form("US_ITIN", lambda random: f"9{random.randint(0, 99):02d}-{random.randint(70, 88)}-{random.randint(1, 9999):04d}", _en("ITIN")),
        Form("UK_NINO", _nino, _en("National Insurance number", "NINO")),
        Form("DE_TAX_ID", _fitting(_steuer_body, check.by_stdnum("de.idnr")), _en("Steuer-ID", "tax ID")),
        Form("FR_NIR", _nir, _en("NIR", "numéro de sécurité sociale")),
        Form("ES_NIF", _fitting(_digits(8, string.digits), check.by_stdnum("es.dni"), string.ascii_uppercase), _en("DNI")),
        Form("IT_FISCAL_CODE", _fitting(_filled("RSSMRA7#A1#H501"), check.by_stdnum("it.codicefiscale"), string.ascii_uppercase), _en("codice fiscale")),
        Form("NL_BSN", _fitting(_digits(8), check.by_stdnum("nl.bsn")), _en("BSN")),
        Form("PL_PESEL", _fitting(_pesel_body, check.by_stdnum("pl.pesel")), _en("PESEL")),
        Form("IN_AADHAAR", _in_groups(_fitting(_digits(11, "23456789"), check.by_stdnum("in_.aadhaar")), " ", 4, 4, 4), _en("Aadhaar", "Aadhaar number")),
        Form("IN_PAN", _filled("@@@P@####@"), _en("PAN", "PAN card")),
        Form("JP_MY_NUMBER", _fitting(_digits(11), check.by_stdnum("jp.in_")), _en("My Number")),
        Form("KR_RRN", _in_groups(_fitting(_resident_korea, check.by_stdnum("kr.rrn")), "-", 6, 7), _en("RRN", "resident registration number")),
        Form("CA_SIN", _in_groups(_fitting(_digits(8, "1234567"), check.luhn), " ", 3, 3, 3), _en("SIN", "Social Insurance Number")),
        Form("AU_TFN", _fitting(_digits(8), check.by_stdnum("au.tfn")), _en("TFN", "tax file number")),
        Form("US_EIN", _filled("12-#######"), _en("EIN", "employer identification number")),
        Form("UK_UTR", _utr, _en("UTR", "unique taxpayer reference")),
        Form("ES_NIE", _fitting(_filled("X#######"), check.by_stdnum("es.nie"), string.ascii_uppercase), _en("NIE")),
        Form("SG_NRIC", _fitting(_filled("S#######"), check.sg_nric, string.ascii_uppercase), _en("NRIC")),
        Form("BR_CPF", _in_groups(_fitting(_fitting(_digits(9), _cpf_tenth), check.by_stdnum("br.cpf")), ".", 3, 3, 3), _en("CPF")),
        Form("OTHER_NATIONAL_ID", _fitting(_filled("19620315-###"), check.by_stdnum("se.personnummer")), _en("personnummer", "Swedish personal number")),
        Form("EU_VAT", _fitting(lambda random: "DE" + _digits(8)(random), check.by_stdnum("de.vat")), _en("VAT ID", "VAT number")),
    ),
    "DRIVER_LICENSE": (
        Form("licence", _filled("@#######"), en=_en("driver's license", "driving licence number")),
        Form("驾驶证", _resident, zh=_zh("驾驶证号", "驾照号")),
        Form("CN_DRIVER_FILE", _filled("3301########"), zh=_zh("驾驶证档案编号", "档案编号")),
    ),
    "MEDICAL_RECORD": (
        Form("MRN", _digits(8), en=_en("MRN", "medical record number", "chart number")),
        Form("住院号", _digits(8, string.digits), zh=_zh("住院号", "病案号", "病历号")),
        Form("门诊号", _digits(10), zh=_zh("门诊号", "就诊卡号")),
        Form("床号", _digits(2), zh=_zh("床号")),
    ),
    "HEALTH_ID": (
        Form("member ID", _filled("@@@#########"), en=_en("member ID", "insurance ID")),
        Form("US_MBI", _in_groups(_mbi, "-", 4, 3, 4), en=_en("MBI", "Medicare number")),
        Form("UK_NHS", _in_groups(_fitting(_digits(9, "4679"), check.nhs), " ", 3, 3, 4), en=_en("NHS number", "NHS no.")),
        Form("AU_MEDICARE", _fitting(_fitting(_digits(8, "23456"), lambda number: check.au_medicare(number + "1")), check.au_medicare, "1"), en=_en("Medicare card", "Australian Medicare number")),
        Form("CN_SOCIAL_SECURITY", _filled("@########"), zh=_zh("社保卡号", "社会保障卡号", "医保卡号")),
    ),
    "LICENSE": (
        Form("US_NPI", _fitting(_digits(9, "12"), check.npi), en=_en("NPI", "provider NPI")),
        Form("US_DEA", _fitting(_filled("B@######"), check.dea), en=_en("DEA number", "DEA")),
        Form("执业证", _digits(15), zh=_zh("医师执业证书号", "执业证书编号")),
    ),
    "VIN": (
        Form("VIN", _vin, ("The car {} was recalled.", *_en("VIN", "chassis number")), _zh("车架号", "车辆识别代号")),
        Form("ENGINE_NUMBER", _filled("@#######"), en=_en("engine number"), zh=_zh("发动机号")),
    ),
    "DEVICE_ID": (
        Form("IMEI", _fitting(lambda random: random.choice(("35", "86")) + _digits(12)(random), check.imei), _en("IMEI"), _zh("IMEI", "手机串号")),
        Form("ICCID", _fitting(_filled("898600############"), check.luhn), _en("ICCID", "SIM card number"), _zh("ICCID", "SIM卡号")),
        Form("serial", _filled("@@##@#####"), _en("device serial number"), _zh("设备序列号")),
    ),
    "REFERENCE": (
        Form("CASE_NUMBER", _filled("2:21-cv-0####"), en=_en("case no.", "docket number")),
        Form("CASE_NUMBER", _filled("4####/0#"), en=_en("application no.")),
        Form("POLICY_NUMBER", _filled("POL-#######"), _en("policy number", "claim number"), _zh("保单号", "理赔号")),
        Form("CONTRACT_NUMBER", _filled("HT-20##-####"), _en("contract no."), _zh("合同编号", "合同号")),
        Form("PERSON_NUMBER", _digits(7), _en("employee ID", "student ID"), _zh("工号", "学号")),
        Form("CASE_NUMBER", lambda random: f"（{random.randint(2015, 2024)}）京0105民初{random.randint(100, 29999)}号", zh=("依据{}判决。", *_zh("案号"))),
    ),
    "CRYPTO": (
        Form("BITCOIN", _bitcoin, ("Send it to {}.", *_en("wallet", "BTC address")), ("转到{}。", *_zh("比特币地址", "钱包地址"))),
        Form("ETHEREUM", lambda random: f"0x{random.getrandbits(160):040x}", ("Send it to {}.", *_en("wallet", "ETH address")), _zh("以太坊地址", "钱包地址")),
    ),
    "SECRET": (
        Form("CLOUD_KEY", _cloud_key, _en("API key", "token"), _zh("密钥", "令牌")),
        Form("PASSWORD", _password, ("password: {}", "My password is {}"), ("密码：{}", "登录密码是{}")),
        Form("JWT", _web_token, ("Authorization: Bearer {}", *_en("token")), _zh("令牌", "token")),
        Form("PRIVATE_KEY", _private_key, ("My key is\n{}\n",), ("私钥如下：\n{}\n",)),
    ),
}  # fmt: skip
