"""Chinese numbers: the samples that the standards print, the forms people write, and numbers that only look alike."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import bank_card, cn_phone, cn_plate, cn_resident_id, cn_uscc, passport


def found(recognizer, text: str) -> list[str]:
    return list(dict.fromkeys(text[hit.start : hit.end] for hit in recognizer.find(text) if hit.score >= 0.4))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("证件11010519491231002X。", ["11010519491231002X"]),  # GB 11643-1999, section 4.4
        ("440524188001010014", ["440524188001010014"]),  # the same section; an area code that was revoked
        ("身份证11010519491231002x", ["11010519491231002x"]),
        ("ID 110105 19491231 002X, next", ["110105 19491231 002X"]),
        ("1 1 0 1 0 5 1 9 4 9 1 2 3 1 0 0 2 X", ["1 1 0 1 0 5 1 9 4 9 1 2 3 1 0 0 2 X"]),
        ("3 110105-19491231-002X 号", ["110105-19491231-002X"]),  # a digit ahead hides nothing
        ("居住证 810000199408230021", ["810000199408230021"]),
        ("身份证号：130503670401001", ["130503670401001"]),
        ("永久居留身份证 USA320085031201", ["USA320085031201"]),
        ("永久居留身份证号 USA110085031201A", []),
        ("订单130503670401001", []),
        ("永居证 912345199001010013", ["912345199001010013"]),
        ("130503670401001", ["130503670401001"]),  # a province and a day: unsure
        ("990503670401001", []),
        ("11010519491231002", []),
        ("110105194912310020", []),  # check character wrong, no label
        ("身份证号:110105194912310020", ["110105194912310020"]),  # mistyped, but labelled
        ("110105194913310025", []),
    ],
)
def test_resident_identity_numbers(text: str, expected: list[str]) -> None:
    assert found(cn_resident_id, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("电话13800138000。", ["13800138000"]),
        ("138 0013 8000", ["138 0013 8000"]),
        ("138-0013-8000或139.0013.8000", ["138-0013-8000", "139.0013.8000"]),
        ("+86 13800138000", ["+86 13800138000"]),
        ("0086-13800138000", ["0086-13800138000"]),
        ("1 3 8 0 0 1 3 8 0 0 0", ["1 3 8 0 0 1 3 8 0 0 0"]),
        ("010-62345678转801", ["010-62345678转801"]),
        ("(0755)26581234", ["(0755)26581234"]),
        ("400-810-8888", ["400-810-8888"]),
        ("座机:6234-5678", ["6234-5678"]),
        ("订单号13800138000", []),
        ("12800138000", []),
        ("138001380001", []),
        ("电话是400.810.8888", ["400.810.8888"]),
        ("请拨打4008108888", ["4008108888"]),
        ("传真：021·62345678".replace("：", ":").replace("·", "."), ["021.62345678"]),
        ("发票号码:62345678", []),
        ("A13800138000", []),
        ("血压120/80，心率72，体温36.5", []),
    ],
)
def test_telephone_numbers(text: str, expected: list[str]) -> None:
    assert found(cn_phone, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("卡号4111111111111111", ["4111111111111111"]),
        ("4111 1111 1111 1111 12/25", ["4111 1111 1111 1111"]),  # the date of expiry is no part of it
        ("6222021234567890123", []),
        ("银行卡6222 0212 3456 7890 123", ["6222 0212 3456 7890 123"]),  # fails Luhn, but labelled
        ("378282246310005", ["378282246310005"]),
        ("my card 3530111333300000 was stolen", ["3530111333300000"]),
        ("订单号4111111111111111", []),
        ("4111111111111112", []),
        ("0000000000000000", []),
        ("6955100821304", []),  # a bar code
        ("1234 4111 1111 1111 1111", []),  # a piece of a longer number
    ],
)
def test_bank_cards(text: str, expected: list[str]) -> None:
    assert found(bank_card, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("代码91350100M000100Y43", ["91350100M000100Y43"]),  # GB 32100-2015, annex A
        ("91350100 M000100Y43", ["91350100 M000100Y43"]),
        ("91350100M000100Y44", []),
        ("统一社会信用代码：91350100M000100Y44", ["91350100M000100Y44"]),
        ("组织机构代码 D2143569-X", ["D2143569-X"]),  # GB 11714-1997, section 4
        ("代码证号 D2143569X", ["D2143569X"]),
        ("D2143569-X", []),
        ("机构D2143569-X", ["D2143569-X"]),
    ],
)
def test_credit_and_organization_codes(text: str, expected: list[str]) -> None:
    assert found(cn_uscc, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("车牌京A12345", ["京A12345"]),
        ("粤B·D12345", ["粤B·D12345"]),  # new energy
        ("沪A 12345D", ["沪A 12345D"]),
        ("粤Z1234港", ["粤Z1234港"]),
        ("京AI2345", []),  # no I on a plate
        ("京都A股", []),
        ("京ABCDEF", []),
    ],
)
def test_plates(text: str, expected: list[str]) -> None:
    assert found(cn_plate, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("护照E12345678", ["E12345678"]),
        ("EA1234567", ["EA1234567"]),
        ("港澳通行证C12345678", ["C12345678"]),
        ("passport no. 123456789", ["123456789"]),
        ("军字第2001988号", ["军字第2001988号"]),
        ("回乡证H12345678", ["H12345678"]),
        ("台胞证号：12345678".replace("：", ":"), ["12345678"]),
        ("C12345678这本通行证", ["C12345678"]),
        ("C12345678", []),
        ("型号E12345678", []),
    ],
)
def test_passports(text: str, expected: list[str]) -> None:
    assert found(passport, text) == expected
