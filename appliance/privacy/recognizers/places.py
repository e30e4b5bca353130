"""Names of countries, states and peoples in English (ISO 3166-1, ISO 3166-2:US and :CA, and everyday forms), and a recognizer over them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from appliance.privacy.recognizers.gazetteer import cities
from appliance.privacy.recognizers.recognizer import Hit, Recognizer

__all__ = ["CODES", "COUNTRIES", "PEOPLES", "RECOGNIZER", "STATES"]

COUNTRIES = """Afghanistan|Albania|Algeria|Andorra|Angola|Antigua and Barbuda|Argentina|Armenia|Aruba|Australia|Austria|Azerbaijan|Bahamas|Bahrain|Bangladesh|Barbados|Belarus|Belgium|Belize|Benin|Bermuda|Bhutan|Bolivia
Bosnia and Herzegovina|Bosnia|Botswana|Brazil|Brunei|Bulgaria|Burkina Faso|Burma|Burundi|Cabo Verde|Cambodia|Cameroon|Canada|Cape Verde|Cayman Islands|Central African Republic|Chad|Chile|China|Colombia|Comoros|Congo
Costa Rica|Croatia|Cuba|Cyprus|Czech Republic|Czechia|Denmark|Djibouti|Dominica|Dominican Republic|East Timor|Ecuador|Egypt|El Salvador|England|Equatorial Guinea|Eritrea|Estonia|Eswatini|Ethiopia|Faroe Islands|Fiji|Finland
France|French Guiana|French Polynesia|Gabon|Gambia|Germany|Ghana|Gibraltar|Great Britain|Greece|Greenland|Grenada|Guadeloupe|Guam|Guatemala|Guernsey|Guinea|Guinea-Bissau|Guyana|Haiti|Honduras|Hong Kong|Hungary|Iceland
India|Indonesia|Iran|Iraq|Ireland|Isle of Man|Israel|Italy|Ivory Coast|Jamaica|Japan|Kazakhstan|Kenya|Kiribati|Kosovo|Kuwait|Kyrgyzstan|Laos|Latvia|Lebanon|Lesotho|Liberia|Libya|Liechtenstein|Lithuania|Luxembourg
Macao|Macau|Macedonia|Madagascar|Malawi|Malaysia|Maldives|Mali|Malta|Marshall Islands|Martinique|Mauritania|Mauritius|Mayotte|Mexico|Micronesia|Moldova|Monaco|Mongolia|Montenegro|Montserrat|Morocco|Mozambique|Myanmar
Namibia|Nauru|Nepal|Netherlands|New Caledonia|New Zealand|Nicaragua|Niger|Nigeria|North Korea|North Macedonia|Northern Ireland|Norway|Oman|Pakistan|Palau|Palestine|Panama|Papua New Guinea|Paraguay|Peru|Philippines
Poland|Portugal|Puerto Rico|Qatar|Romania|Russia|Russian Federation|Rwanda|Samoa|San Marino|Saudi Arabia|Scotland|Senegal|Serbia|Seychelles|Sierra Leone|Singapore|Slovakia|Slovenia|Solomon Islands|Somalia|South Africa
South Korea|South Sudan|Spain|Sri Lanka|Saint Lucia|Sudan|Suriname|Swaziland|Sweden|Switzerland|Syria|Taiwan|Tajikistan|Tanzania|Thailand|Togo|Tonga|Trinidad and Tobago|Tunisia|Turkey|Turkmenistan|Tuvalu|UAE|UK
USA|U\\.S\\.A\\.|U\\.K\\.|Uganda|Ukraine|United Arab Emirates|United Kingdom|United States of America|United States|Uruguay|Uzbekistan|Vanuatu|Vatican City|Venezuela|Vietnam|Viet Nam|Wales|Yemen|Zambia|Zimbabwe|US|U\\.S\\."""

STATES = """Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Hawaii|Idaho|Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri
Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia
West Virginia|Wisconsin|Wyoming|Puerto Rico|Alberta|British Columbia|Manitoba|New Brunswick|Newfoundland|Nova Scotia|Ontario|Quebec|Québec|Saskatchewan|New South Wales|Queensland|Tasmania"""

PEOPLES = """Afghan|Albanian|Algerian|American|Angolan|Argentine|Argentinian|Armenian|Australian|Austrian|Azerbaijani|Bahraini|Bangladeshi|Belarusian|Belgian|Bolivian|Bosnian|Brazilian|British|Bulgarian|Burmese
Cambodian|Cameroonian|Canadian|Chilean|Chinese|Colombian|Congolese|Croatian|Cuban|Cypriot|Czech|Danish|Dutch|Ecuadorian|Egyptian|Emirati|English|Eritrean|Estonian|Ethiopian|Filipino|Finnish|French|Georgian|German
Ghanaian|Greek|Guatemalan|Haitian|Honduran|Hungarian|Icelandic|Indian|Indonesian|Iranian|Iraqi|Irish|Israeli|Italian|Jamaican|Japanese|Jordanian|Kazakh|Kenyan|Korean|Kosovar|Kuwaiti|Kyrgyz|Laotian|Latvian|Lebanese
Liberian|Libyan|Lithuanian|Luxembourgish|Macedonian|Malaysian|Maltese|Mexican|Moldovan|Mongolian|Montenegrin|Moroccan|Namibian|Nepalese|Nepali|Nicaraguan|Nigerian|Norwegian|Omani|Pakistani|Palestinian|Panamanian
Paraguayan|Peruvian|Polish|Portuguese|Qatari|Romanian|Russian|Rwandan|Salvadoran|Saudi|Scottish|Senegalese|Serbian|Singaporean|Slovak|Slovenian|Slovene|Somali|South African|Spanish|Sri Lankan|Sudanese|Swedish|Swiss|Syrian
Taiwanese|Tajik|Tanzanian|Thai|Tunisian|Turkish|Turkmen|Ugandan|Ukrainian|Uruguayan|Uzbek|Venezuelan|Vietnamese|Welsh|Yemeni|Zambian|Zimbabwean
Muslim|Islamic|Christian|Catholic|Protestant|Jewish|Hindu|Buddhist|Sikh|Sunni|Shia|Shiite|Mormon|Hispanic|Latino|Latina|Caucasian|African[- ]American|Kurdish|Kurd|Roma|Uyghur|Tibetan
Antiguan|Bahamian|Barbadian|Belizean|Belizian|Beninese|Bermudian|Bhutanese|Botswanan|Bruneian|Burkinabe|Burundian|Cape Verdean|Chadian|Comorian|Djiboutian|Dominican|Timorese|Equatoguinean|Faroese|Fijian|Gabonese|Gambian|Gibraltarian|Greenlandic|Grenadian|Guamanian|Guinean
Guyanese|Hongkonger|Ivorian|Kosovan|Liechtensteiner|Macanese|Malagasy|Malawian|Maldivian|Malian|Marshallese|Mauritanian|Mauritian|Micronesian|Monegasque|Mozambican|Nauruan|New Zealander|Nigerien|Palauan|Papua New Guinean|Puerto Rican|Samoan|Seychellois|Sierra Leonean
Surinamese|Swazi|Togolese|Tongan|Trinidadian|Tuvaluan|Arab|Basque|Bengali|Berber|Catalan|Chechen|Flemish|Hazara|Igbo|Inuit|Maori|Navajo|Pashtun|Punjabi|Romani|Sinhalese|Tamil|Tatar|Yoruba|Zulu|Native American|Jew|Lutheran|Baptist|Methodist|Presbyterian|Anglican|Alevi|Druze|Yazidi|Zoroastrian|Jehovah's Witness"""


