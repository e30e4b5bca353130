"""Made-up Chinese sentences with numbers that are personal, numbers that only look alike, and the places of the personal ones.

Every check digit is computed here, from the text of the standards (GB 11643, GB 32100, ISO/IEC 7812), not by the recognizers. `hidden` writes the same
numbers full-width, spaced, dotted, or split by characters without width.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
AREAS = ("110105", "310115", "440524", "510104", "330106", "810000", "830000", "420111", "230103", "659001")
SURNAMES, GIVEN = "王李张刘陈杨赵黄周吴", "伟芳娜敏静磊洋艳勇军杰娟涛明超秀霞平刚桂"


def resident(random: Random) -> str:
    """Return a resident number with its check character (GB 11643)."""
    body = (
        random.choice(AREAS)
        + f"{random.randint(1940, 2015)}{random.randint(1, 12):02d}{random.randint(1, 28):02d}{random.randint(0, 999):03d}"
    )
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    rest = (12 - sum(int(digit) * weight for digit, weight in zip(body, weights, strict=True)) % 11) % 11
    return body + ("X" if rest == 10 else str(rest))


def credit_code(random: Random) -> str:
    """Return a unified social credit code with both check characters (GB 32100, GB 11714)."""
    organization = "".join(random.choice(LETTERS) for _place in range(8))
    total = sum(
        (int(letter, 36)) * weight for letter, weight in zip(organization, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)
    )
    rest = (11 - total % 11) % 11
    body = (
        random.choice(("91", "92", "12", "52"))
        + random.choice(AREAS[:5])
        + organization
        + ("X" if rest == 10 else str(rest))
    )
    weight, total = 1, 0
    for letter in body:
        total += LETTERS.index(letter) * weight
        weight = weight * 3 % 31
    return body + LETTERS[(31 - total % 31) % 31]


def card(random: Random) -> str:
    """Return a card number with its Luhn digit."""
    body = random.choice(("622202", "621700", "622848", "436742", "625912", "521899")) + "".join(
        random.choice("0123456789") for _place in range(random.choice((9, 12)))
    )
    doubled = [sum(divmod(2 * int(digit), 10)) for digit in body[::-2]] + [int(digit) for digit in body[-2::-2]]
    return body + str(-sum(doubled) % 10)


def mobile(random: Random) -> str:
    """Return a mobile number."""
    return "1" + random.choice("3456789") + "".join(random.choice("0123456789") for _place in range(9))


def landline(random: Random) -> str:
    """Return a landline number with its area code."""
    return (
        random.choice(("010", "021", "0755", "0571", "028"))
        + "-"
        + random.choice("2345678")
        + "".join(random.choice("0123456789") for _place in range(7))
    )


def plate(random: Random) -> str:
    """Return a plate (GA 36)."""
    return (
        random.choice("京沪粤浙川鄂湘")
        + random.choice("ABCDE")
        + "".join(random.choice("0123456789ABCDEFGHJKLMNPQRSTUVWXYZ") for _place in range(2))
        + f"{random.randint(0, 999):03d}"
    )


def green_plate(random: Random) -> str:
    """Return a plate of a new-energy vehicle."""
    return random.choice("京沪粤浙") + random.choice("ABC") + random.choice("DF") + f"{random.randint(0, 99999):05d}"


def passport(random: Random) -> str:
    """Return a passport number."""
    return random.choice("EG") + f"{random.randint(0, 99999999):08d}"


def email(random: Random) -> str:
    """Return an e-mail address."""
    return (
        random.choice(("zhang", "li.na", "wang_wei", "chen"))
        + f"{random.randint(1, 9999)}@"
        + random.choice(("163.com", "qq.com", "example.com.cn"))
    )


def wrong(make: Callable[[Random], str]) -> Callable[[Random], str]:
    """Return what makes the same number with a check digit that does not fit."""

    def spoiled(random: Random) -> str:
        number = make(random)
        return number[:-1] + random.choice([digit for digit in "0123456789" if digit != number[-1]])

    return spoiled


def digits(count: int) -> Callable[[Random], str]:
    """Return what makes `count` digits."""
    return lambda random: (
        random.choice("123456789") + "".join(random.choice("0123456789") for _place in range(count - 1))
    )


# kind, what makes the value, sentences; {} is the value.
PERSONAL: tuple[tuple[str, Callable[[Random], str], tuple[str, ...]], ...] = (
    ("ID_NUMBER", resident, ("身份证号：{}。", "证件{}已登记", "本人{}，请核实", "公民身份号码为{}，男")),
    ("PHONE", mobile, ("手机{}", "请拨打{}联系我", "联系电话：{}，下午有空", "{}是我的号")),
    ("PHONE", landline, ("座机{}", "总机：{}转801", "打{}没人接")),
    ("BANK_CARD", card, ("卡号{}", "银行卡：{}，余额不足", "转到{}这张卡", "尾号不对，{}")),
    ("USCC", credit_code, ("统一社会信用代码：{}", "公司税号{}", "{}为该企业代码")),
    ("PLATE", plate, ("车牌{}", "{}违停", "车辆{}已离开")),
    ("PLATE", green_plate, ("新能源车{}", "{}停在门口")),
    ("PASSPORT", passport, ("护照号{}", "持护照{}入境", "护照：{}")),
    ("EMAIL", email, ("邮箱{}", "发到{}，谢谢", "邮件地址是{}")),
)
TRAPS: tuple[tuple[Callable[[Random], str], tuple[str, ...]], ...] = (
    (wrong(resident), ("编号{}作废", "流水{}", "系统返回{}")),
    (wrong(card), ("订单{}已发货", "交易号{}", "返回码{}")),
    (wrong(credit_code), ("物料{}", "批号{}")),
    (mobile, ("订单号{}", "流水号：{}", "发票号码{}")),
    (digits(8), ("发票{}", "金额{}元", "共{}人次")),
    (digits(12), ("运单{}", "条码{}", "发票号{}")),
    (digits(18), ("订单号：{}", "交易流水{}")),
    (lambda random: f"{random.randint(90, 180)}/{random.randint(60, 110)}", ("血压{}mmHg", "复测血压{}")),
    (lambda random: f"{random.randint(350, 420) / 10}", ("体温{}℃", "血糖{}mmol/L")),
    (
        lambda random: (
            f"{random.randint(1, 9)}.{random.randint(0, 20)}.{random.randint(0, 20)}.{random.randint(0, 99)}"
        ),
        ("版本{}", "升级到版本号{}"),
    ),
    (lambda random: f"{random.randint(1, 99)}.{random.randint(10, 99)}%", ("同比增长{}", "收益率{}")),
)


def hide(value: str, random: Random) -> str:
    """Return the value as people hide it by accident."""
    way = random.choice(("wide", "spaced", "dotted", "split", "width"))
    if way == "wide":
        return "".join(chr(ord(character) + 0xFEE0) if "!" <= character <= "~" else character for character in value)
    if way == "width":
        place = random.randint(1, len(value) - 1)
        return value[:place] + random.choice("\u200b\u200d\ufeff\u2060") + value[place:]
    if "@" in value:
        return value.replace("@", "＠").replace(".", "．")
    if way == "split":
        return " ".join(value)
    mark = " " if way == "spaced" else "."
    return (
        mark.join(value[place : place + 4] for place in range(0, len(value), 4))
        if len(value) != 11
        else mark.join((value[:3], value[3:7], value[7:]))
    )


def sentences(count: int, hidden: bool, seed: int = 0) -> list[tuple[str, list[tuple[int, int, str]], bool]]:
    """Return `count` personal sentences and `count` traps: (text, spans of (start, end, kind), is a trap)."""
    random = Random(seed)
    made: list[tuple[str, list[tuple[int, int, str]], bool]] = []
    for _each in range(count):
        kind, make, forms = random.choice(PERSONAL)
        value = hide(make(random), random) if hidden else make(random)
        before, after = random.choice(forms).split("{}")
        name = random.choice(SURNAMES) + random.choice(GIVEN)
        lead = random.choice(("", "您好，", f"{name}说，", "2023年以来，"))
        made.append((lead + before + value + after, [(len(lead + before), len(lead + before + value), kind)], False))
        make, forms = random.choice(TRAPS)
        made.append((random.choice(forms).format(make(random)), [], True))
    return made
