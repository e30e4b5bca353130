"""English sentences with numbers of many countries that belong to a person, and as many traps: python benchmarks/world_numbers.py [--rows N] [--show KIND].

Written from the standards and laws, apart from the recognizers, with check digits computed here: SSA's rules of 2011 (SSN), IRS (ITIN), 45 CFR 162.406 (NPI),
21 CFR 1301 (DEA), CMS (MBI), NHS Data Dictionary, HMRC NIM39110 (NINO), ISO 13616, ISO/IEC 7812-1, ISO/IEC 7064, ICAO 9303-3, ISO 3779, 3GPP TS 23.003, and
the identity numbers of thirteen countries. All values are synthetic.
"""

from __future__ import annotations

import base64
import json
from functools import partial
from hashlib import sha256
from random import Random

import planted
from planted import Make, Row, Span, Trap, Value, Words, digits, either, iban, luhn, pattern, spoiled, vin

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def choice(*values: str) -> Make:
    """Return what takes one of the values."""
    return lambda random: random.choice(values)


def between(low: float, high: float, form: str = "{:.1f}") -> Make:
    """Return what makes a number in a range."""
    return lambda random: form.format(random.uniform(low, high))


def weighted(number: str, weights: tuple[int, ...]) -> int:
    """Return the sum of digits times weights."""
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=True))


def in_groups(number: str, sizes: tuple[int, ...], mark: str = " ") -> str:
    """Return a number in groups."""
    pieces = []
    for size in sizes:
        pieces.append(number[:size])
        number = number[size:]
    return mark.join(pieces)


def grouped(make: Make, *sizes: int, marks: tuple[str, ...] = (" ",), share: float = 0.6) -> Make:
    """Return what writes some of its numbers in groups."""
    return lambda random: (
        in_groups(make(random), sizes, random.choice(marks)) if random.random() < share else make(random)
    )


def retry(make: Make) -> Make:
    """Return what calls `make` until it answers: some bodies have no check digit."""

    def until(random: Random) -> str:
        while not (number := make(random)):
            pass
        return number

    return until


# -- United States ------------------------------------------------------------------------------------------------------


def ssn(random: Random) -> str:
    """Return a social security number: no area 000, 666 or 9xx, no group 00, no serial 0000."""
    area = random.choice([number for number in range(1, 900) if number != 666])
    return f"{area:03d}{random.randint(1, 99):02d}{random.randint(1, 9999):04d}"


def never_ssn(random: Random) -> str:
    """Return what looks like a social security number and is never given out: area 000 or 666, group 00, serial 0000."""
    number = ssn(random)
    area, group, serial = number[:3], number[3:5], number[5:]
    wrong = ((random.choice(("000", "666")), group, serial), (area, "00", serial), (area, group, "0000"))
    return "-".join(random.choice(wrong))


def isbn(random: Random) -> str:
    """Return a book's number (ISO 2108: weights 1 and 3 modulo 10)."""
    body = "978" + digits(9)(random)
    check = -weighted(body, (1, 3) * 6) % 10
    return random.choice((f"{body}{check}", f"978-{body[3]}-{body[4:7]}-{body[7:]}-{check}"))


def itin(random: Random) -> str:
    """Return a taxpayer's number of the IRS: 9, and a group of 50-65, 70-88, 90-92 or 94-99."""
    group = random.choice([*range(50, 66), *range(70, 89), 90, 91, 92, *range(94, 100)])
    return f"9{random.randint(0, 99):02d}-{group}-{random.randint(1, 9999):04d}"


def npi(random: Random) -> str:
    """Return a provider's number: Luhn over 80840 and the number."""
    return luhn("80840" + random.choice("12") + "".join(random.choices("0123456789", k=8)))[5:]


def dea(random: Random) -> str:
    """Return a prescriber's number: digits 1, 3, 5 and twice 2, 4, 6 end in the check digit."""
    body = "".join(random.choices("0123456789", k=6))
    check = weighted(body, (1, 2, 1, 2, 1, 2)) % 10
    return random.choice("ABFGM") + random.choice(LETTERS) + body + str(check)


def mbi(random: Random) -> str:
    """Return a Medicare number: eleven places, letters without S L O I B Z."""
    letters = "ACDEFGHJKMNPQRTUVWXY"
    form = "CAMNAMNAANN"
    alphabets = {"C": "123456789", "A": letters, "N": "0123456789", "M": letters + "0123456789"}
    return "".join(random.choice(alphabets[place]) for place in form)


# -- Europe -------------------------------------------------------------------------------------------------------------


@retry
def nhs(random: Random) -> str:
    """Return an NHS number: weights 10..2, 11 minus the rest, 11 is 0, 10 is not given out."""
    body = digits(9, "4679")(random)
    check = 11 - weighted(body, tuple(range(10, 1, -1))) % 11
    return "" if check == 10 else body + str(check % 11)


