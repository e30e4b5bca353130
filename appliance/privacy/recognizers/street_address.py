"""Street and postal addresses outside China, from the house number to the country (Universal Postal Union S42 lists their parts).

The text is read as a string of token classes, one letter each, and the grammar of an address is a regular expression over that string:
`12 Main St. Apt. 4, Springfield, IL 62704` reads `HCTUH,C,ZH`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from appliance.privacy.recognizers.gazetteer import no_names
from appliance.privacy.recognizers.places import COUNTRIES, STATES
from appliance.privacy.recognizers.recognizer import Hit, Recognizer

# H number · U unit word · T street type, t in lower case · A type that stands ahead (Rue, Calle), a in lower case · N type that is a word of its own (Hill) · W word that ends in a street type (Hansinegata), w in lower case · C capitalised word · p particle (de, van) · Z state · K country · l other word
# S word that no address holds · , comma · / line end · | anything else
_UNITS = "apt apartment suite ste unit flat floor fl room rm bldg building block box postbox psc pobox postfach lot level trailer cmr apo fpo dpo"
_TYPES = (
    "street str st avenue ave av road rd lane ln drive dr boulevard blvd court ct square sq terrace terrasse place pl crescent cres highway hwy parkway pkwy circle cir "
    "trail alley mews turnpike pike expressway route rte rue via viale vicolo piazza corso largo calle avenida avda paseo plaza camino carrera ctra carretera rua travessa "
    "estrada praça ul ulica aleja prospekt náměstí nám trg cesta bd chemin allée impasse quai cours strada calea jalan jl nábřeží utca út útja u tér körút sokak caddesi "
    "cad straße strasse gasse weg platz laan straat vei vej allé"
)
_NAME_TYPES = "way close walk grove gardens row rise quay loop ridge hill park point manor heights green fort cove coves isle isles harbour harbor view views valley crossing junction bridge brook meadow meadows springs spring station village gate path run knoll hollow mill mills streets roads parks hills islands shore shores lake lakes river rivers forest field fields ford fork forks garden glen haven key land light lock mission mount mountain neck orchard oval pass pine pines plain plains port prairie radial ranch rapid rapids rest shoal skyway stream summit throughway trace track trafficway tunnel underpass union vista ville wall well wells"  # USPS Publication 28, appendix C
_PARTICLES = "de du des del della dei di da do dos das la le les el los las lo van von der den ter ten of the y et i am an im zu zur af av upon al d l e et nad pod na s à aux sur en op sv delle dello degli alla alle svatého"
_STOPS = (
    "january february march april may june july august september october november december jan feb mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday "
    "sunday mr mrs ms dr. prof miss pm a.m p.m you he she they we it this that these those if when while my your his her our their please thanks thank phone tel mobile fax email e-mail desk cell "
    "website web name date dob ssn mrn and but or for to in on with by is are was were has have had will would can could percent million billion thousand hundred people patient patients year "
    "years month months day days hour hours minute minutes week weeks mg ml kg km cm mm mile miles meters metres feet dollars usd eur times article section chapter page figure fig table vol "
    "version step phase stage grade group class league season episode windows at from not no there here what who which why how then than so as be been did does i"
)
_ENDING = re.compile(
    r".{3,}(?:stra(?:ß|ss)e|str|gasse|weg|platz|allee|ufer|steig|gässli|gade|gata|gaten|gatan|gårdsvej|vej|vejen|vei|veien|väg|vägen|alle|stræde|torv|plads|plass|torg|torget|gränd|backen|stigen|stien"
    r"|katu|tie|kuja|polku|raitti|puiestee|tänav|laan|straat|dreef|steenweg|plein|gracht|kade|singel|utca|stígur|vegur|braut|tún|stræti|ská|ova|ého|ićeva|ičeva)$",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"p\.? ?o\.? ?box|(?-i:[Cc]/(?=\s?[A-Z]))|#?[^\W_]+(?:['’\-/][^\W_]+)*", re.IGNORECASE)
_HOUSE = re.compile(r"#?[0-9]{1,6}[A-RT-Za-rt-z]?(?:[-/][0-9]{1,5}[A-Za-z]?)?$")
_POSTCODE = re.compile(r"[A-Z]{1,2}[0-9][0-9A-Z]?$|[0-9][A-Z]{2}$|[A-Z][0-9][A-Z]$|[0-9][A-Z][0-9]$")
_LINE = re.compile(r"[ \t.,;]*\r?\n[^\w\n(]{0,6}(?:\r?\n[^\w\n(]{0,4})?$")

_NUMBER = "H{1,2},?"
_STREET = (
    # 12 Main Street 5; 3747 3911 fourth av; 269 Stensås terrasse 38; 7 Orchard Hill
    rf"{_NUMBER}(?:[CZKNT][CpZKTANtW]{{0,4}}|l{{1,3}})[TAtNa]H?|{_NUMBER}C[CpZKWl]{{0,3}}tH"
    # 137 Avenue Teboulbi; Rua Vinte e Cinco 57; 33 rue de Provence; ul. Miła 53
    rf"|{_NUMBER}Ap{{0,2}}[CZKWN][CpZKWN]{{0,4}}H?|Ap{{0,2}}[CZKWN][CpZKWN]{{0,4}},?H|{_NUMBER}a[CpZKWNl]{{1,5}}H?|a[CpZKWNl]{{1,5}},?H"
    # Hansinegata 120; 78321 Nybyvägen 65
    rf"|(?:{_NUMBER})?[CZK]{{0,3}}W,?H|{_NUMBER}wH|{_NUMBER}[CZK]{{0,3}}W"
    # 5366 Pivovarská 276; 0645 Reyes Católicos 17
    r"|H{1,2}[CZKTAN][CpZKTAN]{0,4}H"
    # 94941 2505 Heatherleigh
    r"|HH[CZK][CpZKN]{0,3}"
)
_UNIT = "(?:U[,/]?[HZ])"
_MILITARY = f"(?:{_UNIT}[,/]{{0,2}}){{0,2}}(?:[CZ]{{1,3}}[,/])?U[Zl]H"  # PSC 1437, Box 3833 APO AA 66791
_CITY = "(?:[CZKWNTA][CpZKWTAN]{0,4}(?=[,/]{0,2}[ZKHlU])|(?<=H[,/])(?<!ZH[,/])[CZK][CpZKN]{0,3}(?=[|/,lS]|$)|(?<=H)[CZK][CpZKN]{0,3}(?=[|]|$))"
_TAIL = rf"(?:[,/]{{0,2}}(?:{_UNIT}|U?[Zl]H|Z|K+C?|H|{_CITY}|l(?=[,/]{{0,2}}l?[HK])))"
_AHEAD_OF_UNIT = rf"(?:{_NUMBER}(?:(?:[CZKTAN][CpZKTAN]{{0,4}}|l{{1,3}}),?(?:H[,/]?)?)?|[CZKTAN][CpZKTAN]{{0,4}},?(?:H[CpZKTAN]{{0,4}}[,/]?)?)"
_ADDRESS = re.compile(
    rf"{_MILITARY}|(?:{_STREET}){_TAIL}{{0,8}}|{_AHEAD_OF_UNIT}?{_UNIT}{_TAIL}{{0,8}}|[CN]{{1,3}}T(?:H|(?=[|,/lSp]|$))"
)
_CORNER = re.compile(r"(?:the )?corner of (?:[^\W_][\w.'’-]*\s?){1,4} and (?:[^\W\d_a-z][\w.'’-]*\s?|[0-9]+\s?){1,4}")
_LABELLED = re.compile(
    r"(?:^|\n|[.;,|] ?)[ \t]*(?:(?:home|mailing|street|postal|billing|shipping|delivery|residential|business|office|permanent|current|work|my|his|her) ){0,2}address[ \t]{0,2}(?:is[ \t]|:)[ \t]*\n?[ \t]*((?![^\n]*(?:@|://))[^\n:]{6,90}?)(?=[ \t.;]*(?:\n|$))",
    re.IGNORECASE,
)
_ZIP = re.compile(
    r"\b(?:zip|zip ?code|postcode|postal code|post code|plz)\s*(?:is|:|#|no\.?)?\s*((?=[A-Z]*[0-9])[0-9A-Z]{3,6}(?:[ -][0-9A-Z]{2,4}(?![0-9A-Z]))?)(?!\w)",
    re.IGNORECASE,
)


_LOWER_TYPES = frozenset(
    [
        "street",
        "st",
        "avenue",
        "ave",
        "av",
        "road",
        "rd",
        "lane",
        "ln",
        "drive",
        "dr",
        "boulevard",
        "blvd",
        "court",
        "ct",
        "square",
        "terrace",
        "highway",
        "hwy",
        "parkway",
        "utca",
        "út",
        "u",
        "weg",
        "gasse",
        "straße",
        "strasse",
        "straat",
        "tee",
        "terrasse",
        "vei",
        "veien",
        "vej",
        "plads",
        "plass",
        "gata",
        "gate",
        "väg",
        "vägen",
        "katu",
        "tér",
        "körút",
        "útja",
        "allé",
        "laan",
        "tänav",
    ]
)
_AHEAD = frozenset(
    [
        "rue",
        "via",
        "calle",
        "avenida",
        "avda",
        "rua",
        "ul",
        "ulica",
        "piazza",
        "strada",
        "str",
        "avenue",
        "paseo",
        "camino",
        "plaza",
        "r",
        "c/",
        "trg",
        "viale",
        "corso",
        "largo",
        "vicolo",
        "carrera",
        "ctra",
        "carretera",
        "travessa",
        "estrada",
        "praça",
        "aleja",
        "prospekt",
        "náměstí",
        "nám",
        "cesta",
        "chemin",
        "allée",
        "impasse",
        "quai",
        "cours",
        "calea",
        "jalan",
        "jl",
        "nábřeží",
        "boulevard",
        "place",
        "av",
    ]
)
_LOWER_AHEAD = _AHEAD - {"str", "plaza", "place", "boulevard", "cours", "largo", "av"}
_LOWER_UNITS = frozenset(
    [
        "apt",
        "apartment",
        "suite",
        "ste",
        "unit",
        "flat",
        "floor",
        "room",
        "rm",
        "bldg",
        "building",
        "box",
        "postbox",
        "psc",
        "apo",
        "fpo",
        "dpo",
    ]
)
_SHORT = frozenset(
    [
        "apt",
        "ste",
        "st",
        "ave",
        "av",
        "rd",
        "ln",
        "dr",
        "blvd",
        "sq",
        "pl",
        "fl",
        "rm",
        "bldg",
        "no",
        "hwy",
        "u",
        "ul",
        "avda",
        "str",
        "nám",
        "mt",
        "ft",
        "n",
        "s",
        "e",
        "w",
        "c",
        "p",
        "o",
        "b",
        "ctra",
    ]
)
# Types that make an address without a number: Marina Fort Street.
_ALONE = frozenset(
    [
        "street",
        "road",
        "avenue",
        "boulevard",
        "lane",
        "terrace",
        "crescent",
        "highway",
        "parkway",
        "expressway",
        "turnpike",
        "ave",
        "blvd",
        "rd",
        "hwy",
        "pkwy",
    ]
)
_MEASURE = re.compile(r"[0-9]+(?:MG|ML|KG|CM|MM|MCG|MHZ|GB|MB|KB|TB|PM|AM|HR|HZ|KM|X|D|K|M|B)$")
_AUSTRALIA = frozenset(("NSW", "VIC", "QLD", "TAS", "ACT"))
_DECIMAL = re.compile(r"[0-9][.,][0-9]|[0-9]%")
_PO_BOX = re.compile(r"p\.? ?o\.? ?box", re.IGNORECASE)


@cache
def _classes() -> dict[str, str]:
    countries, states = ({word.casefold() for word in re.findall(r"[^\W_]+", names)} for names in (COUNTRIES, STATES))
    table: dict[str, str] = {}
    for letter, words in (
        ("Z", states), ("K", countries), ("N", _NAME_TYPES.split()), ("T", _TYPES.split()), ("A", _AHEAD), ("U", _UNITS.split()), ("p", _PARTICLES.split()), ("S", _STOPS.split()),
    ):  # fmt: skip
        table |= dict.fromkeys(words, letter)
    return table


def _class(word: str) -> str:
    if word[0] in "#0123456789":
        if _HOUSE.match(word) or (_POSTCODE.match(word) and not _MEASURE.match(word)):
            return "H"
        return "C" if word[-1].isalpha() and not _MEASURE.match(word.upper()) else "S"
    known = _classes().get(word.casefold().split("'")[0].split("’")[0], "")
    if len(word) <= 3 and word.isupper() and word.isalnum() and word != "I":
        short = "Z" if len(word) <= 2 or word in _AUSTRALIA else known.strip("p") or "C"
        return "H" if _POSTCODE.match(word) else short
    if _PO_BOX.match(word):
        return "U"
    if known == "S" or not word[0].isupper():
        return known if known == "S" else _lower(word, known)
    return known if known and known != "p" else "W" if _ENDING.match(word) else "C"


def _lower(word: str, known: str) -> str:
    if word in _LOWER_AHEAD:
        return "a"
    if known in ("T", "A"):
        return "t" if word in _LOWER_TYPES else "l"
    if known == "p" or (known == "U" and word in _LOWER_UNITS):
        return known
    return "w" if len(word) > 6 and _ENDING.match(word) else "l" if word[0].islower() else "S"


def _mark(gap: str, letters: list[str], last: str) -> str:
    """Return the class of what stands between two tokens: nothing, a comma, a line end, or a break."""
    inside = gap.strip(" \t")
    if not inside or (inside == "." and last.casefold() in _SHORT):
        return ""
    if (inside == "(" and letters[-1] == "K") or (inside == ")" and letters[-2:-1] == ["K"]):
        return ""
    return "," if inside.strip(".") == "," else "/" if _LINE.match(gap) else "|"


def _read(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the class string and, for each of its letters, the token's span (an empty one for a gap)."""
    letters: list[str] = []
    spans: list[tuple[int, int]] = []
    last = ""
    for match in _TOKEN.finditer(text):
        mark = _mark(text[spans[-1][1] : match.start()], letters, last) if spans else ""
        if mark:
            letters.append(mark)
            spans.append((match.start(), match.start()))
        last = match[0]
        letters.append("S" if _DECIMAL.search(text, max(0, match.start() - 2), match.end() + 2) else _class(last))
        spans.append(match.span())
    return "".join(letters), spans


