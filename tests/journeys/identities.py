"""Whom the canary plants: a synthetic identity of each class of HIPAA's Safe Harbor that a text can hold, and of more than twenty Chinese kinds."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random

from appliance.privacy import identities
from tests.fakes import TOPICS

# 45 CFR 164.514(b)(2)(i), its letters. (P) biometric identifiers and (Q) face images are no text: nothing can be planted or found.
HIPAA = {
    "A names": ("PERSON", "name"),
    "B geographic subdivisions": ("ADDRESS", "street"),
    "C dates": ("BIRTH_DATE", "birth"),
    "D telephone numbers": ("PHONE", "phone, US"),
    "E fax numbers": ("FAX", "FAX"),
    "F e-mail addresses": ("EMAIL", "e-mail"),
    "G social security numbers": ("US_SSN", "US_SSN"),
    "H medical record numbers": ("MEDICAL_RECORD", "MRN"),
    "I health plan numbers": ("US_MBI", "US_MBI"),
    "J account numbers": ("ACCOUNT", "account"),
    "K certificate and licence numbers": ("US_DEA", "US_DEA"),
    "L vehicle identifiers": ("VIN", "VIN"),
    "M device identifiers": ("IMEI", "IMEI"),
    "N web addresses": ("URL", "URL"),
    "O IP addresses": ("IP", "IP"),
    "R any other number": ("POLICY_NUMBER", "POLICY_NUMBER"),
}
CHINESE = {
    "姓名": ("PERSON", "姓名"),
    "机构": ("ORGANIZATION", "公司"),
    "住址": ("ADDRESS", "住址"),
    "出生日期": ("BIRTH_DATE", "生日"),
    "手机": ("MOBILE_PHONE", "MOBILE_PHONE"),
    "座机": ("LANDLINE", "LANDLINE"),
    "400电话": ("CN_SERVICE_PHONE", "CN_SERVICE_PHONE"),
    "身份证": ("CN_RESIDENT_ID", "CN_RESIDENT_ID"),
    "一代身份证": ("CN_RESIDENT_ID_15", "CN_RESIDENT_ID_15"),
    "居住证": ("CN_RESIDENCE_PERMIT", "CN_RESIDENCE_PERMIT"),
    "永久居留证": ("CN_FOREIGNER_RESIDENCE", "CN_FOREIGNER_RESIDENCE"),
    "香港身份证": ("HK_ID", "HK_ID"),
    "台湾身份证": ("TW_ID", "TW_ID"),
    "军官证": ("CN_MILITARY_ID", "CN_MILITARY_ID"),
    "护照": ("CN_PASSPORT", "CN_PASSPORT"),
    "通行证": ("CN_TRAVEL_PERMIT", "CN_TRAVEL_PERMIT"),
    "统一社会信用代码": ("USCC", "credit code"),
    "组织机构代码": ("CN_ORGANIZATION_CODE", "CN_ORGANIZATION_CODE"),
    "车牌": ("CN_PLATE", "CN_PLATE"),
    "银行卡": ("BANK_CARD", "card"),
    "住院号": ("MEDICAL_RECORD", "住院号"),
    "社保卡": ("CN_SOCIAL_SECURITY", "CN_SOCIAL_SECURITY"),
    "驾驶证档案编号": ("CN_DRIVER_FILE", "CN_DRIVER_FILE"),
    "QQ": ("QQ", "QQ"),
    "微信": ("WECHAT", "WECHAT"),
    "案号": ("CASE_NUMBER", "CASE_NUMBER"),
}


def sentences(seed: int = 18) -> dict[str, tuple[str, str]]:
    """Return for each class (sentence, value); the sentence of a Chinese kind is Chinese."""
    chance = Random(seed)
    made = {}
    for language, classes in (("en", HIPAA), ("zh", CHINESE)):
        for name, (kind, form) in classes.items():
            written = [each for each in identities.forms(kind, language) if each.name == form]  # type: ignore[arg-type]
            sentence = chance.choice(written[0].zh if language == "zh" else written[0].en)
            value = written[0].make(chance)
            made[name] = (sentence.replace("{}", value), value)
    return made


def add_messages(path: Path, planted: dict[str, tuple[str, str]], copies: int = 2) -> None:
    """Append to the messages of a site: each planted sentence in so many messages about a topic of its language."""
    chance = Random(3)
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        for copy in range(copies):
            for number, (name, (sentence, _value)) in enumerate(planted.items()):
                label = list(TOPICS)[number % len(TOPICS)]
                words = TOPICS[label][0 if name in HIPAA else 1]
                said = " ".join(chance.choices(words, k=4))
                mark = f"{copy}{number:03d}"
                writer.writerow(
                    [f"REF-{mark}-ID", f"PAT-{mark}-ID", f"{said} {mark}. {sentence}", label, "Ward-Sieben"]
                )
