"""Numbers of many countries by Microsoft Presidio's own pattern recognizers, each only beside a word that names it.

Presidio gives a number that passes a one-digit check the score 1.0 wherever it stands; here the word decides, and the check only rules out. Presidio is
imported when such a word is met for the first time; nothing of it that asks the network (`EmailRecognizer`, model downloads) is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from appliance.privacy.imports import without
from appliance.privacy.recognizers.recognizer import Hit, Recognizer, beside

# Presidio's class, our kind, the words that must stand near.
_TABLE: tuple[tuple[str, str, str], ...] = (
    ("UsItinRecognizer", "NATIONAL_ID", r"itin|taxpayer"),
    ("UsPassportRecognizer", "PASSPORT", r"passport"),
    ("UsBankRecognizer", "ACCOUNT", r"bank account|checking|savings|acct"),
    ("UsMbiRecognizer", "MEDICAL_RECORD", r"mbi|medicare"),
    ("UsNpiRecognizer", "DRIVER_LICENSE", r"npi|national provider"),
    ("MedicalLicenseRecognizer", "DRIVER_LICENSE", r"(?-i:DEA)|medical licen[sc]e"),
    ("AbaRoutingRecognizer", "ACCOUNT", r"(?-i:ABA)|routing number"),
    ("NhsRecognizer", "NATIONAL_ID", r"nhs|national health"),
    ("UkNinoRecognizer", "NATIONAL_ID", r"nino|national insurance|ni number"),
    ("UkDrivingLicenceRecognizer", "DRIVER_LICENSE", r"driving licen[sc]e|dvla"),
    ("UkVehicleRegistrationRecognizer", "PLATE", r"number plate|registration plate|reg plate|vehicle reg\w*"),
    ("UkPostcodeRecognizer", "POSTCODE", r"post ?code"),
    ("CaSinRecognizer", "NATIONAL_ID", r"social insurance|(?-i:SIN)"),
    ("AuTfnRecognizer", "NATIONAL_ID", r"tfn|tax file"),
    ("AuMedicareRecognizer", "MEDICAL_RECORD", r"medicare"),
    ("DeTaxIdRecognizer", "NATIONAL_ID", r"steuer\w*|idnr|tax id"),
    ("DeIdCardRecognizer", "NATIONAL_ID", r"personalausweis\w*|ausweis\w*"),
    ("DeSocialSecurityRecognizer", "NATIONAL_ID", r"sozialversicherung\w*|rentenversicherung\w*"),
    ("EsNifRecognizer", "NATIONAL_ID", r"nif|(?-i:DNI)|documento nacional"),
    ("EsNieRecognizer", "NATIONAL_ID", r"(?-i:NIE)|extranjero"),
    ("ItFiscalCodeRecognizer", "NATIONAL_ID", r"codice fiscale|fiscal code|(?-i:CF)"),
    ("PlPeselRecognizer", "NATIONAL_ID", r"pesel"),
    ("FiPersonalIdentityCodeRecognizer", "NATIONAL_ID", r"hetu|henkilötunnus|personal identity code"),
    ("SePersonnummerRecognizer", "NATIONAL_ID", r"personnummer"),
    ("InAadhaarRecognizer", "NATIONAL_ID", r"aadhaar|aadhar|uidai"),
    ("InPanRecognizer", "NATIONAL_ID", r"(?-i:PAN)|permanent account"),
    ("KrRrnRecognizer", "NATIONAL_ID", r"rrn|resident registration"),
    ("SgFinRecognizer", "NATIONAL_ID", r"nric|(?-i:FIN)"),
    ("ThTninRecognizer", "NATIONAL_ID", r"thai id|tnin"),
    ("TrNationalIdRecognizer", "NATIONAL_ID", r"tc kimlik|kimlik|t\.?c\.? no"),
    ("ZaIdNumberRecognizer", "NATIONAL_ID", r"south african id|rsa id"),
    ("CryptoRecognizer", "CRYPTO", r"bitcoin|btc|wallet|crypto\w*|wallet address"),
)  # fmt: skip
_WORDS = tuple(
    (name, kind, re.compile(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])", re.IGNORECASE)) for name, kind, words in _TABLE
)
_ANY = re.compile(
    rf"(?<![A-Za-z])(?:{'|'.join(words for _name, _kind, words in _TABLE[:-1])}|bitcoin|btc|wallet|crypto\w*)(?![A-Za-z])",
    re.IGNORECASE,
)


@cache
def _recognizer(name: str) -> Any:
    with without():
        from presidio_analyzer import predefined_recognizers

    return getattr(predefined_recognizers, name)()


def find(text: str) -> Iterator[Hit]:
    """Yield what Presidio's recognizers find within 60 characters behind, or 30 ahead of, a word that names it (.8)."""
    for name, kind, words in _WORDS:
        if not words.search(text):
            continue
        recognizer = _recognizer(name)
        for result in recognizer.analyze(text, recognizer.supported_entities, None):
            if beside(text, result.start, result.end, words, before=60, after=30):
                yield Hit(result.start, result.end, kind, 0.8)


RECOGNIZER = Recognizer("presidio", find, min_digits=4, trigger=_ANY)