def find(text: str) -> Iterator[Hit]:
    """Yield addresses (.85; number, words and number alone .6), street corners, and postcodes behind their label."""
    for match in _ZIP.finditer(text):
        yield Hit(*match.span(1), "POSTCODE", 0.85)
    for match in _LABELLED.finditer(text):
        if any(map(str.isdigit, match[1])):
            yield Hit(*match.span(1), "ADDRESS", 0.65)
    if "corner of" in text:
        for match in _CORNER.finditer(text):
            yield Hit(*match.span(), "ADDRESS", 0.7)
    letters, spans = _read(text)
    for match in _ADDRESS.finditer(letters):
        start, end = match.span()
        while letters[end - 1] in "/,":
            end -= 1
        found = text[spans[start][0] : spans[end - 1][1]]
        sure = any(letter in match[0] for letter in "UTtAaWK")
        if not sure and any(word.casefold() in no_names() for word in re.findall(r"[A-Z0-9]{2,4}(?!\w)", found)):
            continue  # BP 142/88
        if "H" in match[0]:
            plausible = sum(map(str.isdigit, found)) >= (1 if sure else 3)
        else:
            plausible = "U" in match[0] or found.split()[-1].casefold() in _ALONE
        if plausible:
            yield Hit(spans[start][0], spans[end - 1][1], "ADDRESS", 0.85 if sure else 0.6)


RECOGNIZER = Recognizer(
    "street_address",
    find,
    trigger=re.compile(r"[0-9]|\b(?:Street|Road|Avenue|Lane|Boulevard|Terrace|Crescent|Highway|Parkway|corner of)\b"),
    names=True,
)
