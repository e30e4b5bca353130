"""Names, addresses, dates and ages by what stands beside them; no model is loaded here."""

from __future__ import annotations

import pytest

from appliance.privacy.recognizers import (
    address_zh,
    dates_en,
    dates_zh,
    organization_en,
    person_en,
    person_zh,
    places,
    street_address,
)


def found(recognizer, text: str, kind: str = "") -> set[str]:
    return {
        text[hit.start : hit.end] for hit in recognizer.find(text) if hit.score >= 0.4 and hit.kind.startswith(kind)
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I live at 12 Main Street, Springfield, IL 62704.", "12 Main Street, Springfield, IL 62704"),
        ("5366 Pivovarská 276", "5366 Pivovarská 276"),
        ("at 27534 Þorsteinsgata 63\nMOSS\n, NO\n 51971 for", "27534 Þorsteinsgata 63\nMOSS\n, NO\n 51971"),
        (
            "1317 Kimberly Way\n Apt. 962\n Grand Rapids\n United States 21959\nMobile: 1",
            "1317 Kimberly Way\n Apt. 962\n Grand Rapids\n United States 21959",
        ),
        ("PSC 1437, Box 3833\nAPO AA 66791", "PSC 1437, Box 3833\nAPO AA 66791"),
        ("wohnt in der Lindenstraße 7, 10969 Berlin.", "Lindenstraße 7, 10969 Berlin"),
        ("33 rue de Provence", "33 rue de Provence"),
        ("ul. Miła 53", "ul. Miła 53"),
        ("3747 3911 fourth avenue suite 112", "3747 3911 fourth avenue suite 112"),
        ("on Marina Fort Street were", "Marina Fort Street"),
        ("P.O. Box 242", "P.O. Box 242"),
        ("lives in 5 Elm Ct, Apt 4B", "5 Elm Ct, Apt 4B"),
    ],
)
def test_street_addresses_from_number_to_country(text: str, expected: str) -> None:
    assert expected in found(street_address, text, "ADDRESS")


@pytest.mark.parametrize(
    "text",
    [
        "In 2010 Apple sold 50 units", "3 CONS 1)", "0.80 + 6.3.A + 7.0.T", "45 2MG Tablets a month", "5 Musicians Of The 70s", "Article 50 of the Treaty on European Union",
        "T 98.6 BP 142/88 HR 92", "Na 138 K 4.2 WBC 11.2", "c/o pain 7/10, Dilaudid 1mg",
        "12 March 1990", "the Supreme Court ruled", "room. The students", "level 3 trauma", "FEC 50, FEC 75, and epirubicin", "I asked my Dr about it",
    ],
)  # fmt: skip
def test_what_is_no_address_stays(text: str) -> None:
    assert found(street_address, text) == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [("ZIP: 3520", "3520"), ("zip code is 90210-1234", "90210-1234"), ("postcode SW1A 1AA", "SW1A 1AA")],
)
def test_postcodes_behind_their_label(text: str, expected: str) -> None:
    assert found(street_address, text, "POSTCODE") == {expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("家住北京市朝阳区建国路88号3栋2单元501室。", "北京市朝阳区建国路88号3栋2单元501室"),
        ("地址:浙江省杭州市西湖区文三路199号创业大厦1201", "浙江省杭州市西湖区文三路199号创业大厦1201"),
        ("我在阳光小区3栋501室等你", "阳光小区3栋501室"),
        ("寄到四川省成都市武侯区", "四川省成都市武侯区"),
        ("南京东路一百二十号", "南京东路一百二十号"),
        ("住所地北京市海淀区中关村大街甲27号1101室。", "北京市海淀区中关村大街甲27号1101室"),
    ],
)
def test_chinese_addresses(text: str, expected: str) -> None:
    assert expected in found(address_zh, text, "ADDRESS")


