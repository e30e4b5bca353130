"""The numbers of `world_numbers.py` in other people's sentences: python benchmarks/world_numbers_again.py [--rows N] [--show KIND].

Labels, sentences, forms and traps that stand in no other file, written after the recognizers had been mended on `world_numbers.py`. They scored .946 / .966
(recall / precision) and left .937 of the traps untouched at first sight of these, where they had .997 / .999 / .987 there. The numbers and their check digits
are the same.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import planted
from planted import Row, Span, Trap, Words, digits, either, luhn, pattern, spoiled, vin
from world_numbers import VALUES, bank_iban, between, card, choice, nhs

# The name of the number, then its labels, then its sentences.
CARRIERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "SSN": (("Soc. Sec. No.", "SSN#", "social security"), ("beneficiary's SSN, {}, appears twice", "last seen using social {}", "he gave {} as his social security number")),
    "ITIN": (("ITIN no.", "tax ID (ITIN)"), ("the spouse's ITIN ({}) expired",)),
    "NPI": (("NPI no.", "rendering NPI", "billing provider NPI"), ("referred by Dr. Osei, NPI {}",)),
    "DEA": (("DEA registration", "DEA Reg. No.", "DEA#"), ("script written under DEA {}",)),
    "MBI": (("Medicare no.", "Medicare card number", "MBI number"), ("bill Medicare under {}", "Medicare beneficiary {}")),
    "NHS": (("NHS num", "NHS Number:", "patient NHS no"), ("pt NHS {}", "summary care record for NHS no. {}")),
    "NINO": (("NI Number", "N.I. no.", "Nat Ins no"), ("employee's NI number is {}", "her national insurance no. {} was mistyped")),
    "Steuer-ID": (("Steuer-Identifikationsnummer", "German Steuer-ID", "steuerliche Identifikationsnummer"), ()),
    "NIR": (("n° de sécu", "numéro INSEE", "NIR (Sécurité sociale)"), ()),
    "DNI/NIE": (("DNI/NIE", "documento nacional de identidad", "NIF/NIE"), ("con DNI {} y domicilio en Madrid",)),
    "codice fiscale": (("Codice Fiscale", "CF", "codice fiscale (IT)"), ("nato a Roma, c.f. {}",)),
    "BSN": (("BSN-nummer", "burgerservicenummer (BSN)"), ("de patiënt met BSN {}",)),
    "PESEL": (("numer PESEL", "PESEL no."), ("obywatel o numerze PESEL {}",)),
    "Aadhaar": (("Aadhaar card", "Aadhar no", "UID (Aadhaar)"), ("linked my Aadhaar {} to the bank", "e-KYC failed for Aadhaar {}")),
    "PAN": (("PAN Number", "income tax PAN"), ("the assessee (PAN {})", "deductee PAN {} invalid")),
    "My Number": (("My Number (Japan)", "Individual Number (My Number)", "マイナンバー"), ()),
    "RRN": (("Resident Registration No.", "주민번호"), ("a Korean national ({})",)),
    "SIN": (("Canadian SIN", "SIN no.", "social insurance no."), ("the employee's SIN {} starts with the wrong digit",)),
    "TFN": (("TFN number", "Tax File Number (TFN)"), ("provide TFN {} to your employer",)),
    "VAT": (("VAT registration number", "VAT no", "TVA intracommunautaire"), ("supplier registered for VAT as {}",)),
    "VIN": (("VIN number", "vehicle VIN", "chassis"), ("recall affects {} only", "sold the van, VIN {}, last week")),
    "IMEI": (("IMEI code", "IMEI 1", "handset IMEI"), ("blacklist the phone with IMEI {}",)),
    "MRZ": (("MRZ lines", "scanned MRZ"), ("OCR of the data page:\n{}\nend of scan",)),
    "phone": (("Ph", "Mob", "cell phone", "work phone", "WhatsApp", "T"), ("ring me back on {} pls", "you can text {}", "emergency contact {} (husband)", "got a missed call from {}", "dial {} ext. 4")),
    "fax": (("Fax number", "fax/phone"), ("sent by fax to {}",)),
    "card": (("card #", "Mastercard", "payment card", "card ending, full number"), ("my Amex {} was declined", "they charged {} twice", "card {} reported stolen")),
    "card, expiry": (("Exp", "Expires", "expiration", "Exp Date"), ()),
    "IBAN": (("IBAN no.", "Kontoverbindung", "beneficiary IBAN"), ("wire the rent to {}", "payee {} is new")),
    "BIC": (("BIC/SWIFT", "Swift-Code", "bank BIC"), ()),
    "routing number": (("routing no.", "ABA number", "bank routing number"), ()),
    "account": (("Acct #", "checking account", "savings account no.", "a/c"), ("overdraft on account no. {}", "close account {} please")),
    "medical record": (("MRN#", "Medical Record #", "Unit number", "hospital no."), ("transferred from ICU (MRN {})", "chart {} was missing")),
    "insurance member": (("Member #", "Subscriber ID", "insurance policy no.", "Group/member ID"), ("member {} called about a claim",)),
    "passport": (("Passport no", "passport number is", "travel document no."), ("detained with passport {}", "visa in passport {}")),
    "driver's licence": (("Driver License No.", "driving licence", "DL number", "driver's license #"), ("license {} was suspended",)),
    "plate": (("reg plate", "tag number", "vehicle registration", "Plate #"), ("a grey Ford, plate {}, fled",)),
    "application": (("Application number", "app. no."), ("lodged application no. {} with the Court", "joined to application no. {}")),
    "case": (("Docket No.", "Case number", "case #", "Civil Action No."), ("as held in case no. {}",)),
    "policy, contract, staff number": (("Policy #", "contract number", "Employee No.", "staff ID", "insurance claim no."), ("under policy no. {}",)),
    "crypto address": (("BTC wallet", "Bitcoin address", "ethereum wallet", "receiving address"), ("coins were sent to {} ", "ransom wallet {}")),
    "secret": (("api_key", "auth token", "AWS key", "client secret", "bearer token"), ("leaked {} on a forum", "curl -H token:{}")),
    "password": (("passwort", "login password", "PW", "pass", "my password"), ("the password is {} btw",)),
    "position": (("lat, lon", "GPS position", "coords", "geo"), ("boat last seen at {}",)),
    "e-mail": (("E-mail address", "contact", "mailto", "reply to"), ("bounce from {}", "she is {} now", "invite {} to the call")),
    "URL": (("profile", "web", "site", "Source"), ("uploaded to {} ", "read {} first")),
    "IP": (("src", "IPv4/6", "ip=", "host"), ("blocked {} at the firewall", "traffic from {}")),
    "MAC": (("MAC addr", "hwaddr", "Wi-Fi MAC"), ("AP sees {}", "lease for {}")),
    "handle": (("user", "X", "Telegram", "IG"), ("{} lol so true", "shoutout to {}", "cc {}")),
    "ZIP": (("zip", "Postcode", "Post code", "ZIP"), ()),
    "birth date": (("birthday", "Date of Birth", "d.o.b", "DOB:"), ("he was born on {}", "pt, b. {}", "born {} to a teacher")),
}  # fmt: skip

TRAPS: tuple[Trap, ...] = (
    Trap("order", either(digits(7), digits(9), digits(11), digits(15)), ("PO {}", "confirmation {}", "order ref {}", "basket {} expired", "work order {}")),
    Trap("tracking", either(pattern("TBA000000000000"), digits(14), digits(22)), ("shipment {}", "DHL waybill {}", "USPS {}", "consignment {} delayed")),
    Trap("invoice", either(digits(5), digits(8), digits(10)), ("bill no. {}", "credit note {}", "receipt {}", "inv. {}")),
    Trap("ticket", either(digits(6), pattern("CHG0000000"), pattern("PRJ-000")), ("PR #{}", "Jira {}", "incident {}", "pull request {} merged")),
    Trap("bad card", spoiled(card), ("token bucket {}", "primary key {}", "message id {}", "counter {}")),
    Trap("bad IBAN", spoiled(bank_iban), ("catalogue item {}", "ref. code {} is wrong", "type {} filter")),
    Trap("bad VIN", spoiled(partial(vin, "1FT")), ("image {} was pulled", "hash prefix {}")),
    Trap("bad NHS", spoiled(nhs), ("epoch {}", "timestamp {} is off", "views: {}", "id range up to {}")),
    Trap("bad IMEI", spoiled(lambda random: luhn("86" + digits(12)(random))), ("tag {} printed", "crate {} arrived", "lot {}")),
    Trap("vitals", choice("118/74", "98.6", "72", "16", "97"), ("BP {}", "T {} F", "HR {}", "RR {}", "SpO2 {} on room air")),
    Trap("lab value", either(between(0.1, 30, "{:.1f}"), digits(3)), ("TSH {}", "ALT {}", "ferritin {} ng/mL", "INR {}", "HbA1c {}", "CRP {} mg/L")),
    Trap("dose", either(digits(2), digits(3)), ("aspirin {} mg daily", "amoxicillin {}mg", "{} units of blood", "titrate to {} mcg")),
    Trap("price", either(between(1, 999, "{:.2f}"), between(10_000, 9_999_999, "{:,.0f}"), digits(6)), ("paid {} dollars", "rent is ${}", "€{} per month", "worth {} million", "damages of GBP {}")),
    Trap("version", lambda random: f"{random.randint(1, 20)}.{random.randint(0, 30)}.{random.randint(0, 30)}", ("Python {}", "iOS {}", "v{} breaks login", "npm {}", "since {}")),
    Trap("standard", choice("802.11", "27001:2013", "60601-1", "9241", "754"), ("IEEE {}", "ISO {}", "IEC {}", "EN {} applies")),
    Trap("law", choice("1983", "10(b)", "230", "404", "8"), ("42 U.S.C. § {}", "Section {} of the Act", "Article {} of the Convention", "Rule {}")),
    Trap("quantity", either(digits(4), digits(6), digits(9)), ("{} followers", "{} views", "sold {} tickets", "{} people marched", "row {} of the table")),
    Trap("time", choice("07:45", "23:59:59", "6:30", "14:05-15:30", "1:02.7"), ("at {} sharp", "meet {}", "alarm at {}", "lap of {}")),
    Trap("part", choice("RTL8111H", "DDR5-5600", "LM7805", "WD-40", "AN-225", "B-52"), ("solder the {}", "uses {}", "spray {}", "a {} model kit")),
    Trap("ratio", choice("2:1", "1:500", "16:9", "3-to-2"), ("mixed {}", "aspect {}", "won by {}", "leverage of {}")),
    Trap("size", choice("1920x1080", "5'11", "12 x 8", "55in", "2.5 cm"), ("screen {}", "he is {} tall", "box of {}", "a {} cyst")),
    Trap("clinical code", choice("I25.10", "99285", "F32.9", "Z51.11"), ("dx {}", "billed {}", "(ICD {})", "DRG {}")),
    Trap("commit", pattern("0a0a00a"), ("sha {}", "cherry-pick {}", "tag at {}")),
    Trap("flight", choice("AA 100", "EK201", "FR1234", "KL 1007"), ("on {}", "boarding {}", "{} from Lisbon")),
    Trap("emergency", choice("911", "999", "112", "311"), ("someone call {}", "phoned {}", "a {} operator")),
    Trap("error code", choice("0xC000007B", "502", "E11000", "ERR-42"), ("got a {}", "HTTP {}", "exit code {}", "screen says {}")),
    Trap("score", choice("3-1", "21-19", "6-4", "102-98", "4.5"), ("we lost {}", "up {} at the half", "rated {}", "a {} set")),
    Trap("percentage", between(0, 100, "{:.1f}%"), ("{} off", "down {}", "battery {}", "turnout of {}")),
    Trap("electric values", between(0.1, 600, "{:.2f}"), ("{} MHz", "draws {} mA", "{} psi", "{} mph")),
    Trap("page", choice("p. 36", "6.4.2", "Table 3-7", "ch. 12"), ("turn to {}", "see {}", "quoted at {}")),
    Trap("article number", either(digits(6), digits(8), digits(12)), ("item {}", "SKU {}", "UPC {}", "model no. {}")),
    Trap("bus, gate", choice("42", "7B", "101", "3.14"), ("bus {}", "gate {}", "platform {}", "aisle {}")),
    Trap("words", choice("forty-two", "a dozen", "two thirds", "nineteen hundred"), ("{} times", "about {}", "{} of them")),
)  # fmt: skip

WORDS = Words(
    forms=(
        "LABEL: {}", "LABEL {}", "LABEL={}", "LABEL: {},", "[LABEL] {}", "LABEL -> {}", "LABEL ({})", "their LABEL is {}", "LABEL of the claimant: {}", "'LABEL': '{}'", "LABEL;{}", "**LABEL** {}",
        "LABEL on file: {}", "Her LABEL, {}, was checked", "what about LABEL {}", "LABEL\n  {}",
    ),
    leads=(
        "", "", "", "", "hey ", "TRIAGE: ", "From the notes: ", "Counsel submits that ", "Update 2: ", "> ", "* ", "ok so ", "Per our call, ", "Judgment: ", "# ", "Dear team,\n\n", "omg ",
        "Discharge summary. ", "Reuters - ", "Witness states: ", "Ticket opened. ",
    ),
    people=("Patient: Grace Okoro\n", "Tom says ", "12 May 2019. ", "Ms Ingrid Solberg: ", "Judge Marlowe wrote: "),
    tails=("", "", "", ".", " ...", ". Cheers", " :)", ". (confidential)", " fyi", ", right?", ".\n\n--\nSent from my phone", " // checked", ". End."),
    joints=(", ", "; ", "\n", ". Then ", " plus ", " | "),
)  # fmt: skip


def rows(count: int, hidden: bool, seed: int = 9) -> list[Row]:
    """Return `count` rows with values and `count` with a trap alone, in turn."""
    values = [replace(each, labels=CARRIERS[each.name][0], sentences=CARRIERS[each.name][1]) for each in VALUES]
    return planted.rows(count, hidden, seed, values, TRAPS, WORDS)


def sentences(count: int, hidden: bool, seed: int = 9) -> list[tuple[str, list[Span], bool]]:
    """Return the rows as (text, spans of (start, end, kind), holds a trap alone)."""
    return planted.sentences(rows(count, hidden, seed))


if __name__ == "__main__":
    planted.main("World numbers, other sentences", rows)
