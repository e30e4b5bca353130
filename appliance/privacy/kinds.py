"""The kinds of personal data that Skerry finds, each with the law or standard behind it, and the numbers that some of them take in.

A finding bears the name of one of `KINDS`; policies and placeholders speak of these only. `FORMS` lists the numbers one by one, each with its `parent`: a
Hong Kong identity card is found as ID_NUMBER, a DEA number as LICENSE. `skerry kinds` prints both. `presidio` is the name under which Microsoft Presidio
knows the kind or number (its nearest one; a name in Presidio's style where it has none). `on` tells whether the `balanced` policy masks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

__all__ = ["FORMS", "KINDS", "Kind", "form", "kind"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name, Presidio's name, what it is (en, zh), the source that makes it personal or defines it, how it is checked.

    `parent` is the kind under which a row of `FORMS` is found; empty for a kind itself.
    """

    name: str
    presidio: str
    en: str
    zh: str
    source: str
    validation: str
    languages: str = "en zh"
    on: bool = True
    parent: str = ""


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
        "numbering plans (phonenumbers); shape; label",
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
    Kind(
        "GPS",
        "GEO_COORDINATES",
        "position in degrees",
        "经纬度",
        "HIPAA 164.514(b)(2)(i)(B); ISO 6709; GB/T 35273-2020 annex B",
        "range and precision of both numbers, or label",
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
        "CARD_SECURITY",
        "CARD_SECURITY",
        "security code, expiry or PIN of a card",
        "银行卡安全码、有效期、密码",
        "JR/T 0171-2020 C3; PCI DSS 3.3",
        "label, beside a card",
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
        "BIC",
        "SWIFT_CODE",
        "business identifier code (SWIFT)",
        "国际银行代码（SWIFT）",
        "ISO 9362; JR/T 0171-2020 C2",
        "country code; label",
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
        "identity number of China, Hong Kong, Macau, Taiwan; residence permit; military card",
        "身份证号、居住证号、港澳台身份证号、军官证号",
        "GB 11643-1999; ISO 7064 MOD 11-2; PIPL art. 28",
        "date and check digit; the area code never vetoes; 15 digits by label",
    ),
    Kind(
        "USCC",
        "CN_USCC",
        "unified social credit code, organization code",
        "统一社会信用代码、组织机构代码",
        "GB 32100-2015; GB 11714-1997",
        "check characters; or label",
    ),
    Kind(
        "PASSPORT",
        "PASSPORT",
        "passport, travel permit, machine-readable zone",
        "护照、通行证、机读码",
        "Passport Law of the PRC; ICAO Doc 9303",
        "shape; label; check digits of the machine-readable zone",
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
        "national identity, social security or tax number of another country",
        "外国身份、社保、税务号码",
        "HIPAA 164.514(b)(2)(i)(G); GDPR art. 87; national laws",
        "shape and label, check digit where there is one; a weak check alone is never sure",
    ),
    Kind("DRIVER_LICENSE", "US_DRIVER_LICENSE", "driving licence", "驾驶证号", "HIPAA 164.514(b)(2)(i)(K)", "label"),
    # By label
    Kind(
        "MEDICAL_RECORD",
        "MEDICAL_RECORD",
        "record, chart, outpatient or bed number",
        "病案号、住院号、门诊号、床号",
        "HIPAA 164.514(b)(2)(i)(H); WS/T 500-2016",
        "label",
    ),
    Kind(
        "HEALTH_ID",
        "US_HEALTH_INSURANCE_MEMBER_ID",
        "number of a health plan or of social insurance",
        "医保号、社会保障卡号",
        "HIPAA 164.514(b)(2)(i)(I); Social Insurance Law of the PRC art. 58",
        "label; check digit where there is one",
    ),
    Kind(
        "LICENSE",
        "MEDICAL_LICENSE",
        "certificate or licence of a professional: NPI, DEA, medical licence",
        "执业证书号、资格证书号",
        "HIPAA 164.514(b)(2)(i)(K)",
        "check digit and label",
    ),
    Kind(
        "VIN",
        "VIN",
        "vehicle identification number, engine number",
        "车架号（VIN）、发动机号",
        "HIPAA 164.514(b)(2)(i)(L); ISO 3779; GB 16735-2019",
        "check digit, or label",
    ),
    Kind(
        "DEVICE_ID",
        "DEVICE_ID",
        "IMEI, SIM card, serial number of a device",
        "设备识别码（IMEI）、SIM卡号、序列号",
        "HIPAA 164.514(b)(2)(i)(M); 3GPP TS 23.003; ITU-T E.118; GB/T 35273-2020 annex A",
        "check digit and label",
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
        "Base58Check, Bech32 or EIP-55",
    ),
    Kind(
        "SECRET",
        "SECRET",
        "password, key, token",
        "密码、密钥、令牌",
        "GDPR art. 32; JR/T 0171-2020 C3; GB/T 35273-2020 annex B",
        "form of the issuer (JWT, PEM, cloud keys), or label",
    ),
)