@pytest.mark.parametrize(
    "text", ["坐地铁3号线", "这条路不好走", "3号楼", "第5题", "市区交通", "一座崭新的东方广场", "掌握全市各个地区"]
)
def test_chinese_text_without_an_address_stays(text: str) -> None:
    assert found(address_zh, text) == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr Jan Novak called", {"Jan Novak"}),
        ("seen by Dr. M. van der Berg today", {"M. van der Berg"}),
        ("ask ms. Marcela", {"Marcela"}),
        ("My name is Rubija", {"Rubija"}),
        ("Name: Sieda Batukayev\nPhone: 1", {"Sieda Batukayev"}),
        ("her maiden name is nyberg", {"nyberg"}),
        ("Dear Quionia,\nthank you", {"Quionia"}),
        ("Kind regards,\nXanthe Quirke", {"Xanthe Quirke"}),
        ("my wife Thandiwe said", {"Thandiwe"}),
        ("Ubul: What a wife.\nNicole: Remember me?", {"Ubul", "Nicole"}),
        ("signed by Oyelaran Adeyemi, MD", {"Oyelaran Adeyemi"}),
        ("J. K. Rowling wrote", {"J. K. Rowling"}),
        ("Please tell Jennifer", {"Jennifer"}),
        ("In the case of Novak and Others v. Poland,", {"Novak"}),
        ("IN THE CASE OF NOVAKOVA AND OTHERS v. POLAND,", {"NOVAKOVA"}),
        ("CASE OF ÖZTÜRK v. GERMANY", {"ÖZTÜRK"}),
        ("Patient: HOLLOWAY, Theresa M.   MRN: 4471920", {"HOLLOWAY, Theresa M."}),
        ("seen by Wu in clinic", {"Wu"}),
        ("said Jan Brewer on Monday", {"Jan Brewer"}),
    ],
)
def test_english_names(text: str, expected: set[str]) -> None:
    assert expected <= found(person_en, text)


@pytest.mark.parametrize(
    "text",
    [
        "I am sure the card will arrive in May.",
        "Dear Sir or Madam,",
        "the name is not correct",
        "Note: see below\nAddress: none",
        "the U.S. Army",
        "mark the date",
        "She takes vitamin C. All subjects slept well.",
        "the case of United States v. City of Boston",
    ],
)
def test_english_text_without_a_name_stays(text: str) -> None:
    assert found(person_en, text) == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("患者王小明，男", {"王小明"}),
        ("患者王明因发热入院", {"王明"}),
        ("姓名:买买提江 性别:男", {"买买提江"}),
        ("联系人:欧阳修远", {"欧阳修远"}),
        ("王先生来电", {"王"}),
        ("约翰·史密斯表示", {"约翰·史密斯"}),
        ("阿卜杜拉·买买提", {"阿卜杜拉·买买提"}),
        ("阿依古丽·买买提因与他人纠纷", {"阿依古丽·买买提"}),
        ("通知张医生", {"张"}),
        ("客户李先生（化名）", {"李"}),
    ],
)
def test_chinese_names(text: str, expected: set[str]) -> None:
    assert expected <= found(person_zh, text)


@pytest.mark.parametrize(
    "text",
    [
        "等了2小时，凉了",
        "和送餐师傅关系不大",
        "老公说好吃",
        "客户高度关注",
        "味道好•总体不错",
        "责任护士交班",
        "《哈利·波特》上映",
        "客户：我姓",
        "新疆天阳律师事务所",
    ],
)
def test_chinese_text_without_a_name_stays(text: str) -> None:
    assert found(person_zh, text) == set()


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("on 2007-01-17 23:08:55, the", "DATE", {"2007-01-17 23:08:55"}),
        ("12 March 1990", "DATE", {"12 March 1990"}),
        ("March 12th, 1990", "DATE", {"March 12th, 1990"}),
        ("She was born on 2/8/1935.", "BIRTH_DATE", {"2/8/1935"}),
        ("a 79 year old female", "AGE", {"79"}),
        ("i'm 31 y/o.", "AGE", {"31"}),
        ("I just turned 47", "AGE", {"47"}),
        ("I may go", "DATE", set()),
        ("BP 120/80, ratio 3/4", "DATE", set()),
        ("in 2016 per the records", "DATE", {"2016"}),
        ("cultures drawn 10/31 grew", "DATE", {"10/31"}),
        ("in 2000 patients", "DATE", set()),
        ("said Mary Nguyen, 45, a farmer", "AGE", {"45"}),
        ("Mary Nguyen (45) spoke", "AGE", {"45"}),
        ("I'm 23 and tired", "AGE", {"23"}),
        ("she is in her 40s", "AGE", {"40s"}),
        ("on his 30th birthday", "AGE", {"30th"}),
        ("a seventy-two years old man", "AGE", {"seventy-two"}),
        ("it is a 2021 Norwegian film of the 1990s", "DATE", {"2021", "1990s"}),
        ("expires 03/2019", "DATE", {"03/2019"}),
        ("it took 23 years", "AGE", set()),
    ],
)
def test_english_dates_and_ages(text: str, kind: str, expected: set[str]) -> None:
    assert found(dates_en, text, kind) == expected


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("2023年3月15日入院", "DATE", {"2023年3月15日"}),
        ("二〇二三年三月十五日", "DATE", {"二〇二三年三月十五日"}),
        ("出生于1949年12月31日", "BIRTH_DATE", {"1949年12月31日"}),
        ("出生日期:19491231", "BIRTH_DATE", {"19491231"}),
        ("患者45岁", "AGE", {"45"}),
        ("每天3次，每次2片", "DATE", set()),
        ("用了3年", "DATE", set()),
    ],
)
def test_chinese_dates_and_ages(text: str, kind: str, expected: set[str]) -> None:
    assert expected <= found(dates_zh, text, kind) and (expected or not found(dates_zh, text, kind))


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("from Estonia", "LOCATION", "Estonia"),
        ("I am cambodian but", "NATIONALITY", "cambodian"),
        ("the first norwegian president", "NATIONALITY", "norwegian"),
        ("Springfield, IL", "LOCATION", "Springfield, IL"),
        ("born in Diyarbakır.", "LOCATION", "Diyarbakır"),
        ("HANOI (Reuters)", "LOCATION", "HANOI"),
        ("dinner in round rock", "LOCATION", "round rock"),
    ],
)
def test_places_and_peoples(text: str, kind: str, expected: str) -> None:
    assert expected in found(places, text, kind)


