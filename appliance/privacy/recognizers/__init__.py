"""The recognizers: one file each, its standard cited. A pattern recognizer is a plain function over one text; the two models read many."""

from __future__ import annotations

import re
from functools import cache

from appliance.privacy.glance import Glance
from appliance.privacy.recognizers import (
    address_zh,
    bank_card,
    bic,
    card_security,
    cn_phone,
    cn_plate,
    cn_resident_id,
    cn_uscc,
    crypto,
    dates_en,
    dates_zh,
    device,
    email_address,
    gps,
    handle,
    hk_mo_tw_id,
    iban,
    ip_address,
    labelled_number,
    mrz,
    national_number,
    organization_en,
    organization_zh,
    passport,
    person_en,
    person_zh,
    phone_number,
    places,
    secret,
    street_address,
    us_social_security,
    vin,
    web_address,
)
from appliance.privacy.recognizers.recognizer import Hit, Recognizer

__all__ = ["PATTERNS", "Hit", "Recognizer", "look"]

PATTERNS: tuple[Recognizer, ...] = tuple(
    module.RECOGNIZER
    for module in (
        cn_resident_id,
        bank_card,
        cn_phone,
        phone_number,
        cn_uscc,
        iban,
        bic,
        card_security,
        hk_mo_tw_id,
        mrz,
        vin,
        device,
        crypto,
        secret,
        gps,
        us_social_security,
        passport,
        cn_plate,
        email_address,
        web_address,
        ip_address,
        dates_en,
        street_address,
        places,
        person_en,
        address_zh,
        dates_zh,
        person_zh,
        handle,
        organization_en,
        organization_zh,
        labelled_number,
        national_number,
    )
)

# What looks alike is read by one automaton: runs of digits; digits and letters; words and dates; labels; signs.
_FAMILIES = (
    (cn_resident_id, bank_card, cn_phone, phone_number, device, us_social_security),
    (cn_uscc, iban, hk_mo_tw_id, vin, passport, gps),
    (dates_en,),
    (labelled_number,),
    (national_number, card_security),
    (email_address, web_address, bic, mrz, secret, handle, dates_zh, ip_address, crypto, cn_plate),
)
_DIGIT = re.compile("[0-9]")


def look(text: str) -> set[str]:
    """Return the rules of `PATTERNS` with an expression that can match in `text`; families that need more digits than it has are not asked."""
    digits = sum(map(text.count, "0123456789")) if _DIGIT.search(text) else 0
    seen: set[str] = set()
    for least, glance in _glances():
        if digits >= least:
            seen |= glance(text)
    return seen


@cache
def _glances() -> list[tuple[int, Glance[str]]]:
    families = [[module.RECOGNIZER for module in family] for family in _FAMILIES]
    return [
        (min(each.min_digits for each in family), Glance([{each.rule: each.expressions for each in family}]))
        for family in families
    ]