def _alternatives(names: str) -> str:
    return "|".join(sorted(names.replace("\n", "|").split("|"), key=len, reverse=True))


_CODES = "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|ID|IL|IN|IA|KS|KY|LA|ME|MD|MA|MI|MN|MS|MO|MT|NE|NV|NH|NJ|NM|NY|NC|ND|OH|OK|OR|PA|RI|SC|SD|TN|TX|UT|VT|VA|WA|WV|WI|WY|DC|PR|ON|QC|BC|AB|MB|SK|NS|NB|NL|NSW|VIC|QLD"
CODES = frozenset(_CODES.split("|"))
_CITY_STATE = re.compile(rf"(?<!\w)((?:[A-Z][\w'’.\-]{{1,30}} ){{0,2}}[A-Z][\w'’.\-]{{1,30}}) ?, ?(?:{_CODES})(?![\w])")
_ZIP_BEHIND = re.compile(r",? [0-9]{5}|,? [A-Z][0-9][A-Z]")
# The ZIP code behind a state: with a comma ahead of the state, or with no word behind that it could count.
_ZIP = re.compile(
    rf"(?:, ?(?:{_CODES}|{_alternatives(STATES)})[.,]? {{1,2}}([0-9]{{5}}(?:-[0-9]{{4}})?)(?![0-9\-])"
    rf"|(?<!\w)(?:(?<=[a-z] )(?:{_CODES})|{_alternatives(STATES)}),? {{1,2}}([0-9]{{5}}(?:-[0-9]{{4}})?)(?![0-9\-]|,[0-9]| ?%| [a-z]))"
)
_PLACE = re.compile(rf"(?<!\w)(?:{_alternatives(COUNTRIES)}|{_alternatives(STATES)})(?!\w)")
_PEOPLE = re.compile(rf"(?<!\w)(?:{_alternatives(PEOPLES)})s?(?!\w)")
# In small letters: what is no other word (nail polish, french fries) anywhere, the rest behind `I am`.
_OTHER_WORDS = "polish|roma|christian|jew|arab|swazi|malian|french|english|dutch|indian|turkish|danish|swiss|brazilian|american|tamil|mormon|baptist|orthodox|catholic"
_LOWER_PEOPLE = re.compile(
    rf"(?:\b(?:am|i'm|are|is|was|were|she's|he's)(?: an?)? )({_alternatives(PEOPLES.lower())})(?!\w)"
    rf"|(?<![\w@#./\-])(?!(?:{_OTHER_WORDS})s?(?!\w))((?:{_alternatives(PEOPLES.lower())})s?)(?![\w@.]\w|\w)"
)


