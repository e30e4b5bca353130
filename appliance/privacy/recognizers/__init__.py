"""The recognizers: one file each, its standard cited. A pattern recognizer is a plain function over one text; the two models read many."""

from __future__ import annotations

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

__all__ = ["PATTERNS", "Hit", "Recognizer"]

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
        labelled_number,
        national_number,
    )
)