@retry
def nino(random: Random) -> str:
    """Return a National Insurance number: no D F I Q U V in the prefix, no O second, seven prefixes barred."""
    prefix = random.choice("ABCEGHJKLMNOPRSTWXYZ") + random.choice("ABCEGHJKLMNPRSTWXYZ")
    number = prefix + f"{random.randint(0, 999999):06d}" + random.choice("ABCD")
    return "" if prefix in ("BG", "GB", "NK", "KN", "TN", "NT", "ZZ") else number


def mod_11_10(body: str) -> str:
    """Return digits with the check digit of ISO/IEC 7064 MOD 11,10."""
    product = 10
    for digit in body:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return body + str((11 - product) % 10)


@retry
def steuer_id(random: Random) -> str:
    """Return a German tax number of a person: ten digits with one digit twice, one missing; the check digit of MOD 11,10."""
    body = random.sample("0123456789", 9)
    body.insert(random.randint(0, 9), random.choice(body))
    return "" if body[0] == "0" else mod_11_10("".join(body))


def nir(random: Random) -> str:
    """Return a French social security number: sex, year, month, place, serial, 97 minus the rest modulo 97."""
    body = f"{random.randint(1, 2)}{random.randint(40, 99)}{random.randint(1, 12):02d}{random.choice((13, 33, 59, 69, 75))}"
    body += f"{random.randint(1, 600):03d}{random.randint(1, 900):03d}"
    return f"{body}{97 - int(body) % 97:02d}"


def dni(random: Random) -> str:
    """Return a Spanish identity number: the letter of the number modulo 23; X, Y, Z stand for 0, 1, 2 in foreigners' numbers."""
    start = random.choice(("", "", "X", "Y", "Z"))
    body = "".join(random.choices("0123456789", k=7 if start else 8))
    number = int(str("XYZ".find(start)) + body if start else body)
    return start + body + random.choice(("", "", "-")) + "TRWAGMYFPDXBNJZSQVHLCKE"[number % 23]


def codice_fiscale(random: Random) -> str:
    """Return an Italian tax code with its check letter (Ministerial Decree of 23 December 1976)."""
    day = random.randint(1, 28) + random.choice((0, 40))
    body = random.choice(("RSSMRA", "BNCLGU", "VRDGPP", "FRRLSN", "CLMGNN"))
    body += f"{random.randint(40, 99)}{random.choice('ABCDEHLMPRST')}{day:02d}{random.choice(('H501', 'F205', 'L219', 'G273'))}"
    odd = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
    worth = [int(each) if each.isdigit() else LETTERS.index(each) for each in body]
    return body + LETTERS[sum(each if place % 2 else odd[each] for place, each in enumerate(worth)) % 26]


@retry
def bsn(random: Random) -> str:
    """Return a Dutch citizen's number: weights 9..2 and -1, 0 modulo 11."""
    body = digits(8, "1234")(random)
    check = weighted(body, tuple(range(9, 1, -1))) % 11
    return "" if check == 10 else body + str(check)


