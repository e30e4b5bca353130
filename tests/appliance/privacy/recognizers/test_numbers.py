"""Numbers of the world, addresses on networks, and numbers that only their label makes personal."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import (
    email_address,
    handle,
    iban,
    ip_address,
    labelled_number,
    phone_number,
    us_social_security,
    web_address,
)


def found(recognizer, text: str) -> list[str]:
    return [text[hit.start : hit.end] for hit in recognizer.find(text) if hit.score >= 0.4]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call 212-555-0187 now", ["212-555-0187"]),
        ("(212) 555-0187", ["(212) 555-0187"]),
        ("+44 20 7946 0958", ["+44 20 7946 0958"]),
        ("Mobile: 03.93.92.16.85", ["03.93.92.16.85"]),
        ("Desk: +41 (0)96 471 07 95", ["+41 (0)96 471 07 95"]),
        ("fax 9498777106", ["9498777106"]),
        ("they answer at +1-604-696-5272x565", ["+1-604-696-5272x565"]),
        ("Phone:\n60-56-85-91", ["60-56-85-91"]),
        ("on 12-05-2019", []),
        ("2019-05-12", []),
        ("(1979-1989)", []),
        ("order 2125550187", []),
        ("costs $212555018", []),
        ("version 1.2.3.4", []),
        ("p = 0.0012345", []),
    ],
)
def test_telephone_numbers(text: str, expected: list[str]) -> None:
    assert found(phone_number, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DE89 3704 0044 0532 0130 00 AND more", ["DE89 3704 0044 0532 0130 00"]),  # IBAN registry
        ("GB29NWBK60161331926819", ["GB29NWBK60161331926819"]),
        ("IBAN: GB28NWBK60161331926819", ["GB28NWBK60161331926819"]),  # mistyped, but labelled
        ("账号NO9386011117947", ["NO9386011117947"]),
        ("DE12 this is no account of that length", []),
        ("gb28nwbk60161331926819", []),
    ],
)
def test_ibans(text: str, expected: list[str]) -> None:
    assert found(iban, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SSN 078-05-1120", ["078-05-1120"]),
        ("460.89.9847", ["460.89.9847"]),
        ("ssn: 460899847", ["460899847"]),
        ("460899847", []),
        ("000-12-3456", []),
        ("666-12-3456", []),
        ("123-00-4567", []),
        ("900-70-1234", ["900-70-1234"]),  # ITIN
    ],
)
def test_social_security_numbers(text: str, expected: list[str]) -> None:
    assert found(us_social_security, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to jan.novak+x@example.co.uk.", ["jan.novak+x@example.co.uk"]),
        ("邮箱zhang@163.com，谢谢", ["zhang@163.com"]),
        ("jan [at] example [dot] org", ["jan [at] example [dot] org"]),
        ("jürgen@münchen.de", ["jürgen@münchen.de"]),
        ("@handle and a @ b", []),
    ],
)
def test_email_addresses(text: str, expected: list[str]) -> None:
    assert found(email_address, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://www.ArtistMovie.se/a?b=1.", ["https://www.ArtistMovie.se/a?b=1"]),
        ("（www.example.cn）", ["www.example.cn"]),
        ("访问example.com吧", ["example.com"]),
        ("t.co/abc and bit.ly/9KKobr", ["t.co/abc", "bit.ly/9KKobr"]),
        ("It was the best.Top quality", []),
        ("e.g. in 3.5 mg", []),
        ("done.It was", []),
    ],
)
def test_web_addresses(text: str, expected: list[str]) -> None:
    assert found(web_address, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 41.173.96.26 blocked", ["41.173.96.26"]),
        ("地址10.0.0.1：端口", ["10.0.0.1"]),
        ("2001:db8::8a2e:370:7334", ["2001:db8::8a2e:370:7334"]),
        ("00:1A:2B:3C:4D:5E", ["00:1A:2B:3C:4D:5E"]),
        ("留言,IP:2001:db8::1889:c178)", ["2001:db8::1889:c178"]),
        ("version 1.2.3.4", []),
        ("at 10:20:30", []),
        ("999.1.1.1", []),
        ("std::vector", []),
    ],
)
def test_network_addresses(text: str, expected: list[str]) -> None:
    assert found(ip_address, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MRN: 00482913", ["00482913"]),
        ("MRN 00482913, ward 7", ["00482913"]),
        ("my account 20418833 is locked", ["20418833"]),
        ("in case 2 of them", []),
        ("application no. 12345/99", ["12345/99"]),
        ("(nos. 1234/05, 2346/06 and 77/07)", ["1234/05", "2346/06", "77/07"]),
        ("My driver's license number is U62928788557186", ["U62928788557186"]),
        ("policy number AB-1234567", ["AB-1234567"]),
        ("住院号：0012345".replace("：", ":"), ["0012345"]),
        ("合同编号HT-2023-0012", ["HT-2023-0012"]),
        ("(2023)京0105民初12345号", ["(2023)京0105民初12345号"]),
        ("12床患者", ["12"]),
        ("共300床位", []),
        ("order number 99887766", []),
        ("in case 3 patients", []),
        ("towed my car, plate CR57 XXV, while", ["CR57 XXV"]),
        ("license plate number is 7ABC123.", ["7ABC123"]),
        ("he put it on my plate AND left 20 behind", []),
        ("2025-03-18做的胃镜,单号38024760", ["38024760"]),
        ("快递单号38024760", []),
    ],
)
def test_numbers_behind_their_labels(text: str, expected: list[str]) -> None:
    assert list(dict.fromkeys(found(labelled_number, text))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thanks @jan_novak!", ["@jan_novak"]),
        ("QQ：123456789".replace("：", ":"), ["123456789"]),
        ("加微信wxid_abc123", ["wxid_abc123"]),
        ("微信支付很方便", []),
        ("mail a@b.com", []),
    ],
)
def test_handles(text: str, expected: list[str]) -> None:
    assert found(handle, text) == expected
