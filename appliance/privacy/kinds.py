"""The kinds of personal data that Skerry finds: one flat list, each with the law or standard behind it.

`skerry kinds` prints it. `presidio` is the name under which Microsoft Presidio knows the kind (its nearest one; a name in
Presidio's style where it has none). `on` tells whether the `balanced` policy masks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

__all__ = ["KINDS", "Kind", "kind"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name, Presidio's name, what it is (en, zh), the source that makes it personal or defines it, how it is checked."""

    name: str
    presidio: str
    en: str
    zh: str
    source: str
    validation: str
    languages: str = "en zh"
    on: bool = True


KINDS: tuple[Kind, ...] = (
    # People, places, time
    Kind(
        "PERSON",
        "PERSON",
        "name of a person",
        "姓名",
        "HIPAA 164.514(b)(2)(i)(A); GDPR art. 4(1); GB/T 35273-2020 annex A",
        "named-entity model; titles, labels and salutations; repeats in the same record",
    ),
    Kind(
        "ORGANIZATION",
        "ORGANIZATION",
        "company, hospital, school, authority",
        "机构名称",
        "GDPR recital 26 (indirect identification); GB/T 37964-2019",
        "named-entity model; legal forms and suffixes",
    ),
    Kind(
        "LOCATION",
        "LOCATION",
        "place smaller or larger than a street address",
        "地点",
        "HIPAA 164.514(b)(2)(i)(B)",
        "named-entity model",
    ),
    Kind(
        "ADDRESS",
        "LOCATION",
        "street or postal address",
        "详细地址",
        "HIPAA 164.514(b)(2)(i)(B); GB/T 35273-2020 annex A",
        "number, street, unit, city, state, postcode, country; 省市区路号室",
    ),
    Kind(
        "POSTCODE",
        "ZIP_CODE",
        "postal code",
        "邮政编码",
        "HIPAA 164.514(b)(2)(i)(B)",
        "by label or as part of an address",
    ),
    Kind(
        "DATE",
        "DATE_TIME",
        "calendar date or year",
        "日期",
        "HIPAA 164.514(b)(2)(i)(C)",
        "calendar; relative words (today, two weeks) stay",
    ),
    Kind(
        "BIRTH_DATE",
        "DATE_TIME",
        "date of birth",
        "出生日期",
        "HIPAA 164.514(b)(2)(i)(C); GB/T 35273-2020 annex A",
        "a date beside a word for birth",
    ),
    Kind("AGE", "AGE", "age of a person", "年龄", "HIPAA 164.514(b)(2)(i)(C)", "number beside a word for age"),
    Kind(
        "NATIONALITY",
        "NRP",
        "nationality, religion, ethnic or political group",
        "国籍、民族、宗教",
        "GDPR art. 9; PIPL art. 28",
        "named-entity model; 56 ethnic groups by label",
    ),
    # Reach
    Kind(
        "PHONE",
        "PHONE_NUMBER",
        "telephone, mobile or fax number",
        "电话、手机、传真",
        "HIPAA 164.514(b)(2)(i)(D)-(E); ITU-T E.164; MIIT numbering plan (2017)",
        "numbering plans; shape; label",
    ),
    Kind("EMAIL", "EMAIL_ADDRESS", "e-mail address", "电子邮箱", "HIPAA 164.514(b)(2)(i)(F); RFC 5322", "shape"),
    Kind("URL", "URL", "web address", "网址", "HIPAA 164.514(b)(2)(i)(N); RFC 3986", "shape; known top-level domains"),
    Kind(
        "IP",
        "IP_ADDRESS",
        "IP address",
        "IP地址",
        "HIPAA 164.514(b)(2)(i)(O); RFC 4291",
        "parsed; version numbers stay",
    ),
    Kind("MAC", "MAC_ADDRESS", "network card address", "MAC地址", "HIPAA 164.514(b)(2)(i)(M); IEEE 802", "shape"),
    Kind(
        "HANDLE",
        "USERNAME",
        "account name: @name, QQ, WeChat",
        "网络账号（QQ、微信、@）",
        "GDPR art. 4(1) online identifier; GB/T 35273-2020 annex A",
        "@ or label",
    ),
    # Money
    Kind(
        "BANK_CARD",
        "CREDIT_CARD",
        "payment card",
        "银行卡号",
        "ISO/IEC 7812-1; JR/T 0171-2020 C3",
        "issuer range and Luhn; or label",
    ),
    Kind(
        "IBAN",
        "IBAN_CODE",
        "international bank account",
        "国际银行账号",
        "ISO 13616",
        "country length and mod 97; or label",
    ),
    Kind(
        "ACCOUNT",
        "US_BANK_NUMBER",
        "bank or customer account by label",
        "账号（按标签）",
        "HIPAA 164.514(b)(2)(i)(J); JR/T 0171-2020 C2",
        "label",
    ),
    # China
    Kind(
        "ID_NUMBER",
        "CN_ID_CARD",
        "resident identity number, residence permit",
        "居民身份证号、居住证号",
        "GB 11643-1999; ISO 7064 MOD 11-2",
        "date and check digit; the area code never vetoes; 15 digits by label",
    ),
    Kind(
        "USCC",
        "CN_USCC",
        "unified social credit code",
        "统一社会信用代码",
        "GB 32100-2015",
        "check character mod 31; or label",
    ),
    Kind(
        "PASSPORT",
        "PASSPORT",
        "passport, travel permit, officer's card",
        "护照、通行证、军官证",
        "Passport Law of the PRC; ICAO 9303",
        "shape; label",
    ),
    Kind(
        "PLATE",
        "CN_LICENSE_PLATE",
        "vehicle plate",
        "机动车号牌",
        "GA 36-2018; HIPAA 164.514(b)(2)(i)(L)",
        "province, letter, serial; new energy",
    ),
    # Numbers of other countries
    Kind(
        "NATIONAL_ID",
        "US_SSN",
        "national identity, social security or tax number",
        "外国身份、社保、税务号码",
        "HIPAA 164.514(b)(2)(i)(G); GDPR art. 87; national laws",
        "shape and label, check digit where there is one (Presidio, python-stdnum)",
    ),
    Kind("DRIVER_LICENSE", "US_DRIVER_LICENSE", "driving licence", "驾驶证号", "HIPAA 164.514(b)(2)(i)(K)", "label"),
    # By label
    Kind(
        "MEDICAL_RECORD",
        "MEDICAL_RECORD",
        "record, chart, outpatient, bed, insurance number",
        "病案号、住院号、门诊号、床号、医保号",
        "HIPAA 164.514(b)(2)(i)(H)-(I); WS/T 500-2016",
        "label",
    ),
    Kind(
        "REFERENCE",
        "REFERENCE",
        "case, application, policy, contract, employee number",
        "案号、合同号、保单号、工号",
        "HIPAA 164.514(b)(2)(i)(R)",
        "label; form of court numbers",
    ),
    Kind(
        "CRYPTO",
        "CRYPTO",
        "crypto-currency address",
        "加密货币地址",
        "GDPR art. 4(1) online identifier",
        "Base58Check or Bech32 (Presidio)",
    ),
)


@cache
def _by_name() -> dict[str, Kind]:
    return {each.name: each for each in KINDS}


def kind(name: str) -> Kind:
    """Return the kind called `name`; `KeyError` for a name that is not in `KINDS`."""
    return _by_name()[name]
