"""Numbers of the world, addresses on networks, and numbers that only their label makes personal."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import (
    PATTERNS,
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
    """Return the values found, each once: labels that overlap find a number twice."""
    return list(dict.fromkeys(text[hit.start : hit.end] for hit in recognizer.find(text) if hit.score >= 0.4))


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
        ("MAC:d8:a2:cb:0a:f6:1f", ["d8:a2:cb:0a:f6:1f"]),
        ("MAC地址 24 9e 2a 94 2d b0", ["24 9e 2a 94 2d b0"]),
        ("aabb.ccdd.1122", ["aabb.ccdd.1122"]),
        ("1234.5678.9012", []),
        ("源IP10.1.2.3", ["10.1.2.3"]),
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
        ("| MRN | 00482913 |", ["00482913"]),
        ('"patient_id": "AB-482913"', ["AB-482913"]),
        ("MR#: D9294906", ["D9294906"]),
        ("account number was given as 2041 8833 12", ["2041 8833 12"]),
        ("employee no. POL-3968551", ["POL-3968551"]),
        ("Docket 2:21-cv-01234-ABC", ["2:21-cv-01234-ABC"]),
        ("appl. no. 19047/17", ["19047/17"]),
        ("serial number: SN-12345678", ["SN-12345678"]),
        ("postcode SW1A 1AA, zip 62704-1234", ["SW1A 1AA", "62704-1234"]),
        ("医保卡号填的是123456789", ["123456789"]),
        ("【住院号】0012345", ["0012345"]),
        ("驾驶证档案编号栏填310012345678", ["310012345678"]),
        ("床位：N29".replace("：", ":"), ["N29"]),
        ("保单PDAA202331010000012345已生效", ["PDAA202331010000012345"]),
        ("社保卡卡号 1234 5678 90", ["1234 5678 90"]),
        ("发动机号：A12B34567".replace("：", ":"), ["A12B34567"]),
        ("patient: 45 yo", []),
        ("successful in 17 cases (13 of them)", []),
        ("the patient (born 11/23/2001)", []),
        ("a visit to ward 7", []),
        ("工单号12345678", []),
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
        ("QQ号是 12345 6789", ["12345 6789"]),
        ("加微信：zhang_san2020".replace("：", ":"), ["zhang_san2020"]),
        ("username: jdoe99", ["jdoe99"]),
        ("skype: live:jdoe", ["live:jdoe"]),
        ("@所有人 开会", []),
        ("twitter is great", []),
        ("a signal-averaged ECG", []),
        ("take it @ night", []),
        ("mail a@b.com", []),
    ],
)
def test_handles(text: str, expected: list[str]) -> None:
    assert found(handle, text) == expected


def test_the_eager_form_takes_every_long_number_that_is_not_known_to_be_nobodys() -> None:
    found = list(labelled_number.RECOGNIZER.eager("code 83920174 in, order 83920175 out, 5000000 units"))
    assert [(hit.start, hit.score) for hit in found] == [(5, 0.25)]


@pytest.mark.parametrize(
    "text",
    [
        "A123456(3)",
        "A123456789",
        "1M8GDM9AXKP042788",
        "AB1234563",
        "54362315K",
        "X2482300W",
        "S1234567D",
        "DE136695976",
        "2341 2341 2346",
    ],
)
def test_a_weak_check_without_context_is_never_sure(text: str) -> None:
    """One digit lets one number in ten or eleven through, one letter one in 23."""
    hits = [hit for recognizer in PATTERNS for hit in recognizer.find(text)]
    assert all(hit.score <= 0.5 for hit in hits)


@pytest.mark.parametrize(
    "text", ["11010519491231002X", "91350100M000100Y43", "GB29NWBK60161331926819", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"]
)
def test_two_checks_are_sure(text: str) -> None:
    """A date and a check character; two check characters; two digits modulo 97; four bytes."""
    assert max(hit.score for recognizer in PATTERNS for hit in recognizer.find(text)) >= 0.9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("badge 44321", ["44321"]),
        ("Officer Ruiz, badge no. 7742", ["7742"]),
        ("agent id 58213", ["58213"]),
        ("DOC number T-48812", ["T-48812"]),
        ("BCBS group 77210", ["77210"]),
        ("group 0088214", ["0088214"]),
        ("State Bar No. 034412", ["034412"]),
        ("her A-number is A208-554-917", ["A208-554-917"]),
        ("pacemaker serial SN-PJN4482913", ["SN-PJN4482913"]),
        ("insulin pump serial no. RNH649210S", ["RNH649210S"]),
        ("lens serial number 7H22919A", ["7H22919A"]),
        ("Index No. 652382/2014", ["652382/2014"]),
        ("Civil Action No. 17-2989-AT", ["17-2989-AT"]),
        ("校园卡号20211830", ["20211830"]),
        ("粤(2020)深圳市不动产权第0158821号", ["粤(2020)深圳市不动产权第0158821号"]),
        ("尾号4471的储蓄卡", ["4471"]),
        ("group 12 of 40", []),
        ("badge 5", []),
        ("serial 115200 baud", []),
        ("the serial killer", []),
        ("agent 007", []),
        ("no bar 20250", []),
        ("尾号限行", []),
    ],
)
def test_numbers_of_people_and_their_things(text: str, expected: list[str]) -> None:
    assert found(labelled_number, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No. 3:21-cv-04512 was filed", ["3:21-cv-04512"]),
        ("Case 1:19-cr-00123-ABC", ["1:19-cr-00123-ABC"]),
        ("Smith v. Jones, 22-1234 (9th Cir.)", ["22-1234"]),
        ("Roe, 19-55821, (D.C. Cir. 2020)", ["19-55821"]),
        ("Docket No. CV-2020-1234", ["CV-2020-1234"]),
        ("in 2021-CA-004567 the judge", ["2021-CA-004567"]),
        ("In No. 20-35222, the Ninth Circuit held", ["20-35222"]),
        ("Public Law No. 116-136, said the court", []),
        ("the court cited Resolution No. 22-105", []),
        ("Model No. 22-1198", []),
        ("No. 22-1198 is our best seller", []),
        ("aged 22-1234", []),
    ],
)
def test_dockets_of_courts(text: str, expected: list[str]) -> None:
    assert found(labelled_number, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("网友“@爱吃鱼的猫_”说", ["@爱吃鱼的猫_"]),
        ("(@南山_小北)", ["@南山_小北"]),
        ("@北方的狼。", ["@北方的狼"]),
        ("加我v wxid_zv90h8", ["wxid_zv90h8"]),
        ("u/throwaway_nurse88 here", ["u/throwaway_nurse88"]),
        ("thanks /u/foo-bar!", ["/u/foo-bar"]),
        ("@所有人 明天开会", []),
        ("menu/list and r/askreddit", []),
        ("@小李你在哪里啊今天我们去不去公园看看花呢", []),
    ],
)
def test_handles_between_other_characters(text: str, expected: list[str]) -> None:
    assert sorted(set(found(handle, text))) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("会诊单号20221206-0031", ["20221206-0031"]),
        ("手环号2301170042", ["2301170042"]),
        ("湘雅司鉴[2022]临鉴字第381号", ["[2022]临鉴字第381号", "湘雅司鉴[2022]临鉴字第381号"]),
        ("渝北人社伤险认字〔2022〕1187号", ["渝北人社伤险认字〔2022〕1187号"]),
        ("电动车车牌邕A·33871", ["邕A·33871"]),
        ("车身号XDL20210900821", ["XDL20210900821"]),
        ("办件编号37010320230512008", ["37010320230512008"]),
        ("注册号370100200133421", ["370100200133421"]),
        ("Interpreter used (ID 44821, Amharic)", ["44821"]),
        ("20CR11873, Multnomah County", ["20CR11873"]),
        ("authorization # A-20229931", ["A-20229931"]),
        ("specimen SP-22-10443", ["SP-22-10443"]),
        ("shield 2281", ["2281"]),
        ("国发〔2022〕15号", []),
        ("财税〔2016〕36号文", []),
        ("注册号12", []),
        ("(ID 12)", []),
        ("a CR2032 cell", []),
    ],
)
def test_labels_of_offices_and_decisions(text: str, expected: list[str]) -> None:
    assert found(labelled_number, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("对方ID“数码小王子_01”", ["数码小王子_01"]),
        ("买家昵称：爱笑的小鱼儿，申请退款".replace("：", ":"), ["爱笑的小鱼儿"]),
        ("或v:huahua_0527,备注", ["huahua_0527"]),
        ("昵称已修改", []),
        ("Smith v: see below", []),
    ],
)
def test_names_of_accounts_in_any_letters(text: str, expected: list[str]) -> None:
    assert found(handle, text) == expected