def test_a_degree_is_no_state() -> None:
    """`S. Krishnamurthy, MD` is a physician, `Baltimore, MD` a city."""
    assert found(places, "S. Krishnamurthy, MD signed", "LOCATION") == set()
    assert "Baltimore, MD" in found(places, "from Baltimore, MD today", "LOCATION")


@pytest.mark.parametrize("text", ["nail polish and french fries", "see norwegian.com", "a christian name"])
def test_words_that_are_peoples_too_stay(text: str) -> None:
    assert found(places, text, "NATIONALITY") == set()


def test_peoples_of_china() -> None:
    assert found(person_zh, "李某，女，维吾尔族，1990年生", "NATIONALITY") == {"维吾尔族"}


@pytest.mark.parametrize(
    ("recognizer", "text", "expected"),
    [
        (person_en, "Baker came", "Baker"),
        (places, "Reading is nice", "Reading"),
        (person_zh, "“王芳”已出院", "王芳"),
        (address_zh, "走到建设路再说", "建设路"),
    ],
)
def test_the_eager_search_finds_more_at_a_low_score(recognizer, text: str, expected: str) -> None:
    hits = {text[hit.start : hit.end]: hit.score for hit in recognizer.RECOGNIZER.eager(text)}
    assert any(expected in value and score < 0.4 for value, score in hits.items())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("appealed to the Court of Cassation. In R. v. Smith", "Court of Cassation"),
        ("I work for Aunt Bertha Inc", "Aunt Bertha Inc"),
        ("at Mercy General Hospital today", "Mercy General Hospital"),
        ("selma is from stillwater supercomputing inc.", "stillwater supercomputing inc."),
    ],
)
def test_organizations(text: str, expected: str) -> None:
    assert any(expected in name for name in found(organization_en, text))


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Lives in Wheeling, WV 26003.", {"26003"}),
        ("Moved to Burlington, Vermont 05401 last year.", {"05401"}),
        ("Portland OR 97201", {"97201"}),
        ("Reno, NV 89501-2233 is", {"89501-2233"}),
        ("In Texas 12000 people voted, HE PAID OR 12345 was", set()),
        ("Austin, TX 123456", set()),
    ],
)
def test_the_zip_code_behind_a_state(text: str, codes: set[str]) -> None:
    assert found(places, text, "POSTCODE") == codes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Plaintiff GUTIERREZ, MARISOL seeks damages", "GUTIERREZ, MARISOL"),
        ("Patient name: ZHANG, WEI DOB: 1970-01-02", "ZHANG, WEI"),
        ("O'BRIEN, MARY K. signed", "O'BRIEN, MARY K."),
        ("Defendant NGUYEN, THI LAN", "NGUYEN, THI LAN"),
        ("<ROBERT_SMITH_1> called", "ROBERT_SMITH"),
        ("see Report_Jane_Miller_2020.pdf", "Jane_Miller"),
        ("home of john_miller", "john_miller"),
        ("Dwayne “Duke” Ferreira ran", "Dwayne “Duke” Ferreira"),
        ("Margaret (Peg) Sullivan, 88", "Margaret (Peg) Sullivan"),
    ],
)
def test_names_turned_round_joined_or_with_a_nickname(text: str, expected: str) -> None:
    assert any(expected in value for value in found(person_en, text, "PERSON"))