# The numbers behind the kinds, each found as its parent.
FORMS: tuple[Kind, ...] = (
    Kind("MOBILE_PHONE", "PHONE_NUMBER", "mobile number", "手机号", "ITU-T E.164; MIIT numbering plan (2017)", "1[3-9] and 9 digits in China; phonenumbers elsewhere", parent="PHONE"),
    Kind("LANDLINE", "PHONE_NUMBER", "landline number", "固定电话", "ITU-T E.164; MIIT numbering plan (2017)", "area code and 7 or 8 digits; shape; label", parent="PHONE"),
    Kind("FAX", "PHONE_NUMBER", "fax number", "传真", "HIPAA 164.514(b)(2)(i)(E)", "as landlines", parent="PHONE"),
    Kind("CN_SERVICE_PHONE", "PHONE_NUMBER", "400 and 800 number", "400、800电话", "MIIT numbering plan (2017)", "10 digits, in groups or by label", parent="PHONE"),
    Kind("QQ", "USERNAME", "QQ number", "QQ号", "GB/T 35273-2020 annex A", "5 to 12 digits by label", parent="HANDLE"),
    Kind("WECHAT", "USERNAME", "WeChat id", "微信号", "GB/T 35273-2020 annex A", "6 to 20 characters by label", parent="HANDLE"),
    Kind("CVV", "CARD_SECURITY", "card security code", "CVV、安全码", "JR/T 0171-2020 C3; PCI DSS 3.3", "3 or 4 digits by label", parent="CARD_SECURITY"),
    Kind("CARD_EXPIRY", "CARD_SECURITY", "card expiry", "银行卡有效期", "JR/T 0171-2020 C3", "month and year by label", parent="CARD_SECURITY"),
    Kind("PIN", "CARD_SECURITY", "PIN of a card", "取款密码", "JR/T 0171-2020 C3", "4 to 6 digits by label", parent="CARD_SECURITY"),
    Kind("US_ROUTING_NUMBER", "ABA_ROUTING_NUMBER", "ABA routing number", "美国银行路由号", "ANSI X9.110", "weights 3 7 1 and label", parent="ACCOUNT"),
    Kind("UK_SORT_CODE", "UK_SORT_CODE", "sort code", "英国银行分行代码", "Pay.UK", "three pairs of digits by label", parent="ACCOUNT"),
    Kind("CNAPS", "CN_CNAPS", "bank code of the payment system of China", "支付系统行号", "JR/T 0124-2014 (CNAPS)", "12 digits by label", parent="ACCOUNT"),
    Kind("CN_RESIDENT_ID", "CN_ID_CARD", "resident identity number, 18 digits", "居民身份证号（18位）", "GB 11643-1999 sections 4.1-4.4", "ISO 7064 MOD 11-2, birth date; the area code never vetoes", parent="ID_NUMBER"),
    Kind("CN_RESIDENT_ID_15", "CN_ID_CARD", "resident identity number, 15 digits, until 1999", "居民身份证号（15位）", "GB 11643-1989", "birth date and label", parent="ID_NUMBER"),
    Kind("CN_RESIDENCE_PERMIT", "CN_ID_CARD", "residence permit of people from Hong Kong, Macau (81, 82) and Taiwan (83)", "港澳台居民居住证", "State Council order 2018 no. 81; GB 11643-1999", "ISO 7064 MOD 11-2, birth date", parent="ID_NUMBER"),
    Kind("CN_FOREIGNER_RESIDENCE", "CN_FOREIGNER_ID", "foreigner's permanent residence card", "外国人永久居留身份证", "National Immigration Administration, forms of 2017 and 2023", "9 and MOD 11-2, or 3 letters and 12 digits with label", parent="ID_NUMBER"),
    Kind("HK_ID", "HK_ID_CARD", "Hong Kong identity card", "香港身份证", "Registration of Persons Ordinance cap. 177", "check digit modulo 11; brackets or label", parent="ID_NUMBER"),
    Kind("MO_ID", "MO_ID_CARD", "Macau identity card", "澳门身份证", "Macau law 8/2002", "1, 5 or 7, form and label", parent="ID_NUMBER"),
    Kind("TW_ID", "TW_ID_CARD", "Taiwan identity card and resident certificate", "台湾身份证、居留证", "Household Registration Act; rules of 2021 for resident certificates", "check digit modulo 10", parent="ID_NUMBER"),
    Kind("CN_MILITARY_ID", "CN_MILITARY_ID", "military officer's or soldier's card", "军官证、士兵证", "PIPL art. 28; GB/T 35273-2020 annex A", "form 军字第…号, or label", parent="ID_NUMBER"),
    Kind("CN_ORGANIZATION_CODE", "CN_ORGANIZATION_CODE", "organization code", "组织机构代码", "GB 11714-1997", "check character modulo 11 and label", parent="USCC"),
    Kind("CN_PASSPORT", "CN_PASSPORT", "Chinese passport", "中国护照", "Passport Law of the PRC; forms of 2012 and 2017", "E, G, D, S, P and 8 digits", parent="PASSPORT"),
    Kind("CN_TRAVEL_PERMIT", "CN_TRAVEL_PERMIT", "travel permit to or from Hong Kong, Macau, Taiwan", "往来港澳台通行证、回乡证、台胞证", "Exit and Entry Administration Law of the PRC", "C W H M L T and 8 digits (10 with the issue), by label", parent="PASSPORT"),
    Kind("MRZ", "MRZ", "machine-readable zone of a travel document", "证件机读码", "ICAO Doc 9303 parts 4-6", "weights 7 3 1", parent="PASSPORT"),
    Kind("CN_PLATE", "CN_LICENSE_PLATE", "plate of China, new energy, police, army, embassy", "中国机动车号牌", "GA 36-2018", "province, letter, serial", parent="PLATE"),
    Kind("CN_DRIVER_FILE", "CN_DRIVER_FILE", "driver's file number", "驾驶证档案编号", "GA/T 946", "12 digits by label", parent="DRIVER_LICENSE"),
    Kind("US_NPI", "US_NPI", "national provider identifier", "美国医疗服务者编号（NPI）", "45 CFR 162.406", "Luhn with the prefix 80840, and label", parent="LICENSE"),
    Kind("US_DEA", "MEDICAL_LICENSE", "DEA registration number", "美国药管局注册号（DEA）", "21 CFR 1301", "check digit, and label", parent="LICENSE"),
    Kind("US_MBI", "US_MBI", "Medicare beneficiary identifier", "美国联邦医保号（MBI）", "CMS, Understanding the MBI format", "form of 11 places", parent="HEALTH_ID"),
    Kind("UK_NHS", "UK_NHS", "NHS number", "英国国民保健号（NHS）", "NHS data dictionary", "check digit modulo 11, and label", parent="HEALTH_ID"),
    Kind("AU_MEDICARE", "AU_MEDICARE", "Medicare card of Australia", "澳大利亚医保卡", "Services Australia", "check digit modulo 10, and label", parent="HEALTH_ID"),
    Kind("CN_SOCIAL_SECURITY", "CN_SOCIAL_SECURITY", "social security card, medical insurance number", "社会保障卡号、医保号", "Social Insurance Law of the PRC art. 58", "label", parent="HEALTH_ID"),
    Kind("ENGINE_NUMBER", "ENGINE_NUMBER", "engine number", "发动机号", "GB 7258-2017", "label", parent="VIN"),
    Kind("IMEI", "IMEI", "mobile equipment identity", "移动设备识别码（IMEI）", "3GPP TS 23.003 section 6", "Luhn and label", parent="DEVICE_ID"),
    Kind("ICCID", "ICCID", "SIM card number", "SIM卡号（ICCID）", "ITU-T E.118", "89, Luhn and label", parent="DEVICE_ID"),
    Kind("US_SSN", "US_SSN", "social security number, USA", "美国社会安全号", "SSA POMS RM 10201", "groups that are given out", parent="NATIONAL_ID"),
    Kind("US_ITIN", "US_ITIN", "individual taxpayer number, USA", "美国个人税号", "IRS Publication 1915", "9, groups 50-65 70-88 90-92 94-99", parent="NATIONAL_ID"),
    Kind("US_EIN", "US_EIN", "employer identification number, USA", "美国雇主识别号", "IRS Publication 1635", "prefix and label", parent="NATIONAL_ID"),
    Kind("UK_NINO", "UK_NINO", "national insurance number, United Kingdom", "英国国民保险号", "HMRC NIM39110", "prefixes, suffix A-D", parent="NATIONAL_ID"),
    Kind("UK_UTR", "UK_UTR", "unique taxpayer reference, United Kingdom", "英国税号", "HMRC", "check digit modulo 11, and label", parent="NATIONAL_ID"),
    Kind("DE_TAX_ID", "DE_TAX_ID", "Steuer-ID, Germany", "德国税号", "Abgabenordnung § 139b", "ISO 7064 MOD 11,10, and label", parent="NATIONAL_ID"),
    Kind("FR_NIR", "FR_NIR", "numéro d'inscription au répertoire, France", "法国社保号", "décret 82-103", "key modulo 97", parent="NATIONAL_ID"),
    Kind("ES_NIF", "ES_NIF", "DNI and NIF, Spain", "西班牙身份证", "Real Decreto 1553/2005", "letter modulo 23", parent="NATIONAL_ID"),
    Kind("ES_NIE", "ES_NIE", "NIE, Spain", "西班牙外国人身份号", "Real Decreto 557/2011", "letter modulo 23", parent="NATIONAL_ID"),
    Kind("IT_FISCAL_CODE", "IT_FISCAL_CODE", "codice fiscale, Italy", "意大利税号", "D.M. 12 marzo 1974", "check letter modulo 26, date", parent="NATIONAL_ID"),
    Kind("NL_BSN", "NL_BSN", "burgerservicenummer, Netherlands", "荷兰公民服务号", "Wet algemene bepalingen burgerservicenummer", "11-test, and label", parent="NATIONAL_ID"),
    Kind("PL_PESEL", "PL_PESEL", "PESEL, Poland", "波兰身份号", "Ustawa o ewidencji ludności", "check digit and date, and label", parent="NATIONAL_ID"),
    Kind("IN_AADHAAR", "IN_AADHAAR", "Aadhaar, India", "印度身份号", "Aadhaar Act 2016", "Verhoeff, groups of four or label", parent="NATIONAL_ID"),
    Kind("IN_PAN", "IN_PAN", "permanent account number, India", "印度税号", "Income-tax Rules 1962 rule 114", "form with the holder's class", parent="NATIONAL_ID"),
    Kind("JP_MY_NUMBER", "JP_MY_NUMBER", "My Number, Japan", "日本个人编号", "My Number Act 2013; ordinance 85 of 2014", "check digit modulo 11, and label", parent="NATIONAL_ID"),
    Kind("KR_RRN", "KR_RRN", "resident registration number, Korea", "韩国居民登记号", "Resident Registration Act", "date and form, check digit until 2020", parent="NATIONAL_ID"),
    Kind("CA_SIN", "CA_SIN", "social insurance number, Canada", "加拿大社保号", "Employment Insurance Act s. 138", "Luhn, groups of three or label", parent="NATIONAL_ID"),
    Kind("AU_TFN", "AU_TFN", "tax file number, Australia", "澳大利亚税号", "Taxation Administration Act 1953", "check digit modulo 11, and label", parent="NATIONAL_ID"),
    Kind("SG_NRIC", "SG_NRIC_FIN", "NRIC and FIN, Singapore", "新加坡身份证", "National Registration Act 1965", "letter modulo 11", parent="NATIONAL_ID"),
    Kind("BR_CPF", "BR_CPF", "CPF, Brazil", "巴西税号", "Instrução Normativa RFB 1548/2015", "two check digits", parent="NATIONAL_ID"),
    Kind("EU_VAT", "EU_VAT", "VAT number of the European Union and United Kingdom", "欧盟增值税号", "Council Directive 2006/112/EC art. 215", "country and its check digit; or label", parent="NATIONAL_ID"),
    Kind("OTHER_NATIONAL_ID", "NATIONAL_ID", "identity numbers of Finland, Sweden, Denmark, Norway, Belgium, Switzerland, Ireland, Portugal, Romania, Bulgaria, Czechia, Turkey, South Africa, Thailand, Mexico and others", "其他国家身份号", "national laws (python-stdnum names each)", "python-stdnum, and label or a form of its own", parent="NATIONAL_ID"),
    Kind("CASE_NUMBER", "REFERENCE", "court case or application number", "案号", "Supreme People's Court, rules of 2015; European Court of Human Rights, rule 47", "form; label", parent="REFERENCE"),
    Kind("POLICY_NUMBER", "REFERENCE", "insurance policy, claim number", "保单号、理赔号", "HIPAA 164.514(b)(2)(i)(R); JR/T 0171-2020 C2", "label", parent="REFERENCE"),
    Kind("CONTRACT_NUMBER", "REFERENCE", "contract, loan, application number", "合同号、贷款编号、申请编号", "HIPAA 164.514(b)(2)(i)(R); JR/T 0171-2020 C2", "label", parent="REFERENCE"),
    Kind("PERSON_NUMBER", "REFERENCE", "employee, student, member number", "工号、学号、会员号", "HIPAA 164.514(b)(2)(i)(R); GB/T 35273-2020 annex A", "label", parent="REFERENCE"),
    Kind("BITCOIN", "CRYPTO", "Bitcoin address", "比特币地址", "BIP 13, BIP 173, BIP 350", "Base58Check, Bech32, Bech32m", parent="CRYPTO"),
    Kind("ETHEREUM", "CRYPTO", "Ethereum address", "以太坊地址", "EIP-55", "0x and 40 hexadecimal digits", parent="CRYPTO"),
    Kind("JWT", "SECRET", "JSON web token", "JSON网络令牌", "RFC 7519", "three parts of base64url", parent="SECRET"),
    Kind("PRIVATE_KEY", "SECRET", "private key (PEM)", "私钥（PEM）", "RFC 7468", "BEGIN and END", parent="SECRET"),
    Kind("CLOUD_KEY", "SECRET", "access key of a cloud or web service", "云服务密钥", "the issuers' documentation", "prefix and length", parent="SECRET"),
    Kind("PASSWORD", "SECRET", "password, token by label", "口令（按标签）", "GB/T 35273-2020 annex B", "label", parent="SECRET"),
)  # fmt: skip


@cache
def _by_name(rows: tuple[Kind, ...]) -> dict[str, Kind]:
    return {each.name: each for each in rows}


def kind(name: str) -> Kind:
    """Return the kind called `name`; `KeyError` for a name that is not in `KINDS`."""
    return _by_name(KINDS)[name]


def form(name: str) -> Kind:
    """Return the number called `name`; `KeyError` for a name that is not in `FORMS`."""
    return _by_name(FORMS)[name]
