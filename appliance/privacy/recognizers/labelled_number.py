"""Numbers that only their label makes personal: medical records, accounts, policies, applications, cases, licences, employees, students.

HIPAA 164.514(b)(2)(i) (H) medical record, (I) health plan, (J) account, (K) certificate and licence, (R) any other unique number; WS/T 500-2016 for
Chinese medical records; case numbers after the Supreme People's Court's rules of 2015 and of the European Court of Human Rights (no. 12345/99).
Orders, invoices and shipments are no personal numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.recognizer import Hit, Recognizer

_VALUE = r"([A-Za-z]{0,5}[ \-]?[0-9][0-9A-Za-z]*(?:[\-/.][0-9A-Za-z]+)*)"
_WORDS: tuple[tuple[str, str], ...] = (
    ("MEDICAL_RECORD", r"MRN|medical record|med(?:ical)? rec|hospital|chart|patient|pt|encounter|visit|accession|specimen|health plan|health insurance|medicare|medicaid|member|subscriber|beneficiary|insurance|NHI|HICN|unit record|radiology|lab"),
    ("ACCOUNT", r"(?:bank |savings |checking |customer |my |your |the )?(?:account|acct|a/c)|routing|sort code|aba|swift|bic|loan|mortgage|customer|client"),
    ("DRIVER_LICENSE", r"(?:driver'?s?|driving)['’]?s? (?:licen[sc]e|permit)|DL|(?:pilot|nursing|medical|professional) licen[sc]e|licen[sc]e|DEA|NPI"),
    ("NATIONAL_ID", r"(?:national|identity|identification|tax(?:payer)?|voter|social insurance|national insurance|personal) ?(?:id|card|identification|identity)?|NHS|NINO|TIN|EIN|ITIN|SIN|TFN|VAT|PESEL|BSN|DNI|NIE|NIF|Aadhaar|PAN|CPF|CURP|RFC"),
    ("REFERENCE", r"application|app(?:licatio)?ns?|appl|case|docket|file|matter|claim|policy|contract|certificate|employee|staff|badge|student|enrol?lment|matriculation|registration|reg|reference|ref|complaint|confirmation|booking|reservation|ticket ref|petition|inmate|booking|serial|device|IMEI|VIN|asset|membership|library card|visa|permit"),
)  # fmt: skip
_ENGLISH = tuple(
    (kind, re.compile(rf"(?<![A-Za-z])(?:{words})(?:(?: (?:number|numbers|num|nos?|id|identifier|code|nr)\b\.?|[ ]?[#:=])(?:\s*(?:is|was|:|=|#|no\.?))*)\s*{_VALUE}", re.IGNORECASE))
    for kind, words in _WORDS
)  # fmt: skip
# labels that need no "number" and no colon before a long value
_DIRECT = tuple(
    (kind, re.compile(rf"(?<![A-Za-z])(?:{words})\s+{_VALUE}", re.IGNORECASE))
    for kind, words in (
        ("MEDICAL_RECORD", r"MRN|HICN|NHI|medical record|chart"),
        ("ACCOUNT", r"account|acct\.?|a/c"),
        ("DRIVER_LICENSE", r"DEA|NPI|DL"),
        ("NATIONAL_ID", r"NHS|NINO|TIN|EIN|ITIN|TFN|PESEL|BSN|DNI|NIE|NIF|Aadhaar"),
        ("REFERENCE", r"IMEI|VIN|policy|claim|case"),
    )
)
_DIRECT_DIGITS = 5
_NO = re.compile(r"(?<![A-Za-z])[Nn]os?\.?\s?([0-9]{1,6}/[0-9]{2,4})(?![0-9/])")
_AND = re.compile(r"(?:,|\s+and|\s*&)\s*([0-9]{1,6}/[0-9]{2,4})(?![0-9/])")
_CHINESE: tuple[tuple[str, str], ...] = (
    ("MEDICAL_RECORD", "病案号|病历号|住院号|门诊号|就诊号|就诊卡号?|诊疗卡号?|登记号|检查号|影像号|标本号|样本号|条形码|挂号单?号|医保卡?号|医保编号|社保卡?号|社会保障卡?号|社会保障号码?|床号|处方号|体检号|患者编号|患者ID|病人ID|ID号|(?:做[的得过了]|检查|检验|化验|报告|门诊|住院|取药)[^。!！?？；;\n]{0,12}单号"),
    ("ACCOUNT", "账号|帐号|账户|帐户|存折号?|开户账号|银行账号|对公账户|客户号|客户编号|会员号|会员卡号|公积金账?号|户号"),
    ("DRIVER_LICENSE", "驾驶证号?码?|驾照号?码?|档案编号|准驾证号?|执业证书?号?|资格证书?编?号?"),
    ("NATIONAL_ID", "纳税人识别号|税号|香港身份证|台湾身份证"),
    ("PASSPORT", "军官证号?|士兵证号?|警官证号?|文职证号?|学生证号?"),
    ("REFERENCE", "合同编?号|协议编?号|保单号?码?|保险单号|理赔号|案号|案件编?号|工单号|员工号|员工编号|工号|警号|学号|学籍号|准考证号?|考号|申请编?号|申请书编号|报案号|立案号|卷宗号|证书编?号|登记编号|受理编?号|借据号|贷款编?号|房产证号?|不动产权证号?|车架号|发动机号|设备序列号|IMEI"),
)  # fmt: skip
_LABELS_ZH = tuple(
    (kind, re.compile(rf"(?:{words})(?:码)?[\s:：=为是]{{0,4}}(?:[Nn]o\.?|№|#)?\s*([A-Za-z]{{0,6}}[\-]?[0-9][0-9A-Za-z]*(?:[\-/.][0-9A-Za-z]+)*)"))
    for kind, words in _CHINESE
)  # fmt: skip
# number plates outside China have many forms: capitals and digits behind the word "plate"
_PLATE = re.compile(
    r"(?<![A-Za-z])(?i:(?:licen[cs]e |number |registration )?plates?(?: number| no\.?)?(?: is| was|:| #)?)\s+"
    r"(?=[A-Z \-]*[0-9])(?=[0-9 \-]*[A-Z])([A-Z0-9]{1,4}(?:[ \-]?[A-Z0-9]{2,4}){1,2})(?![0-9A-Za-z])"
)
_COURT = re.compile(
    r"[(（\[〔]\s?(?:19|20)[0-9]{2}\s?[)）\]〕]\s?[\u4e00-\u9fff]{1,3}[0-9]{0,4}[\u4e00-\u9fff]{1,5}(?:第\s?)?[0-9]{1,7}(?:[-之][0-9]{1,3})?号"
)
_DOCUMENT = re.compile(r"[\u4e00-\u9fff]{1,6}字第?\s?[0-9]{4,12}\s?号")
_BED = re.compile(r"(?<![0-9A-Za-z])([A-Z]?\+?[0-9]{1,3})\s?床(?!位|垫|单|上|头|边|旁|前)")
_FEWEST = {"MEDICAL_RECORD": 2, "REFERENCE": 2, "ACCOUNT": 4, "DRIVER_LICENSE": 4, "NATIONAL_ID": 5, "PASSPORT": 5}


def find(text: str) -> Iterator[Hit]:
    """Yield the numbers behind their labels (.7), application numbers (.7) and court numbers (.85)."""
    for kind, pattern in (*_ENGLISH, *_LABELS_ZH):
        for match in pattern.finditer(text):
            if sum(map(str.isdigit, match[1])) >= _FEWEST[kind]:
                yield Hit(*match.span(1), kind, 0.7)
    for kind, pattern in _DIRECT:
        for match in pattern.finditer(text):
            if sum(map(str.isdigit, match[1])) >= _DIRECT_DIGITS:
                yield Hit(*match.span(1), kind, 0.6)
    for match in _NO.finditer(text):
        yield Hit(*match.span(1), "REFERENCE", 0.7)
        following = _AND.match(text, match.end())
        while following:
            yield Hit(*following.span(1), "REFERENCE", 0.7)
            following = _AND.match(text, following.end())
    for pattern, score in ((_COURT, 0.85), (_DOCUMENT, 0.7)):
        for match in pattern.finditer(text):
            yield Hit(*match.span(), "REFERENCE", score)
    for match in _PLATE.finditer(text):
        yield Hit(*match.span(1), "PLATE", 0.7)
    for match in _BED.finditer(text):
        yield Hit(*match.span(1), "MEDICAL_RECORD", 0.5)


RECOGNIZER = Recognizer("labelled_number", find, min_digits=1)