@pytest.mark.parametrize(
    "text",
    [
        "RED, GREEN",
        "BOSTON, MA",
        "max_length mark_read user_id",
        "Paris (France) Airport",
        "<REPORT_FINAL_2>",
        "CHEST, ABDOMEN",
    ],
)
def test_capitals_brackets_and_underscores_without_a_name(text: str) -> None:
    assert not any("_" in value or "," in value or "(" in value for value in found(person_en, text, "PERSON"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("户名：艾力江·买买提".replace("：", ":"), "艾力江·买买提"),
        ("姓名:玉山江·芒力克，男", "玉山江·芒力克"),
        ("上诉人古丽娜尔·阿不都热西提因与他人离婚", "古丽娜尔·阿不都热西提"),
        ("我和库尔班江·赛买提于2020年结婚", "库尔班江·赛买提"),
        ("证人吐尔逊江·吾守尔的证言", "吐尔逊江·吾守尔"),
        ("参保人次仁央宗，女", "次仁央宗"),
        ("由洛桑多吉签收", "洛桑多吉"),
        ("张总，方案发你了", "张"),
        ("刘姐在吗", "刘"),
        ("快递员小彭电话一直不接", "彭"),
        ("班主任占老师", "占"),
    ],
)
def test_chinese_names_without_a_usual_surname_and_familiar_ones(text: str, expected: str) -> None:
    assert expected in found(person_zh, text, "PERSON")


@pytest.mark.parametrize(
    "text",
    [
        "北京·朝阳",
        "华为·问界M7",
        "《红楼梦·第一回》",
        "患者:于术后第3天",
        "于今晚到院",
        "各位老师好",
        "男医生",
        "张工程",
        "高总量",
        "患者于术后恢复",
    ],
)
def test_what_looks_like_such_a_name(text: str) -> None:
    assert found(person_zh, text, "PERSON") == set()


@pytest.mark.parametrize(("text", "expected"), [("患儿，8月龄", {"8"}), ("3个月大", {"3"}), ("出生12天大", {"12"})])
def test_ages_of_infants(text: str, expected: set[str]) -> None:
    assert found(dates_zh, text, "AGE") == expected


@pytest.mark.parametrize("text", ["3个月后", "工期12天", "8月份", "住院5天"])
def test_spans_of_time_are_no_ages(text: str) -> None:
    assert found(dates_zh, text, "AGE") == set()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("家长滑女士反映", "滑"),
        ("一位尉迟先生来电", "尉迟"),
        ("兹证明麦冬(身份证号码1)在职", "麦冬"),
        ("民警那日苏(警号081273)出警", "那日苏"),
        ("慢病随访:巫山红,72岁,高血压", "巫山红"),
        ("参保人:祁连,女,汉族", "祁连"),
        ("新生儿雷之子,体重3.35kg", "雷之子"),
        ("留学生Amara Diallo,护照已交", "Amara Diallo"),
        ("申请再审人呼延朔与被申请人", "呼延朔"),
        ("支付原告仝晓燕赔偿款36元", "仝晓燕"),
    ],
)
def test_rare_surnames_by_what_stands_behind_them(text: str, expected: str) -> None:
    assert expected in found(person_zh, text, "PERSON")


@pytest.mark.parametrize(
    "text",
    [
        "那先生的意思",
        "女士们先生们",
        "患者(男,45岁)",
        "被告(女)",
        "单位(工号)",
        "方案,男女都可",
        "天之子",
        "原告赔偿款",
        "和女士无关",
    ],
)
def test_words_ahead_of_brackets_and_titles_are_no_names(text: str) -> None:
    assert found(person_zh, text, "PERSON") == set()