def pesel(random: Random) -> str:
    """Return a Polish number: birth (month + 20 from 2000 on), serial, weights 1 3 7 9."""
    year = random.randint(1935, 2019)
    body = f"{year % 100:02d}{random.randint(1, 12) + 20 * (year >= 2000):02d}{random.randint(1, 28):02d}"
    body += f"{random.randint(0, 9999):04d}"
    return body + str(-weighted(body, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10)


def vat(random: Random) -> str:
    """Return a number for value-added tax: Germany, France, Italy, the United Kingdom or the Netherlands."""
    land = random.choice(("DE", "FR", "IT", "GB", "NL"))
    if land == "DE":
        return land + mod_11_10(digits(8)(random))
    if land == "FR":
        siren = luhn(digits(8, "345")(random))
        return f"{land}{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}"
    if land == "IT":
        return land + luhn("0" + digits(6)(random) + random.choice(("015", "058", "063")))
    if land == "NL":
        return f"{land}{bsn(random)}B01"
    body = digits(7, "12345678")(random)
    return f"{land}{body}{97 - weighted(body, tuple(range(8, 1, -1))) % 97:02d}"


# -- Asia, America, Australia -------------------------------------------------------------------------------------------


def verhoeff(body: str) -> str:
    """Return digits with the check digit of Verhoeff (1969): the dihedral group of ten elements."""

    def product(one: int, other: int) -> int:
        if one < 5:
            return (one + other) % 5 + 5 * (other >= 5) if other < 5 else 5 + (one + other) % 5
        return 5 + (one - other) % 5 if other < 5 else (one - other) % 5

    powers = [list(range(10))]
    first = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    for _power in range(7):
        powers.append([first[each] for each in powers[-1]])
    total = 0
    for place, digit in enumerate(reversed(body + "0")):
        total = product(total, powers[place % 8][int(digit)])
    return body + str(next(each for each in range(10) if product(total, each) == 0))


def aadhaar(random: Random) -> str:
    """Return an Aadhaar number."""
    return verhoeff(digits(11, "23456789")(random))


def my_number(random: Random) -> str:
    """Return a Japanese individual number: weights 2..7, 2..6 from the right modulo 11 (ordinance 85 of 2014)."""
    body = "".join(random.choices("0123456789", k=11))
    rest = weighted(body[::-1], (2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6)) % 11
    return body + str(0 if rest <= 1 else 11 - rest)


def rrn(random: Random) -> str:
    """Return a Korean resident's number: birth, century and sex, region, weights 2..9, 2..5 modulo 11."""
    year = random.randint(1940, 2015)
    body = f"{year % 100:02d}{random.randint(1, 12):02d}{random.randint(1, 28):02d}"
    body += f"{random.randint(1, 2) + 2 * (year >= 2000)}{random.randint(0, 95):02d}{random.randint(0, 999):03d}"
    check = (11 - weighted(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return f"{body[:6]}-{body[6:]}{check}"


@retry
def tfn(random: Random) -> str:
    """Return an Australian tax file number: weights 1 4 3 7 5 8 6 9 10, 0 modulo 11."""
    body = digits(8)(random)
    rest = weighted(body, (1, 4, 3, 7, 5, 8, 6, 9))
    check = next((each for each in range(10) if (rest + 10 * each) % 11 == 0), None)
    return "" if check is None else body + str(check)


# -- travel, things, money ----------------------------------------------------------------------------------------------


def travel_check(field: str) -> str:
    """Return the check digit of ICAO 9303-3: weights 7 3 1, A = 10, < = 0, modulo 10."""
    worth = [0 if each == "<" else int(each, 36) for each in field]
    return str(sum(each * (7, 3, 1)[place % 3] for place, each in enumerate(worth)) % 10)


def mrz(random: Random) -> str:
    """Return the two lines of a passport (ICAO 9303-4)."""
    land = random.choice(("UTO", "USA", "GBR", "FRA", "D<<"))
    first = f"P<{land}{random.choice(('ERIKSSON<<ANNA<MARIA', 'BAKER<<JOHN', 'MUELLER<<LENA'))}".ljust(44, "<")
    number = random.choice("LCX") + digits(7)(random) + random.choice("0123456789")
    birth, until = f"{random.randint(50, 99)}0{random.randint(1, 9)}15", f"3{random.randint(0, 5)}0415"
    own = "<" * 14
    number, birth, until = (field + travel_check(field) for field in (number, birth, until))
    line = number + land + birth + random.choice("MF") + until + own + "0"
    return f"{first}\n{line}{travel_check(number + birth + until + own + '0')}"


def card(random: Random) -> str:
    """Return a card of one of five schemes."""
    start, places = random.choice(
        (("4", 16), ("51", 16), ("55", 16), ("2223", 16), ("34", 15), ("37", 15), ("6011", 16), ("35", 16))
    )
    return luhn(start + "".join(random.choices("0123456789", k=places - 1 - len(start))))


def card_groups(random: Random) -> str:
    """Return a card as it is written."""
    number = card(random)
    sizes = (4, 6, 5) if len(number) == 15 else (4, 4, 4, 4)
    return random.choice((number, in_groups(number, sizes), in_groups(number, sizes, "-")))


def bank_iban(random: Random) -> str:
    """Return an IBAN of one of ten countries."""
    lands = {"DE": 18, "FR": 23, "DK": 14, "FI": 14, "AT": 16, "CH": 17, "PL": 24, "GR": 23, "GB": 18, "NL": 14}
    land = random.choice(list(lands))
    letters = {"GB": "NWBK", "NL": "INGB"}.get(land, "")
    number = iban(land, letters + digits(lands[land] - len(letters))(random))
    return (
        " ".join(number[place : place + 4] for place in range(0, len(number), 4)) if random.random() < 0.5 else number
    )


def bitcoin(random: Random) -> str:
    """Return a Bitcoin address: Base58Check with version 0, or Bech32 of a 20-byte program (BIP 173)."""
    payload = bytes(random.randrange(256) for _byte in range(20))
    if random.random() < 0.4:
        return bech32("bc", payload)
    raw = b"\0" + payload
    raw += sha256(sha256(raw).digest()).digest()[:4]
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        text = BASE58[rest] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def bech32(prefix: str, payload: bytes) -> str:
    """Return a Bech32 address of witness version 0 (BIP 173)."""
    bits = int.from_bytes(payload, "big")
    data = [0] + [bits >> shift & 31 for shift in range(len(payload) * 8 - 5, -1, -5)]
    check = 1
    for value in [ord(each) >> 5 for each in prefix] + [0] + [ord(each) & 31 for each in prefix] + data + [0] * 6:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> place & 1 else 0
    tail = [(check ^ 1) >> 5 * (5 - place) & 31 for place in range(6)]
    return prefix + "1" + "".join(BECH32[each] for each in data + tail)


def ether(random: Random) -> str:
    """Return an Ethereum address, small letters."""
    return "0x" + "".join(random.choices("0123456789abcdef", k=40))


def secret(random: Random) -> str:
    """Return a key or token of a well-known form: AWS, GitHub, Slack, Stripe, Google, JSON Web Token."""
    word = "".join(random.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0123456789", k=48))
    token = ".".join(
        base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
        for part in (
            json.dumps({"alg": "HS256", "typ": "JWT"}),
            json.dumps({"sub": word[:8], "iat": 1516239022}),
            word[:32],
        )
    )
    slack = f"xoxb-{digits(12)(random)}-{word[:24]}"
    forms = (f"AKIA{word[:16].upper()}", f"ghp_{word[:36]}", slack, f"sk_live_{word[:24]}", f"AIza{word[:35]}", token)
    return random.choice(forms)


def password(random: Random) -> str:
    """Return a password."""
    return (
        random.choice(("Winter", "Tiger!", "hunter", "P@ss", "qwErty"))
        + digits(4)(random)
        + random.choice(("!", "#x", "", "$"))
    )


def phone(random: Random) -> str:
    """Return a telephone number of one of ten countries."""
    forms = (
        "(212) 555-0100",
        "212-555-0100",
        "+1 415 555 0100",
        "415.555.0100",
        "+44 20 7946 0000",
        "020 7946 0000",
        "07700 900000",
        "+49 30 23125 000",
        "030 23125000",
        "+33 1 99 00 00 00",
        "06 39 98 00 00",
        "+91 98765 00000",
        "+81 3-5000-0000",
        "+61 491 570 000",
        "0491 570 000",
        "+34 600 00 00 00",
        "+39 06 6982 0000",
        "+55 11 95000-0000",
        "+82 2-312-0000",
        "+31 20 624 0000",
    )
    return "".join(
        random.choice("123456789") if each == "0" and place > 6 else each
        for place, each in enumerate(random.choice(forms))
    )


def email(random: Random) -> str:
    """Return an e-mail address."""
    name = random.choice(("j.doe", "anna_k", "m.schmidt", "li.chen", "r-patel", "sofia+news", "bob"))
    return f"{name}{random.choice(('', str(random.randint(1, 99))))}@{random.choice(('example.com', 'mail.example.org', 'example.co.uk'))}"


def url(random: Random) -> str:
    """Return a web address."""
    path = random.choice(("/users/jdoe", "/p?id=77", "/~anna", "", "/t/88121#c3"))
    return (
        random.choice(
            ("https://www.example.com", "http://intranet.example.org", "https://example.net", "www.example.com")
        )
        + path
    )


def ip(random: Random) -> str:
    """Return an address of version 4 or 6."""
    if random.random() < 0.3:
        return random.choice(("2001:db8:{:x}::{:x}", "fe80::{:x}:{:x}")).format(
            random.randint(16, 65535), random.randint(16, 65535)
        )
    return ".".join(str(random.randint(1, 254)) for _place in range(4)).replace("127.", "10.", 1)


def mac(random: Random) -> str:
    """Return a network card's address."""
    return random.choice(":-").join(f"{random.randint(0, 255):02X}" for _place in range(6))


def birthday(random: Random) -> str:
    """Return a date of birth."""
    year, month, day = random.randint(1935, 2015), random.randint(1, 12), random.randint(1, 28)
    name = ("January", "March", "May", "June", "July", "August", "October", "December")[month % 8]
    return random.choice(
        (
            f"{month:02d}/{day:02d}/{year}",
            f"{day} {name} {year}",
            f"{name} {day}, {year}",
            f"{year}-{month:02d}-{day:02d}",
        )
    )


def position(random: Random) -> str:
    """Return a position in degrees."""
    north, west = random.uniform(25, 60), random.uniform(60, 120)
    return random.choice((f"{north:.5f}, -{west:.5f}", f"{north:.4f}° N, {west:.4f}° W", f"{north:.6f},{west:.6f}"))


def routing(random: Random) -> str:
    """Return a bank's routing number: weights 3 7 1, 0 modulo 10 (ABA)."""
    body = random.choice(("0210", "1110", "3222", "0110")) + digits(4)(random)
    return body + str(-weighted(body, (3, 7, 1, 3, 7, 1, 3, 7)) % 10)


VALUES: tuple[Value, ...] = (
    Value(
        "SSN",
        "NATIONAL_ID",
        grouped(ssn, 3, 2, 4, marks=("-", "-", " "), share=0.8),
        ("SSN", "Social Security Number", "social security no.", "Social Security #", "soc sec"),
        ("my social is {}", "the applicant's Social Security number, {}, was verified", "SSN on file {} does not match"),
    ),
    Value("ITIN", "NATIONAL_ID", itin, ("ITIN", "Individual Taxpayer Identification Number", "taxpayer ID"), ("files under ITIN {}",)),
    Value("NPI", "LICENSE", npi, ("NPI", "NPI number", "provider NPI", "National Provider Identifier"), ("attending physician (NPI {})",)),
    Value("DEA", "LICENSE", dea, ("DEA", "DEA number", "DEA #", "DEA no."), ("prescriber with DEA number {}",)),
    Value(
        "MBI",
        "HEALTH_ID",
        grouped(mbi, 4, 3, 4, marks=("-",)),
        ("MBI", "Medicare number", "Medicare Beneficiary Identifier", "Medicare ID"),
        ("her Medicare card says {}",),
    ),
    Value("NHS", "HEALTH_ID", grouped(nhs, 3, 3, 4, marks=(" ", " ", "-")), ("NHS", "NHS number", "NHS no.", "NHS No"), ("patient known under NHS number {}",)),
    Value(
        "NINO",
        "NATIONAL_ID",
        grouped(nino, 2, 2, 2, 2, 1),
        ("NINO", "National Insurance number", "NI number", "NI no"),
        ("National Insurance: {}", "quote {} when you call HMRC"),
    ),
    Value("Steuer-ID", "TAX_ID", grouped(steuer_id, 2, 3, 3, 3), ("Steuer-ID", "Steuer-IdNr.", "IdNr", "German tax ID", "Steueridentifikationsnummer"), ()),
    Value("NIR", "NATIONAL_ID", grouped(nir, 1, 2, 2, 2, 3, 3, 2), ("NIR", "numéro de sécurité sociale", "French social security number", "INSEE number"), ()),
    Value("DNI/NIE", "NATIONAL_ID", dni, ("DNI", "NIE", "NIF", "Spanish ID", "D.N.I."), ("the defendant, holder of DNI {}",)),
    Value("codice fiscale", "TAX_ID", codice_fiscale, ("codice fiscale", "C.F.", "Italian tax code", "cod. fiscale"), ("registered with the code {} in Rome",)),
    Value("BSN", "NATIONAL_ID", grouped(bsn, 4, 2, 3, marks=(".",), share=0.2), ("BSN", "burgerservicenummer", "Dutch BSN", "BSN number"), ()),
    Value("PESEL", "NATIONAL_ID", pesel, ("PESEL", "PESEL number", "nr PESEL", "Polish PESEL"), ()),
    Value("Aadhaar", "NATIONAL_ID", grouped(aadhaar, 4, 4, 4), ("Aadhaar", "Aadhaar number", "Aadhaar no.", "UIDAI"), ("KYC done with Aadhaar {}",)),
    Value(
        "PAN",
        "TAX_ID",
        lambda random: pattern("AAA")(random) + random.choice("PPPPCHFT") + pattern("A0000A")(random),
        ("PAN", "PAN card", "PAN no.", "Permanent Account Number"),
        ("quote PAN {} on the form",),
    ),
    Value("My Number", "NATIONAL_ID", grouped(my_number, 4, 4, 4), ("My Number", "Individual Number", "マイナンバー", "個人番号"), ()),
    Value("RRN", "NATIONAL_ID", rrn, ("RRN", "resident registration number", "주민등록번호", "Korean RRN"), ("registered in Seoul as {}",)),
    Value("SIN", "NATIONAL_ID", grouped(lambda random: luhn(digits(8, "1234567")(random)), 3, 3, 3, marks=(" ", "-")), ("SIN", "Social Insurance Number", "S.I.N.", "SIN number"), ()),
    Value("TFN", "TAX_ID", grouped(tfn, 3, 3, 3), ("TFN", "tax file number", "Tax File No."), ("my TFN is {}, please update",)),
    Value("VAT", "TAX_ID", vat, ("VAT", "VAT number", "VAT reg. no.", "VAT ID", "USt-IdNr."), ("invoice to {} as VAT payer",)),
    Value("VIN", "VIN", either(*(partial(vin, start) for start in ("1HG", "1FT", "WBA", "JTD", "VF1"))), ("VIN", "Vehicle Identification Number", "chassis no."), ("the car ({}) was recalled",)),
    Value("IMEI", "DEVICE_ID", lambda random: luhn(random.choice(("35", "86", "01")) + digits(12)(random)), ("IMEI", "IMEI number", "device IMEI"), ("stolen handset, IMEI {}",)),
    Value("MRZ", "MRZ", mrz, ("MRZ", "passport page", "machine readable zone"), ("scan result:\n{}\nplease check",)),
    Value("phone", "PHONE", phone, ("phone", "Tel", "mobile", "cell", "Telephone", "contact number", "Phone no."), ("call me at {}", "or text {} after six", "reach her on {}", "{} is my new number", "rang {} twice, no answer")),
    Value("fax", "PHONE", phone, ("fax", "Fax no.", "facsimile"), ("fax the form to {}",)),
    Value("card", "BANK_CARD", card_groups, ("card number", "Visa", "credit card", "card no.", "CC", "debit card"), ("charge it to {}", "I paid with {} yesterday", "my card ending soon is {}")),
    Value("card, expiry", "BANK_CARD", lambda random: f"{random.randint(1, 12):02d}/{random.randint(25, 32)}", ("expiry", "exp. date", "card expires", "valid thru"), ()),
    Value("IBAN", "IBAN", bank_iban, ("IBAN", "account (IBAN)", "bank details"), ("please transfer to {}", "refund went to {} last week")),
    Value("BIC", "ACCOUNT", choice("DEUTDEFF", "COBADEFFXXX", "BNPAFRPP", "NWBKGB2L", "CHASUS33"), ("BIC", "SWIFT", "SWIFT/BIC", "SWIFT code"), ()),
    Value("routing number", "ACCOUNT", routing, ("routing number", "ABA", "ABA routing no.", "RTN"), ()),
    Value("account", "ACCOUNT", either(digits(8), digits(10), digits(12)), ("account number", "account no.", "acct", "A/C no.", "bank account"), ("debited from account {} on Monday",)),
    Value("medical record", "MEDICAL_RECORD", either(digits(7), digits(8), pattern("A0000000"), pattern("00-00-00")), ("MRN", "medical record number", "MR#", "chart no.", "hospital number", "patient ID"), ("seen in clinic, MRN {}, stable",)),
    Value("insurance member", "MEDICAL_RECORD", either(pattern("AAA000000000"), digits(9), pattern("A00000000")), ("member ID", "insurance ID", "subscriber no.", "health plan number", "policyholder ID"), ()),
    Value("passport", "PASSPORT", either(digits(9), pattern("A00000000"), pattern("C00X00X00")), ("passport", "passport no.", "passport number", "Passport #"), ("travelling on passport {}",)),
    Value("driver's licence", "DRIVER_LICENSE", either(pattern("A0000000"), pattern("A000-0000-0000"), digits(9)), ("driver's license", "driver's licence no.", "DL", "DL#", "driving licence number"), ()),
    Value("plate", "PLATE", either(pattern("AAA-0000"), pattern("0AAA000"), pattern("AA00 AAA"), pattern("B-AA 0000")), ("license plate", "plate no.", "registration number", "licence plate"), ("the vehicle with plate {} left",)),
    Value("application", "REFERENCE", lambda random: f"{random.randint(100, 79999)}/{random.randint(1, 23):02d}", ("application no.", "Application no", "appl. no.", "Application No."), ("originated in an application (no. {}) against the State",)),
    Value("case", "REFERENCE", either(pattern("2:20-cv-00000"), pattern("C-000/20"), pattern("20-0000"), pattern("00 Civ. 0000")), ("case no.", "Case No.", "docket no.", "case number"), ()),
    Value("policy, contract, staff number", "REFERENCE", either(pattern("AA-0000000"), pattern("POL0000000"), digits(8)), ("policy number", "contract no.", "employee ID", "claim number", "policy no.", "student ID", "badge no."), ()),
    Value("crypto address", "CRYPTO", either(bitcoin, ether), ("wallet", "BTC", "deposit address", "ETH address"), ("send it to {} today", "funds moved to {} overnight")),
    Value("secret", "SECRET", secret, ("token", "API key", "secret", "access key", "Authorization: Bearer"), ("I pasted {} in the chat by mistake", "export KEY={} in my shell")),
    Value("password", "SECRET", password, ("password", "Password", "pwd", "passwd", "PIN and password"), ("log in with password {} please",)),
    Value("position", "GPS", position, ("GPS", "coordinates", "lat/long", "location"), ("found at {} by the patrol",)),
    Value("e-mail", "EMAIL", email, ("e-mail", "Email", "mail"), ("write to {}", "cc {} please", "sent from {} yesterday")),
    Value("URL", "URL", url, ("URL", "website", "link", "homepage"), ("see {} for photos", "posted on {} last night")),
    Value("IP", "IP", ip, ("IP", "IP address", "client", "source IP"), ("login from {} failed", "host {} is down")),
    Value("MAC", "MAC", mac, ("MAC", "MAC address", "ethernet"), ("device {} joined the network",)),
    Value("handle", "HANDLE", pattern("@aaaaaa00"), ("Twitter", "Instagram", "username", "handle"), ("follow {} for updates", "{} told me so", "thanks {} !")),
    Value("ZIP", "POSTCODE", either(pattern("90000"), pattern("90000-0000"), choice("SW1A 2AA", "M1 1AE", "EC1A 1BB")), ("ZIP", "ZIP code", "postcode", "postal code", "Zip"), ()),
    Value("birth date", "BIRTH_DATE", birthday, ("DOB", "date of birth", "born", "birth date", "D.O.B."), ("born on {} in Leeds", "the patient (born {}) was admitted")),
)  # fmt: skip

TRAPS: tuple[Trap, ...] = (
    Trap("order", either(digits(8), digits(10), digits(12), digits(16)), ("order #{}", "order number {} shipped", "Order no. {}", "purchase order {}")),
    Trap("tracking", either(pattern("1Z999AA10000000000"), digits(12), digits(20), pattern("AA000000000US")), ("tracking number {}", "UPS {}", "parcel {} is out for delivery", "tracking: {}")),
    Trap("invoice", either(digits(6), digits(9), pattern("INV-2000-0000")), ("invoice {}", "invoice no. {}", "Invoice #{} is overdue")),
    Trap("ticket", either(digits(7), pattern("INC0000000"), pattern("AAA-0000")), ("ticket {} was closed", "see ticket #{}", "bug {} is fixed", "issue {} again")),
    Trap("bad SSN", never_ssn, ("form {} is obsolete", "catalog number {}", "pattern {} is a dummy")),
    Trap("bad card", spoiled(card), ("batch {} failed", "checksum of {} is wrong", "sku {}", "job {} finished")),
    Trap("bad IBAN", spoiled(bank_iban), ("part {} is out of stock", "model {} was discontinued", "fabric code {}")),
    Trap("bad VIN", spoiled(partial(vin, "1HG")), ("firmware {} was rolled out", "build {} passed")),
    Trap("bad NHS", spoiled(nhs), ("build {} is green", "row {} is empty", "the counter stood at {}")),
    Trap("bad Aadhaar", spoiled(aadhaar), ("barcode {}", "the sum came to {}", "stock item {}")),
    Trap("bad PESEL", spoiled(pesel), ("run {} was cancelled", "record count {}", "offset {}")),
    Trap("bad IMEI", spoiled(lambda random: luhn("35" + digits(12)(random))), ("article number {}", "pallet {} arrived")),
    Trap("blood pressure", lambda random: f"{random.randint(90, 180)}/{random.randint(55, 110)}", ("BP {} mmHg", "blood pressure was {}", "vitals: {} , pulse regular")),
    Trap("temperature", either(between(35.8, 40.2), between(96, 104)), ("temp {} C", "temperature {} F", "febrile to {}")),
    Trap("lab value", either(between(0.1, 20, "{:.2f}"), between(50, 400, "{:.0f}")), ("WBC {}", "glucose {} mg/dL", "creatinine {}", "Hb {} g/dL", "platelets {}", "Na {} mmol/L")),
    Trap("dose", either(digits(2), digits(3), between(0.1, 5)), ("metformin {} mg twice daily", "gave {} ml of saline", "insulin {} units")),
    Trap("price", either(between(1, 999, "{:.2f}"), between(1000, 9999999, "{:,.2f}"), digits(7)), ("it cost ${}", "total: {} EUR", "a fee of £{}", "USD {} were paid")),
    Trap("version", lambda random: ".".join(str(random.randint(0, 30)) for _part in range(random.choice((3, 4)))), ("version {}", "upgraded to v{}", "release {} is out", "firmware {}")),
    Trap("book", isbn, ("ISBN {}", "ISBN-13: {}", "the book, ISBN {}, sold well")),
    Trap("standard", choice("ISO 9001:2015", "ISO/IEC 27001", "RFC 5322", "NIST SP 800-53", "EN 60601-1", "ANSI X9.24", "BS 7799"), ("complies with {}", "see {}", "certified to {}")),
    Trap("law", choice("45 CFR 164.514", "21 U.S.C. § 841", "Section 230(c)(1)", "410 U.S. 113", "Article 6 § 1", "29 CFR 1910.1200"), ("under {}", "pursuant to {}", "a violation of {}")),
    Trap("quantity", either(digits(5), digits(7), between(1000, 9999999, "{:,.0f}")), ("{} units were sold", "a population of {}", "{} visitors came", "about {} rows")),
    Trap("time", lambda random: f"{random.randint(0, 23):02d}:{random.randint(0, 59):02d}:{random.randint(0, 59):02d}", ("at {} the alarm rang", "log time {}", "arrived at {}")),
    Trap("part", either(choice("LM358DR2G", "STM32F103C8T6", "6205-2RS", "NE555P", "M8x30", "BC547B"), pattern("AAA-0000-00")), ("replace the {} bearing", "part {} is on order", "part number {}", "we use {} chips")),
    Trap("ratio", lambda random: f"{random.randint(1, 9)}:{random.randint(1, 1000)}", ("diluted {}", "a ratio of {}", "odds of {}")),
    Trap("size", lambda random: f"{random.randint(50, 400)}x{random.randint(50, 400)}", ("{} pixels", "a {} mm sheet", "lesion of {} mm")),
    Trap("drug code", pattern("0000-0000-00"), ("NDC {}", "NDC code {}")),
    Trap("clinical code", choice("E11.9", "I10", "99213", "2160-0", "J45.901", "C34.90"), ("ICD-10 {}", "CPT {}", "coded as {}", "LOINC {}")),
    Trap("CAS", choice("7732-18-5", "64-17-5", "50-78-2", "58-08-2"), ("CAS {}", "CAS number {}")),
    Trap("DOI", choice("10.1000/182", "10.1038/nphys1170", "10.1109/5.771073"), ("doi:{}", "DOI {}")),
    Trap("commit", lambda random: "".join(random.choices("0123456789abcdef", k=random.choice((7, 8)))), ("commit {}", "reverted in {}", "built from {}")),
    Trap("checksum", lambda random: "".join(random.choices("0123456789abcdef", k=random.choice((32, 64)))), ("md5 {}", "sha256: {}", "digest {}")),
    Trap("flight", choice("UA 1234", "BA117", "LH 400", "DL2043"), ("flight {}", "we took {} home", "{} is delayed")),
    Trap("emergency", choice("911", "112", "999", "988", "111"), ("call {} at once", "dial {}", "she rang {}")),
    Trap("vulnerability", choice("CVE-2021-44228", "CVE-2023-38408", "CWE-79"), ("patched {}", "{} is critical")),
    Trap("error code", choice("0x80070005", "404", "ORA-01017", "E0032"), ("error {}", "it returned {}", "failed with {}")),
    Trap("score", lambda random: f"{random.randint(0, 9)}-{random.randint(0, 9)}", ("won {}", "the final score was {}", "a {} defeat")),
    Trap("percentage", between(0, 120, "{:.2f}%"), ("up {}", "a yield of {}", "{} of voters")),
    Trap("electric values", between(0.1, 380, "{:.2f}"), ("{} V", "rated {} kW", "at {} MPa", "{} rpm")),
    Trap("scripture, chapter", lambda random: f"{random.randint(1, 28)}:{random.randint(1, 40)}", ("Matthew {}", "chapter and verse, {}")),
    Trap("page", choice("12-14", "3.2.1", "118"), ("pp. {}", "see section {}", "figure {}")),
    Trap("bar code", lambda random: "40" + digits(11)(random), ("EAN {}", "GTIN: {}", "barcode {} will not scan")),
    Trap("ISIN", choice("US0378331005", "DE0007164600", "GB0002634946"), ("ISIN {}", "the fund ({}) closed")),
    Trap("number in words", choice("twenty-one", "three hundred", "one thousand and eighty"), ("{} people", "{} copies were sold")),
    Trap("model", choice("iPhone 15", "Boeing 737-800", "A320-200", "RTX 4090", "Windows 11"), ("a new {}", "the {} is loud")),
    Trap("mathematics", choice("3.14159265", "6.02214076e23", "299792458", "1.618033"), ("about {}", "the constant {}")),
    Trap("road", choice("I-95", "Route 66", "A40", "M25", "US 101"), ("traffic on {}", "drive down {}")),
    Trap("UTC offset", choice("UTC+08:00", "GMT-5", "+05:30"), ("time zone {}", "offset {}")),
)  # fmt: skip

WORDS = Words(
    forms=("LABEL: {}", "LABEL {}", "LABEL is {}", "LABEL:{}", "LABEL - {}", "my LABEL is {}", "his LABEL ({})", "LABEL\t{}", "LABEL\n{}", "LABEL = {}", "(LABEL {})", '"LABEL": "{}"', "LABEL was given as {}", "| LABEL | {} |"),
    leads=("", "", "", "", "Hi, ", "Note: ", "For your records: ", "Pt seen today. ", "FYI ", "Dear customer, ", "1. ", "- ", "As discussed, ", "The court notes that ", "lol ", "RT ", "Admission note: ", "We can confirm: ", "Dear Sir or Madam,\n"),
    people=("Name: John Baker\n", "Maria Lopez writes: ", "On 5 March 2021, ", "Mrs Anna Novak, ", "Dr. Patel asked: "),
    tails=("", "", "", ".", ". Thanks!", "\n", "; please confirm.", "!", ", thanks", ".\nBest regards", ". Please keep it private.", " asap", "?"),
    joints=(", ", "; ", "\n", ". Also ", " and ", " / "),
)  # fmt: skip


def rows(count: int, hidden: bool, seed: int = 4) -> list[Row]:
    """Return `count` rows with values and `count` with a trap alone, in turn."""
    return planted.rows(count, hidden, seed, VALUES, TRAPS, WORDS)


def sentences(count: int, hidden: bool, seed: int = 4) -> list[tuple[str, list[Span], bool]]:
    """Return the rows as (text, spans of (start, end, kind), holds a trap alone)."""
    return planted.sentences(rows(count, hidden, seed))


if __name__ == "__main__":
    planted.main("World numbers", rows)
