"""Identity, tax, insurance and licence numbers of many countries: `python-stdnum` and `check_digits` have the arithmetic, `kinds.FORMS` names the laws.

Beside a word that names it, a number that fits is sure; behind the word it counts even when its check digit is wrong (people mistype). Without a word only
numbers with a form of their own are taken: letters and groups in fixed places, and a check that fits. One check digit lets one number in ten or eleven through,
so such a number alone scores .5 at most, and bare digits nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

from appliance.privacy import check_digits
from appliance.privacy.check_digits import by_stdnum
from appliance.privacy.recognizers.labels import BETWEEN, Labels
from appliance.privacy.recognizers.recognizer import END, START, Hit, Recognizer, compact, slips


@dataclass(frozen=True, slots=True)
class Number:
    """One number: its kind and form, the words that name it, how it is written, its check.

    A shape has `d` for a digit, `A` for a letter, `x` for either, `-` for a separator. It is taken without a word when `free` (the score) is over 0 and it
    is written exactly so; behind a word separators may stand anywhere or nowhere.
    """

    form: str
    kind: str
    words: str
    shapes: str
    check: Callable[[str], bool]
    free: float = 0


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda number: bool(compiled.fullmatch(number))


def _rrn(number: str) -> bool:
    century = {"1": "19", "2": "19", "3": "20", "4": "20", "5": "19", "6": "19", "7": "20", "8": "20", "9": "18", "0": "18"}  # fmt: skip
    return len(number) == 13 and check_digits.born(century[number[6]] + number[:6])


def _vat(number: str) -> bool:
    return by_stdnum("gb.vat" if number.startswith("GB") else "eu.vat")(number)


OTHER = "OTHER_NATIONAL_ID"
NUMBERS: tuple[Number, ...] = (
    # United States
    Number("US_NPI", "LICENSE", "npi, national provider identifier", "dddddddddd", check_digits.npi),
    Number("US_DEA", "LICENSE", "DEA, dea number, dea no, dea registration", "AAddddddd Adddddddd", check_digits.dea, 0.45),
    Number("US_MBI", "HEALTH_ID", "mbi, medicare, medicare beneficiary", "dAxdAxdAAdd dAxd-Axd-AAdd", check_digits.mbi, 0.7),
    Number("US_ROUTING_NUMBER", "ACCOUNT", "ABA, routing, rtn, routing transit, transit number", "ddddddddd", check_digits.aba),
    Number("US_EIN", "NATIONAL_ID", "ein, fein, employer id, employer identification, federal tax id, federal id, tax id, taxpayer id, tin", "dd-ddddddd", by_stdnum("us.ein")),
    # United Kingdom, Ireland
    Number("UK_NHS", "HEALTH_ID", "nhs, national health service", "dddddddddd", check_digits.nhs),
    Number("UK_NINO", "NATIONAL_ID", "nino, national insurance, ni number, ni no", "AAddddddA AA-dd-dd-dd-A", check_digits.nino, 0.6),
    Number("UK_UTR", "NATIONAL_ID", "utr, unique taxpayer reference, self assessment", "dddddddddd", by_stdnum("gb.utr")),
    Number("", "DRIVER_LICENSE", "driving licen[cs]e, driver'?s? licen[cs]e, dvla, licen[cs]e number", "xxxxxddddddxxxAA", _matches("[A-Z]{1,5}9{0,4}[0-9](?:[05][1-9]|[16][0-2])[0-9]{3}[A-Z][A-Z9][0-9A-Z][A-Z]{2}"), 0.7),
    Number("", "PLATE", "number plate, registration plate, reg plate, vehicle reg[a-z]*, car reg[a-z]*, registration, reg", "AAddAAA", _matches("[A-Z]{2}[0-9]{2}[A-Z]{3}")),
    Number("", "POSTCODE", "postcode, post code", "AddAA AdddAA AAddAA AAdddAA AdAdAA AAdAdAA", _matches("[A-Z]{1,2}[0-9][0-9A-Z]?[0-9][A-Z]{2}")),
    Number(OTHER, "NATIONAL_ID", "pps, ppsn, personal public service", "dddddddA dddddddAA", by_stdnum("ie.pps")),
    # Germany, Austria, Switzerland
    Number("DE_TAX_ID", "NATIONAL_ID", "steuer[- ]?id[a-z]*, steueridentifikationsnummer, steuernummer, idnr, tax id, tin, tax identification", "ddddddddddd dd-ddd-ddd-ddd", by_stdnum("de.idnr"), 0.45),
    Number(OTHER, "NATIONAL_ID", "personalausweis[a-z]*, ausweis[a-z]*, identity card", "xxxxxxxxx xxxxxxxxxd", _matches("(?=.*[0-9])[CFGHJKLMNPRTVWXYZ0-9]{9}[0-9]?")),
    Number(OTHER, "NATIONAL_ID", "sozialversicherung[a-z]*, rentenversicherung[a-z]*, versicherungsnummer, svnr, rvnr", "ddddddddAddd dd-dddddd-A-ddd", _matches("[0-9]{2}(?:[0-2][0-9]|3[01]|[5-8][0-9])[0-9]{4}[A-Z][0-9]{3}"), 0.5),
    Number(OTHER, "NATIONAL_ID", "svnr, sozialversicherungsnummer, e-card", "dddddddddd", by_stdnum("at.vnr")),
    Number(OTHER, "NATIONAL_ID", "ahv, avs, oasi", "ddd-dddd-dddd-dd", by_stdnum("ch.ssn"), 0.9),
    # France, Belgium, Netherlands
    Number("FR_NIR", "NATIONAL_ID", "nir, insee, s\u00e9curit\u00e9 sociale, securite sociale, num\u00e9ro de s\u00e9cu, carte vitale, social security", "ddddddddddddddd d-dd-dd-dd-ddd-ddd-dd d-dd-dd-xx-ddd-ddd-dd ddddddAdddddddd", by_stdnum("fr.nir"), 0.6),
    Number(OTHER, "NATIONAL_ID", "rijksregisternummer, num\u00e9ro national, registre national, national register, niss, insz", "dd-dd-dd-ddd-dd", by_stdnum("be.nn"), 0.9),
    Number("NL_BSN", "NATIONAL_ID", "bsn, burgerservicenummer, sofi[a-z]*, citizen service", "ddddddddd dddddddd", by_stdnum("nl.bsn")),
    # Southern Europe
    Number("ES_NIF", "NATIONAL_ID", "DNI, d\\.n\\.i\\.?, spanish id, dni number, dni no, nif, documento nacional", "ddddddddA dddddddd-A", by_stdnum("es.nif"), 0.45),
    Number("ES_NIE", "NATIONAL_ID", "NIE, n\\.i\\.e\\.?, spanish id, dni, nie number, extranjero", "AdddddddA A-ddddddd-A", by_stdnum("es.nie"), 0.5),
    Number("IT_FISCAL_CODE", "NATIONAL_ID", "codice fiscale, cod\\.? fisc\\.?, fiscal code, CF, tax code", "AAAAAAddAddAdddA AAAAAAxxAxxAxxxA", by_stdnum("it.codicefiscale"), 0.9),
    Number(OTHER, "NATIONAL_ID", "nif, contribuinte, n\u00famero de identifica\u00e7\u00e3o fiscal", "ddddddddd", by_stdnum("pt.nif")),
    Number(OTHER, "NATIONAL_ID", "cart\u00e3o de cidad\u00e3o, citizen card", "ddddddddxAAd", by_stdnum("pt.cc")),
    Number(OTHER, "NATIONAL_ID", "amka", "ddddddddddd", by_stdnum("gr.amka")),
    # Nordic and Baltic countries
    Number(OTHER, "NATIONAL_ID", "hetu, henkil\u00f6tunnus, personal identity code", "dddddd-dddx ddddddAdddx", by_stdnum("fi.hetu"), 0.7),
    Number(OTHER, "NATIONAL_ID", "personnummer, personal number, samordningsnummer", "dddddd-dddd dddddddd-dddd", by_stdnum("se.personnummer"), 0.5),
    Number(OTHER, "NATIONAL_ID", "cpr, personnummer, cpr-nummer", "dddddd-dddd", by_stdnum("dk.cpr")),
    Number(OTHER, "NATIONAL_ID", "f\u00f8dselsnummer, fodselsnummer, personnummer, fnr", "dddddd-ddddd", by_stdnum("no.fodselsnummer"), 0.6),
    Number(OTHER, "NATIONAL_ID", "kennitala", "dddddd-dddd", by_stdnum("is_.kennitala")),
    Number(OTHER, "NATIONAL_ID", "isikukood, asmens kodas, personal code", "ddddddddddd", by_stdnum("ee.ik")),
    Number(OTHER, "NATIONAL_ID", "personas kods, personal code", "dddddd-ddddd", by_stdnum("lv.pvn")),
    # Eastern Europe, Turkey
    Number("PL_PESEL", "NATIONAL_ID", "pesel", "ddddddddddd", by_stdnum("pl.pesel")),
    Number(OTHER, "NATIONAL_ID", "rodn[\u00e9e] [\u010dc][\u00edi]slo, birth number, RC", "dddddd-ddd dddddd-dddd", by_stdnum("cz.rc"), 0.45),
    Number(OTHER, "NATIONAL_ID", "cnp, cod numeric personal", "ddddddddddddd", by_stdnum("ro.cnp")),
    Number(OTHER, "NATIONAL_ID", "egn, \u0435\u0433\u043d, \u0415\u0413\u041d", "dddddddddd", by_stdnum("bg.egn")),
    Number(OTHER, "NATIONAL_ID", "oib", "ddddddddddd", by_stdnum("hr.oib")),
    Number(OTHER, "NATIONAL_ID", "em[\u0161s]o, jmbg", "ddddddddddddd", by_stdnum("si.emso")),
    Number(OTHER, "NATIONAL_ID", "taj", "ddddddddd", _matches("[0-9]{9}")),
    Number(OTHER, "NATIONAL_ID", "kimlik, tc kimlik, tckn, tc no", "ddddddddddd", by_stdnum("tr.tckimlik")),
    # Asia and the Pacific
    Number("IN_AADHAAR", "NATIONAL_ID", "aadhaar, aadhar, uidai", "dddd-dddd-dddd", by_stdnum("in_.aadhaar"), 0.45),
    Number("IN_PAN", "NATIONAL_ID", "PAN, pan card, pan number, pan no, permanent account", "AAAAAddddA", by_stdnum("in_.pan"), 0.5),
    Number(OTHER, "NATIONAL_ID", "voter, epic, elector", "AAAddddddd", _matches("[A-Z]{3}[0-9]{7}")),
    Number(OTHER, "NATIONAL_ID", "gstin, gst", "ddAAAAAddddAxxx", by_stdnum("in_.gstin"), 0.9),
    Number("JP_MY_NUMBER", "NATIONAL_ID", "my number, mynumber, individual number, \u30de\u30a4\u30ca\u30f3\u30d0\u30fc, \u500b\u4eba\u756a\u53f7", "dddd-dddd-dddd", by_stdnum("jp.in_"), 0.4),
    Number("KR_RRN", "NATIONAL_ID", "rrn, resident registration, foreigner registration, \uc8fc\ubbfc\ub4f1\ub85d\ubc88\ud638, \uc8fc\ubbfc\ubc88\ud638", "dddddd-ddddddd", _rrn, 0.6),
    Number("SG_NRIC", "NATIONAL_ID", "nric, FIN, fin number, fin no, singapore id", "AdddddddA", check_digits.sg_nric, 0.5),
    Number(OTHER, "NATIONAL_ID", "mykad, nric, ic number, ic no", "dddddd-dd-dddd", by_stdnum("my.nric"), 0.6),
    Number(OTHER, "NATIONAL_ID", "thai id, citizen id, thai national id, national id", "d-dddd-ddddd-dd-d", by_stdnum("th.pin"), 0.9),
    Number(OTHER, "NATIONAL_ID", "NIK, ktp, nomor induk", "dddddddddddddddd", by_stdnum("id.nik")),
    Number(OTHER, "NATIONAL_ID", "cccd, cmnd, c\u0103n c\u01b0\u1edbc", "dddddddddddd", _matches("0[0-9]{11}")),
    Number("AU_TFN", "NATIONAL_ID", "tfn, tax file", "ddd-ddd-ddd ddd-ddd-dd", by_stdnum("au.tfn"), 0.4),
    Number("AU_MEDICARE", "HEALTH_ID", "medicare", "dddd-ddddd-d dddd-ddddd-d-d", check_digits.au_medicare, 0.45),
    # Americas, Africa, Middle East
    Number("CA_SIN", "NATIONAL_ID", "social insurance, SIN, s\\.i\\.n\\.?, sin number, sin no", "ddd-ddd-ddd", by_stdnum("ca.sin"), 0.45),
    Number("BR_CPF", "NATIONAL_ID", "cpf", "ddd-ddd-ddd-dd", by_stdnum("br.cpf"), 0.9),
    Number(OTHER, "NATIONAL_ID", "cnpj", "dd-ddd-ddd-dddd-dd", by_stdnum("br.cnpj"), 0.9),
    Number(OTHER, "NATIONAL_ID", "curp", "AAAAddddddAAAAAAxd", by_stdnum("mx.curp"), 0.9),
    Number(OTHER, "NATIONAL_ID", "RFC, rfc number", "AAAAddddddxxx", by_stdnum("mx.rfc")),
    Number(OTHER, "NATIONAL_ID", "cuit, cuil", "dd-dddddddd-d", by_stdnum("ar.cuit"), 0.6),
    Number(OTHER, "NATIONAL_ID", "RUT, RUN, rut number", "dd-ddd-ddd-x d-ddd-ddd-x dddddddd-x", by_stdnum("cl.rut"), 0.45),
    Number(OTHER, "NATIONAL_ID", "south african id, rsa id, sa id, identity number, id number", "ddddddddddddd", by_stdnum("za.idnr")),
    Number(OTHER, "NATIONAL_ID", "teudat zehut, israeli id", "ddddddddd", by_stdnum("il.idnr")),
    Number(OTHER, "NATIONAL_ID", "NIN, national identification number, national identity number", "ddddddddddd", _matches("[0-9]{11}")),
    # Turnover tax
    Number("EU_VAT", "NATIONAL_ID", "vat, ust-?id[a-z\\-]*, umsatzsteuer[a-z\\-]*, tva, btw, partita iva, p\\.? ?iva, value added tax", "AAdddddddd AAddddddddd AAdddddddddd AAddddddddddd AAdddddddddddd AAAdddddddd AAxdddddddx AAxxddddddddd AAdddddddddAdd", _vat, 0.45),
)  # fmt: skip
_GAP = r"[ .\-/·]{0,2}"
_PLACE = {"d": "[0-9]", "A": "[A-Za-z]", "x": "[0-9A-Za-z]"}
_LABELS = Labels((number.words, number) for number in NUMBERS)
_FILL = re.compile(
    rf"(?:[ _\-]?(?:card|number|numbers|num|no|nr|id|identifier|code|reg|registration)(?![A-Za-z])\.?|号码?|编号|字号|{BETWEEN})*",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"(?<![0-9A-Za-z@.\-/])(?:[A-Z]{2}(?: [0-9]{2}){3} [A-D]|[0-9]+(?: [0-9]+)+|(?=[A-Z]{0,6}[0-9])[0-9A-Z]+(?:[.\-/+·][0-9A-Z]+)*)(?![0-9A-Za-z@]|[.\-/][0-9A-Za-z])"
)
_SIGNATURE = str.maketrans(
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ ./·", "d" * 10 + "A" * 26 + "-" * 4
)  # `+` stands for itself
_BEFORE, _AFTER = 30, 45  # how far from the word a number that fits may stand


def _spelled(shape: str) -> Iterator[str]:
    places = [("d", "A") if place == "x" else (place,) for place in shape]
    return map("".join, product(*places)) if shape.count("x") < 5 else iter(())


_FREE: dict[str, list[Number]] = {}
for _number in NUMBERS:
    for _shape in _number.shapes.split() if _number.free else ():
        for _signature in _spelled(_shape):
            if _number not in _FREE.setdefault(_signature, []):
                _FREE[_signature].append(_number)


@cache
def _written(number: Number) -> re.Pattern[str]:
    """Return a look-ahead for a number in any of its shapes, longest first, separators anywhere."""
    shapes = sorted({shape.replace("-", "") for shape in number.shapes.split()}, key=len, reverse=True)
    forms = "|".join(_GAP.join(_PLACE[place] for place in shape) for shape in shapes)
    return re.compile(rf"{START}(?=((?:{forms}){END}))")


def find(text: str) -> Iterator[Hit]:
    """Yield numbers beside their word (.9 when the check fits, .7 directly behind it when not) and those with a form of their own (`free`)."""
    for start, end, number in _LABELS.find(text):
        yield from _beside(text, start, end, number)
    for token in _TOKEN.finditer(text):
        shape = token[0].translate(_SIGNATURE)
        numbers = _FREE.get(shape) or ("A" in shape and _FREE.get(shape.replace("-", ""))) or ()
        if numbers and not slips(text, token.start()):
            for number in numbers:
                if _fits(number, token[0]):
                    yield Hit(*token.span(), number.kind, number.free, number.form)


def _fits(number: Number, written: str) -> bool:
    return number.check(compact(written)) or number.check(written)  # a hyphen can be part of a number (Finland)


def _beside(text: str, start: int, end: int, number: Number) -> Iterator[Hit]:
    filled = _FILL.match(text, end)
    direct = filled.end() if filled else end
    window = text[: end + _AFTER + 30]
    for match in _written(number).finditer(window, max(0, start - _BEFORE - 30)):
        low, high = match.span(1)
        if _fits(number, window[low:high]) and (start - _BEFORE <= high <= start or end <= low <= end + _AFTER):
            yield Hit(low, high, number.kind, 0.9, number.form)
            return
        if low == direct:
            yield Hit(low, high, number.kind, 0.7, number.form)


def _labelled() -> list[str]:
    return _LABELS.loosened(lambda _number: "")


def _free() -> list[str]:
    """Return expressions of RE2 for what `find` looks up in `_FREE`. Groups of digits with spaces between them go on to the last group."""
    shapes = {shape for number in NUMBERS if number.free for shape in number.shapes.split()}
    digits = {shape for shape in shapes if not shape.strip("d-")}
    spaced = _alternatives(digits, " ")
    others = f"{_alternatives(digits, '[./·-]')}|{_alternatives(shapes - digits, '[ ./·-]?', anywhere=True)}"
    before, behind = r"(?:\A|[^0-9A-Za-z@./-])", r"[./-](?:[^0-9A-Za-z]|\z)|\z"
    return [
        rf"{before}(?:{spaced})(?:[^0-9A-Za-z@./ -]|[ ](?:[^0-9]|\z)|{behind})",
        rf"{before}(?:{others})(?:[^0-9A-Za-z@./-]|{behind})",
    ]


def _alternatives(shapes: Iterable[str], separator: str, anywhere: bool = False) -> str:
    """Return the shapes as one expression, `separator` in its places or between all characters."""
    places = {"d": "[0-9]", "A": "[A-Z]", "x": "[0-9A-Z]", "-": separator}
    written = {
        separator.join(places[place] for place in shape if place != "-")
        if anywhere
        else "".join(places[place] for place in shape)
        for shape in shapes
    }
    return "|".join(sorted(written))


RECOGNIZER = Recognizer("national_number", find, min_digits=4, expressions=(_labelled, _free))