# Codes of states that are also degrees, units or words: a known city must stand ahead of them.
_DEGREES = frozenset(
    (
        "MD",
        "PA",
        "MA",
        "DO",
        "OR",
        "IN",
        "ME",
        "OK",
        "HI",
        "AL",
        "CT",
        "MS",
        "MT",
        "VA",
        "DE",
        "LA",
        "CO",
        "ID",
        "AB",
        "NS",
        "BC",
    )
)
_CAPITALS = re.compile(r"(?<![\w@#/.&'’\-])[^\W\d_a-z][^\W\d_]+(?:(?:[ '’.\-]|\. )[^\W\d_]+){0,3}")
_AHEAD_OF_PLACE = re.compile(
    r"\b(?:in|at|from|to|near|of|outside|around|via|toward|towards|leaving|visit(?:ed|ing)?|reached|liv(?:e|es|ed|ing) in|born in|moved to|based in|city of|town of|village of|downtown|,)\s$",
    re.IGNORECASE,
)
# City of Joliet, TOWN OF NEW CASTLE: whatever stands there is a place, listed or not.
_NAMED = re.compile(
    r"\b(?i:city|town|village|borough|township|county|parish|municipality) (?:of|OF) "
    r"((?:(?i:new|san|santa|saint|st\.|los|las|la|el|des|fort|mount|port|lake|palm|long|north|south|east|west|grand) )?[A-Z][\w'’\-]+)"
)
_SMALL = re.compile(r"\b(?:in|from|to|near|visit|visiting) ([^\W\d_]{4,}(?: [^\W\d_]{2,}){0,2})")


def find(text: str) -> Iterator[Hit]:
    """Yield countries, states and `City, ST` (LOCATION .6), ZIP codes behind a state (POSTCODE .7, .55 without a comma), cities (.45-.55), peoples and faiths (NATIONALITY .6), as spelled with a capital."""
    for match in _PLACE.finditer(text):
        yield Hit(*match.span(), "LOCATION", 0.6)
    for match in _NAMED.finditer(text):
        yield Hit(*match.span(1), "LOCATION", 0.6)
    for match in _CITY_STATE.finditer(text):
        if (
            text[match.end() - 2 : match.end()] not in _DEGREES
            or _known(match[1].casefold())
            or _ZIP_BEHIND.match(text, match.end())
        ):
            yield Hit(*match.span(), "LOCATION", 0.6)
    for match in _ZIP.finditer(text):
        # without a comma it may be a plate: Illinois plate AB 12345
        yield Hit(*match.span(1 if match[1] else 2), "POSTCODE", 0.7 if match[1] else 0.55)
    yield from _cities(text)
    for match in _PEOPLE.finditer(text):
        yield Hit(*match.span(), "NATIONALITY", 0.6)
    for match in _LOWER_PEOPLE.finditer(text):
        yield Hit(*match.span(1 if match[1] else 2), "NATIONALITY", 0.6)


def _known(name: str) -> bool:
    return any(name in part for part in cities())


def _cities(text: str) -> Iterator[Hit]:
    """Yield cities of the list: names that are nothing else .45, any behind a word like `in` .55, small ones behind `in` or `from` .42."""
    sure, _unsure = cities()
    for match in _CAPITALS.finditer(text):
        words = re.split(r"(?<=[ ])", match[0])
        for count in range(min(len(words), 4), 0, -1):
            name = "".join(words[:count]).rstrip(" .'’-").casefold()
            ahead = _AHEAD_OF_PLACE.search(text[max(0, match.start() - 14) : match.start()])
            goes_on = count < len(words) and words[count][:1].isupper() and not words[count - 1].endswith(". ")
            if (name in sure and not (goes_on and count == 1)) or (ahead and not goes_on and _known(name)):
                yield Hit(match.start(), match.start() + len(name), "LOCATION", 0.55 if ahead else 0.45)
                break
    for match in _SMALL.finditer(text):
        words = match[1].split(" ")
        for count in range(len(words), 0, -1):
            name = " ".join(words[:count])
            if name in sure and name.islower():
                yield Hit(match.start(1), match.start(1) + len(name), "LOCATION", 0.42)
                break


def _find_eagerly(text: str) -> Iterator[Hit]:
    """Yield the places of `find`, and every city with a capital whose name is a word or a surname, too (.3)."""
    yield from find(text)
    for match in _CAPITALS.finditer(text):
        words = match[0].split(" ")
        for count in range(min(len(words), 3), 0, -1):
            name = " ".join(words[:count]).rstrip(".'’-")
            if _known(name.casefold()):
                yield Hit(match.start(), match.start() + len(name), "LOCATION", 0.3)
                break


RECOGNIZER = Recognizer("places_en", find, trigger=re.compile(r"[A-Za-z]{4}|U\.?[KS]"), names=True, eager=_find_eagerly)
