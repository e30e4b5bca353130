"""Make SYNTHETIC messages to a clinic and a bank, in English and Chinese, with planted personal data and the truth about it.

    python examples/make_messages.py --rows 2000 --seed 7 --out FOLDER

writes `messages_en.csv` and `messages_zh.csv` (half the rows each; columns id, patient, text, label, received) and
`planted.jsonl` (one line a message: file, row from 1, list of {kind, value, start, end} in code points, end exclusive).
The same rows and seed give the same bytes. Standard library only.

Nobody in these files exists. Names are drawn at random from short lists. Numbers are valid by their checksums and, where
such a range exists, drawn from what is never issued: telephone 555-01xx (NANPA) and 020 7946 0xxx (Ofcom), social
security 9xx with group 01-49, IP of RFC 5737 and RFC 3849, e-mail and web of RFC 2606, card numbers behind the prefixes
that payment firms publish for tests, Chinese area codes ending in 0199, which GB/T 2260 has not assigned. Chinese
telephone and plate numbers have no such range: they are made up, and one may by chance be somebody's.

Three of a hundred labels are wrong on purpose, and some messages could bear two labels: so no model gets them all.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

LABEL_NOISE = 0.03
AMBIGUOUS = 0.03
DUPLICATES = 0.012
ROWS_A_SUBJECT = 3

# intent: share of the messages
INTENTS = {
    "appointment": 16,
    "prescription_refill": 12,
    "test_results": 11,
    "billing": 13,
    "complaint": 10,
    "update_details": 8,
    "login_problem": 8,
    "card_lost": 9,
    "transfer_problem": 8,
    "loan_question": 7,
}

# A grammar is text with three marks: `[a|b|]` one of these, `{slot}` one of the slot's lines, `{@field}` planted data.
Grammar = dict[str, Sequence[str]]


@dataclass(frozen=True)
class Planted:
    """One piece of personal data in a text: code points, end exclusive."""

    kind: str
    value: str
    start: int
    end: int


@dataclass(frozen=True)
class Message:
    """One row of a file."""

    id: str
    patient: str
    text: str
    label: str
    received: str
    planted: tuple[Planted, ...]


@dataclass(frozen=True)
class Language:
    """All that differs between the two files."""

    code: str
    grammar: Grammar
    intents: Grammar
    ambiguous: dict[tuple[str, str], Sequence[str]]
    fields: dict[str, tuple[str, Callable[[Person], str]]]
    person: Callable[[Random], Person]
    rough: Callable[[str, Random], str]
    joint: str


@dataclass
class Person:
    """One made-up subject. What is drawn once stays with them: `keep` draws at the first use."""

    rng: Random
    name: str
    short: str
    born: date
    kept: dict[str, str] = field(default_factory=dict)

    def keep(self, what: str, draw: Callable[[Random], str]) -> str:
        """Return the person's own value of `what`, drawn by `draw` the first time."""
        if what not in self.kept:
            self.kept[what] = draw(self.rng)
        return self.kept[what]


# -- numbers with checksums ------------------------------------------------------------------------------------------


def digits(rng: Random, count: int) -> str:
    """Draw a string of `count` digits."""
    return "".join(rng.choice("0123456789") for _ in range(count))


def luhn(body: str) -> str:
    """Append the check digit of ISO/IEC 7812-1 annex B."""
    doubled = (sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(body)))
    return body + str(-sum(doubled) % 10)


def iban(country: str, account: str) -> str:
    """Put the check digits of ISO 13616 (mod 97) between country and account, in groups of four."""
    number = int("".join(str(int(sign, 36)) for sign in f"{account}{country}00"))
    whole = f"{country}{98 - number % 97:02d}{account}"
    return " ".join(whole[start : start + 4] for start in range(0, len(whole), 4))


def resident_id(area: str, born: date, serial: str) -> str:
    """Append the check character of GB 11643-1999 (ISO 7064 MOD 11-2)."""
    body = f"{area}{born:%Y%m%d}{serial}"
    return body + "10X98765432"[sum(int(digit) * 2 ** (17 - place) for place, digit in enumerate(body)) % 11]


def credit_code(area: str, organization: str) -> str:
    """Make a unified social credit code: GB 32100-2015, with the organization code's own check character (GB 11714-1997)."""
    inner = (
        -sum(int(digit) * weight for digit, weight in zip(organization, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    )
    body = f"91{area}{organization}{'X' if inner == 10 else inner}"
    signs = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    return body + signs[-sum(signs.index(sign) * 3**place for place, sign in enumerate(body)) % 31]


def ip_address(rng: Random) -> str:
    """Draw from the documentation networks of RFC 5737 and RFC 3849."""
    if rng.random() < 0.15:
        return f"2001:db8::{rng.randrange(1, 65536):x}:{rng.randrange(1, 65536):x}"
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randrange(1, 255)}"


def birthday(rng: Random) -> date:
    """Draw a day between 1940 and 2006."""
    return date(1940, 1, 1) + timedelta(days=rng.randrange(24_000))


# -- English ---------------------------------------------------------------------------------------------------------

# first names, last names, streets, kinds of street, towns
FIRST, LAST, STREETS, STREET_KINDS, TOWNS = (
    line.split()
    for line in """
Alice Brian Carla Dmitri Elena Farid Grace Hector Imani Jonas Keiko Liam Marta Nadia Oscar Priya Quentin Rosa Samir Tessa Umar Vera Wendell Ximena Yusuf Zoe Agnes Bogdan Celeste Duncan Esther Felix Gloria Hassan Ingrid Joaquin Kamala Leopold Mireille Nathan Odette Pavel Ramona Sinead Tobias Ursula Viktor Winifred Anil Beatrix
Abernathy Bakshi Castellano Drummond Eriksen Fairweather Gutierrez Holloway Ibrahim Jankowski Kavanagh Lindqvist Marchetti Nakamura Okonkwo Pemberton Quintero Rasmussen Santangelo Thackeray Ugarte Vandermeer Whitcombe Yamaguchi Zielinski Ashdown Brightwell Chowdhury Delacroix Fitzpatrick Greenhalgh Hargreaves Jellicoe Kowalczyk Lombardi McAllister Northcott Osterman Prendergast Rutherford Silverstein Tremblay Underhill Villanueva Wetherby
Maple Birchwood Harbour Kingsley Orchard Ferncliff Mill Juniper Larkspur Station Willowbrook Quarry Chapel Heron
Street Avenue Road Lane Drive Court Close
Fairhaven Millbrook Eastport Stonebridge Ashford Riverton Oakdale Westbury Clearwater Linden
""".strip().splitlines()
)


def english_person(rng: Random) -> Person:
    """Draw a name and a birthday; the rest is drawn when it is used."""
    first, last = rng.choice(FIRST), rng.choice(LAST)
    return Person(rng, f"{first} {last}", first, birthday(rng))


def english_address(rng: Random) -> str:
    """Draw a street address, some with a flat, town, state and ZIP."""
    street = f"{rng.randrange(1, 990)} {rng.choice(STREETS)} {rng.choice(STREET_KINDS)}"
    flat = rng.choice(("", "", f", Apt {rng.randrange(1, 40)}{rng.choice('ABC')}", f", Flat {rng.randrange(1, 30)}"))
    town = rng.choice(
        (
            "",
            f", {rng.choice(TOWNS)}",
            f", {rng.choice(TOWNS)}, {rng.choice(('OH', 'OR', 'ME', 'VA'))} {digits(rng, 5)}",
        )
    )
    return street + flat + town


def english_phone(rng: Random) -> str:
    """Draw from the ranges kept for fiction: 555-0100 to 555-0199 (NANPA), 020 7946 0000 to 0999 (Ofcom)."""
    if rng.random() < 0.2:
        return rng.choice(("020 7946 0", "+44 20 7946 0")) + digits(rng, 3)
    area, line = rng.choice(("212", "415", "312", "206", "617", "305")), f"01{digits(rng, 2)}"
    return rng.choice((f"({area}) 555-{line}", f"{area}-555-{line}", f"+1 {area} 555 {line}", f"{area}.555.{line}"))


def english_card(rng: Random) -> str:
    """Draw a card number behind the prefixes of published test cards, in groups of four or in one run."""
    number = luhn(rng.choice(("424242", "400000", "411111", "555555", "510510")) + digits(rng, 9))
    return rng.choice(
        (
            number,
            " ".join(number[start : start + 4] for start in range(0, 16, 4)),
            "-".join(number[start : start + 4] for start in range(0, 16, 4)),
        )
    )


def english_iban(rng: Random) -> str:
    """Draw a British or German number at a bank code that no bank has."""
    return rng.choice((iban("GB", f"TEST{digits(rng, 14)}"), iban("DE", f"99999999{digits(rng, 10)}")))


def english_date(day: date, rng: Random) -> str:
    """Write a day in one of the usual ways."""
    return rng.choice(
        (f"{day:%m/%d/%Y}", f"{day:%Y-%m-%d}", f"{day.day} {day:%B %Y}", f"{day:%B} {day.day}, {day.year}")
    )


def _mail(person: Person, rng: Random) -> str:
    first, _space, last = person.name.lower().partition(" ")
    local = rng.choice((f"{first}.{last}", f"{first[0]}{last}", f"{first}{last[0]}{digits(rng, 2)}", f"{last}_{first}"))
    return f"{local}@{rng.choice(('example.com', 'example.org', 'mail.example.net'))}"


def _visit(rng: Random) -> str:
    return english_date(date(2025, 1, 6) + timedelta(days=rng.randrange(170)), rng)


ENGLISH_FIELDS: dict[str, tuple[str, Callable[[Person], str]]] = {
    "name": ("PERSON", lambda person: person.name),
    "first": ("PERSON", lambda person: person.short),
    "relative": ("PERSON", lambda person: person.keep("relative", lambda rng: rng.choice(FIRST))),
    "doctor": ("PERSON", lambda person: person.rng.choice(LAST)),
    "born": ("BIRTH_DATE", lambda person: person.keep("born", lambda rng: english_date(person.born, rng))),
    "day": ("DATE", lambda person: _visit(person.rng)),
    "address": ("ADDRESS", lambda person: person.keep("address", english_address)),
    "new_address": ("ADDRESS", lambda person: english_address(person.rng)),
    "phone": ("PHONE", lambda person: person.keep("phone", english_phone)),
    "new_phone": ("PHONE", lambda person: english_phone(person.rng)),
    "email": ("EMAIL", lambda person: person.keep("email", lambda rng: _mail(person, rng))),
    "record": ("MEDICAL_RECORD", lambda person: person.keep("record", lambda rng: f"{digits(rng, 2)}-{digits(rng, 2)}-{digits(rng, 4)}")),
    "card": ("BANK_CARD", lambda person: person.keep("card", english_card)),
    "iban": ("IBAN", lambda person: english_iban(person.rng)),
    "ssn": ("NATIONAL_ID", lambda person: person.keep("ssn", lambda rng: f"9{digits(rng, 2)}-{rng.randrange(1, 50):02d}-{rng.randrange(1, 10_000):04d}")),
    "ip": ("IP", lambda person: ip_address(person.rng)),
    "url": ("URL", lambda person: f"https://{person.rng.choice(('portal', 'online', 'secure'))}.example.com/{person.rng.choice(('login', 'reset', 'u'))}/{digits(person.rng, 6)}"),
    "plate": ("PLATE", lambda person: person.keep("plate", lambda rng: f"{rng.choice('ABCDEFGH')}{rng.choice('JKLMNPRS')}{rng.randrange(10, 72)} {''.join(rng.choice('ABCDEFGHJKLMNPRSTUVWXY') for _ in range(3))}")),
}  # fmt: skip

ENGLISH: Grammar = {
    "greeting": [
        "Hi,", "Hello,", "Hi there,", "Dear team,", "Good morning,", "Good afternoon,", "Dear Sir or Madam,", "To whom it may concern,",
        "hey,", "Hello again,", "Hi [all|team|folks],", "Morning!",
    ],
    "intro": [
        "[This is|It's] {@name}.", "My name is {@name}[.| and I have been with you for {years} years.]", "{@name} here, date of birth {@born}.",
        "I am writing [for|on behalf of] my {relation} {@relative}[, born {@born}|].", "Patient: {@name}, MRN {@record}.", "My MRN is {@record}.",
        "{@name}, {@address}.", "This is {@name}, DOB {@born}, [record number|MRN] {@record}.", "I'm {@name} and I live at {@address}.",
        "My SSN is {@ssn} [in case you need it|for verification].", "Customer {@name}, card {@card}.",
    ],
    "contact": [
        "[You can reach me|Please call me back|Call me|Ring me] [on|at] {@phone}.", "My [number|mobile|cell] is {@phone}.", "My email is {@email}.",
        "[Please write|Reply] to {@email}[, I can't take calls at work|].", "Best [time|number] is after {hour} on {@phone}.",
        "[Email|Contact] {@email} or {@phone}.", "I am at {@address} most days.",
    ],
    "signoff": [
        "Thanks, {@first}", "Thank you!", "Thanks a lot", "Kind regards,\n{@name}", "Best,\n{@first}", "Many thanks in advance.", "Cheers",
        "Regards, {@name}\n{@phone}", "Looking forward to hearing from you.", "Sincerely,\n{@name}\n{@email}", "Thx", "Have a good day.", "(sent from the web form, IP {@ip})",
    ],
    "filler": [
        "Sorry for the long message.", "I [tried|have been trying] to call but nobody picked up.", "I hope you are well.", "This is [quite|rather] urgent.",
        "No rush.", "I am travelling {soon} so [sooner is better|please hurry].", "I already asked about this {past}.", "Not sure if this is the right place to ask.",
        "I have been a customer for {years} years.", "My {relation} told me to write to you.", "As I said on the phone, it can't wait.",
        "I was told somebody would get back to me.", "Please confirm that you got this.", "Hope that makes sense.",
    ],
    "aside": [
        "(The appointment {past} went fine, by the way.)", "I already paid the invoice, so that part is done.", "My blood test was all good, thanks.",
        "The new card works, thank you.", "My prescription arrived {past}, thanks.", "I could log in today, so ignore my last message.",
        "The transfer from last week did arrive in the end.", "Your colleague was very kind, no complaint there.", "I moved {past}, you have the new address already.",
        "The loan papers came in the post.", "I was at the clinic {past} and also at the branch.", "This has nothing to do with the {med} refill.",
    ],
    "past": ["yesterday", "last week", "on Monday", "this morning", "two days ago", "on Tuesday", "last month", "the other day"],
    "soon": ["next week", "tomorrow", "on Friday", "on Monday", "next month", "this week", "the day after tomorrow"],
    "hour": ["9am", "noon", "3 pm", "half past four", "5:30", "8 in the morning"],
    "years": ["two", "three", "five", "ten", "twelve", "20"],
    "relation": ["mother", "son", "daughter", "husband", "wife", "father", "sister", "partner"],
    "med": ["lisinopril", "metformin", "atorvastatin", "levothyroxine", "amlodipine", "omeprazole", "sertraline", "albuterol", "the blood pressure pills", "insulin", "my inhaler", "the eye drops"],
    "test": ["blood test", "MRI", "x-ray", "biopsy", "cholesterol panel", "urine sample", "ultrasound", "CT scan", "allergy test", "thyroid panel", "ECG"],
    "amount": ["$40", "$125.50", "$312", "$18.99", "$1,200", "$75", "£60", "£240.00", "$2,450"],
    "merchant": ["the supermarket", "a petrol station", "an online shop", "the train station", "a restaurant", "the airport"],
    "He": ["He", "She"],
    "pills": ["two", "four", "six", "ten"],
    "thing": ["the same visit", "the {test}", "my account", "the {med}", "the card", "the transfer", "the consultation", "the crown"],
    "broke": ["snapped in half", "no longer works at the till", "was eaten by a machine", "expires {soon}", "is bent"],
    "sum": ["$5,000", "$12,000", "$250,000", "$30,000", "£18,000", "$75,000"],
    "doctor": ["Dr. {@doctor}", "Dr {@doctor}", "the doctor", "the dentist", "the physio", "a specialist", "the nurse"],
}  # fmt: skip

ENGLISH_INTENTS: Grammar = {
    "appointment": [
        "I [would like|need|want] to [book|make|schedule] [an appointment|a visit|a slot] with {doctor}[ {soon}| next week| on {@day}|].",
        "Can I [move|reschedule|shift] my [appointment|visit|check-up] [from|on] {@day} [to {soon}|to another day]?",
        "Please cancel my [appointment|visit] on {@day}[, I can't make it|].",
        "Is there anything free with {doctor} {soon}, ideally after {hour}?", "Do you have [any openings|a free slot] [for a check-up|for my {relation}|in the morning]?",
        "I have to see {doctor} about my [knee|back|skin|ear|stomach], when can I come in?", "What time am I booked for {soon}? I lost the slip.",
        "Could somebody see my {relation} {soon}? {He} has had a fever for days.", "I'd like to come in {soon} if {doctor} has time.",
        "I missed my visit on {@day}, sorry. [Can we find a new date|When is the next free one]?",
        "Is {doctor} in {soon} or do I have to wait until the week after?",
        "[Any|Is there any] chance of [being seen|getting in] {soon}?", "I need to be looked at, my {relation} says it can't wait until the holidays.", "Which [mornings|afternoons|weekdays] does {doctor} work?",
        "Put me down for {soon} at {hour}, please.", "Something came up, I have to [push back|postpone|drop] {@day}.", "Could {doctor} do a video call instead of me [driving in|coming over]?",
        "How long is the wait to see {doctor} as a new patient?", "My {relation} needs the [yearly|annual|regular] check, whenever you have room.", "Is {@day} at {hour} still taken? Otherwise I'll have it.",
        "I got a slip that says {@day} but your text says another day, which one is it?", "Do I have to fast before I come {soon}?",
    ],
    "prescription_refill": [
        "I [need|would like|want] a [refill|repeat] of {med}[, please|].", "I am [nearly|almost] out of {med}, can you [send|fax|call] [more|a new script] to the pharmacy?",
        "My prescription for {med} ran out {past}.", "The pharmacy says {doctor} has to approve {med} first.", "Please renew {med}, [20|10|40|5] mg, [30|60|90] tablets.",
        "Can {doctor} write a new prescription for {med}? The old one expired on {@day}.", "I have {pills} pills left of {med}.", "Could I get three months of {med} this time instead of one?",
        "My {relation} takes {med} and there are only {pills} left in the box.", "The chemist has no record of the script that {doctor} sent {past}.",
        "Is it possible to switch the pharmacy for {med}? They never have it in stock.", "I lost the bottle of {med}, can I have it again?",
        "[Down to|Only] {pills} tablets [left|to go] of {med}.", "Who do I ask for another round of {med}?", "Same dose of {med} as before, same drugstore.",
        "{med} again please, the usual.", "They would not hand me {med} at the counter without a note from {doctor}.", "I take {med} every day and the box is [empty|finished|gone].",
        "Please authorise {med}, the chemist faxed you {past}.", "Could the {med} be sent by mail, I can't drive?", "Is there a cheaper version of {med}, and can you order that from now on?",
        "I spilled {med} in the sink, I need to replace it.", "My {relation} picks up {med} for me, is it waiting?",
    ],
    "test_results": [
        "Are the results of my {test} [back|in|ready][ yet|]?", "I had [a|the] {test} {past} and have not heard anything.", "Can {doctor} explain what my {test} [shows|means]?",
        "The lab said my {test} from {@day} would be ready {past}.", "Please [send|mail|forward] [the report|a copy] of my {test}[ to {@email}|].", "I saw the numbers of the {test} but don't understand them, is it serious?",
        "Where can I see the outcome of the {test}?", "Did the {test} of my {relation} come back normal?", "One value in my {test} is marked red, should I worry?",
        "It has been {years} weeks since the {test}, how long does the lab need?", "{doctor} wanted to call me about the {test} [but didn't|and I missed it].",
        "Any [news|word] from the lab?", "What came out of my {test}?", "They took [two tubes|a sample] {past}, nobody got back to me.",
        "Is it [bad|serious] or not? I mean the {test}.", "I am nervous about the {test}, please tell me as soon as you know.", "Has the {test} been looked at by {doctor} yet?",
        "The sheet says [borderline|abnormal|out of range], what now?", "My other clinic wants the pictures of the {test}.", "Was anything found on the scan?",
        "Could you read me the values over the phone?", "The envelope with my {relation}'s {test} never came.",
    ],
    "billing": [
        "I was [charged|billed] [twice|two times] for {thing}[ on {@day}|].", "I don't understand the [bill|invoice|statement] [of|over] {amount}[ from {@day}|].",
        "What is the fee of {amount} [on my statement|on my account|for]?", "Can I pay the [invoice|bill] in [instalments|two parts]?", "My insurance should have covered {thing}, why do I owe {amount}?",
        "Please send me a receipt for {amount}[, paid on {@day}|].", "The [invoice|bill] has the wrong [amount|name|date] on it.", "There is a charge of {amount} from {merchant} I never made.",
        "Why did the monthly fee go up to {amount}?", "I paid {amount} {past} and still got a reminder.", "Please refund the {amount} you took for {thing}.",
        "How much will {thing} cost me? I have no coverage left.",
        "What am I paying {amount} for?", "[A debt collector|A letter] says I owe {amount}, I settled that {past}.", "You [deducted|took off|debited] {amount} and I can't tell why.",
        "Could I pay the bill of {amount} over a few months?", "The price I was told was lower than {amount}.", "Please put {thing} through my insurer first.",
        "Is {thing} free of charge or not?", "I need something for my taxes that shows {amount}.", "There is a {amount} item I don't recognise.",
        "The co-pay should be less than {amount}.", "Do you take cards for {thing} or only cash?",
    ],
    "complaint": [
        "I am [very|really|extremely] [unhappy|disappointed|angry] with [how I was treated|the service|your staff] {past}.", "The [receptionist|clerk|person at the desk|man on the phone] was [rude|dismissive|shouting at my {relation}].",
        "I waited [two|three|over two] hours [for {doctor}|at the counter|on the line] and nobody [cared|said a word].", "This is the [second|third|fifth] time I write about it, nobody answers.",
        "I want to [file|make] a formal complaint[ about {doctor}| about the branch|].", "Unacceptable. I expect an apology.", "Your security towed my car, plate {@plate}, while I was [at the desk|in the waiting room]!",
        "The waiting room was filthy and {doctor} did not even look at me.", "Who is your manager? I will not be spoken to like that.", "I'm thinking of moving to another [clinic|bank] after what happened {past}.",
        "How can you put me on hold for an hour and then hang up?", "You promised a call back {past} and once again nothing. It's a disgrace.",
        "[Nobody|Not one person] [takes responsibility|lifts a finger] in your place.", "I felt [humiliated|ignored|treated like a child] {past}.", "I have never been treated this badly anywhere.",
        "{doctor} talked over me the whole time.", "Your staff laughed at my {relation}, I want names.", "Is this how you treat people?",
        "I'll be leaving a review and telling the [regulator|ombudsman|newspaper].", "Three people, three different stories. Get your act together.", "I sat there {past} until {hour} for nothing.",
        "The tone of your letter is insulting.", "You lost my papers again. Do you even care?",
    ],
    "update_details": [
        "I moved, my new address is {@new_address}.", "Please [change|update] my [phone|mobile] number to {@new_phone}.", "My email has changed, [please use|it's now] {@email}.",
        "I got married, my last name is now {@doctor}.", "Please correct my date of birth in your file: {@born}.", "You still send letters to my old place, I live at {@new_address} now.",
        "Can you [add|put] my {relation} {@relative} as [emergency contact|second contact] ({@new_phone})?", "The spelling of my name is wrong in your system, it's {@name}.",
        "How do I change the address that you have on file?", "Please remove the number {@phone}, I don't have it any more.", "I have new insurance, [member|policy] number is on the card I attach; please update my file.",
        "We have [moved house|relocated], letters go to {@new_address} from now on.", "I go by {@name} now.", "You have the wrong [middle name|birthday|postcode] for me.",
        "New mobile: {@new_phone}.", "Use {@email} instead of the old one.", "Please take my ex off my file and put {@relative}.",
        "I have a different job, does your file need that?", "My {relation} is no longer my contact person.", "Kindly amend my record, I live at {@new_address}.",
        "Please text {@new_phone} from now on, not the landline.",
    ],
    "login_problem": [
        "I [can't|cannot|can not] [log in|sign in|get in] to [the portal|online banking|my account|the app].", "The [app|site|portal] says my password is wrong [but it isn't|every time].",
        "The code [never arrives|you text me doesn't come] on {@phone}.", "My account is locked after three tries, please unlock it.", "The reset link {@url} does not work.",
        "I forgot my [password|username|PIN for the app].", "I got an alert about a sign-in from {@ip}, and now I am locked out.", "After the update the app [crashes|stays white] when I open it.",
        "How do I get a new password? {@url} only shows an error.", "I can't see my [results|statements|messages] online, the page sends me back to the start.", "New phone, and the authenticator is gone. How do I get back in?",
        "It keeps [asking me for a code|throwing me out].", "Two-step thing does not work [any more|on my tablet].", "I'm stuck on the first page, it just spins.",
        "Wrong user name or password, it says, but I wrote it down.", "Can you reset my online access?", "Your website does not recognise me.",
        "I've been shut out since the update.", "Somebody from {@ip} is in my account, I can't get in!", "Fingerprint sign-in stopped working {past}.", "Which e-mail did I register with? I have no clue.",
        "The page {@url} says expired.", "I never set up online access, how do I begin?",
    ],
    "card_lost": [
        "I lost my [debit|credit|bank] card [at {merchant}|{past}|].", "My [wallet|purse|bag] was stolen {past}, please block my card[ {@card}|].", "Please block card {@card} [at once|immediately|].",
        "I can't find my card anywhere, the last time I used it was at {merchant}.", "The machine at {merchant} kept my card.", "Somebody is using my card {@card} at {merchant}!",
        "Can I get a replacement for {@card}? It {broke}.", "I need a new card, the old one {broke}.", "My card was left [in a taxi|on the bus|at {merchant}], can you freeze it for now?",
        "I found my card again, the one I reported {past}. Can you unblock it?", "How long until the new card is in the post? You blocked the old one {past}.",
        "[Misplaced|Mislaid] my plastic somewhere between home and {merchant}.", "Somebody [pinched|took|nicked] my wallet {past}.", "Freeze everything on {@card}, please.",
        "I dropped it at {merchant}, I think, it ends like {@card}.", "The chip is dead, nothing reads it.", "My card was swallowed and it was the weekend.",
        "Could you send another one to {@address}? Mine is gone.", "My card fell out of my pocket on the bus.", "There are strange purchases at {merchant} since I lost my purse.",
        "I need to report my card missing.", "PIN and card were in the same bag, I know.",
    ],
    "transfer_problem": [
        "My transfer of {amount} to {@iban} [has not arrived|is still pending].", "I sent {amount} to the wrong account, {@iban} instead of my {relation}'s.", "The [transfer|payment|wire] to {@relative} was [rejected|returned] {past}.",
        "Why is my [transfer|payment] [on hold|taking so long]?", "I can't send more than {amount} [a day|at once], please raise the limit.", "The app shows an error when I [send|transfer] money to {@iban}.",
        "{amount} left my account {past} but [the landlord|my {relation}|the shop] never got it.", "Please [stop|cancel|recall] the payment of {amount} from {@day}.",
        "A standing order of {amount} went out twice.", "My salary should be in since {@day}, I can't see it.", "Is there a way to trace a wire? IBAN {@iban}, {amount}.",
        "The money is gone from here and not there.", "I typed one digit wrong: {@iban}.", "Where is the {amount} I sent?",
        "It says pending since {@day}.", "The other bank says they have nothing from you.", "Rent bounced, and it was {amount} as always.",
        "Please get back what I sent to {@iban}.", "I wanted to wire {amount} abroad and it was refused.", "My {relation} is still waiting for what I sent {past}.",
        "Direct debit of {amount} was taken two times.", "It went to my old account instead of {@iban}.",
    ],
    "loan_question": [
        "I [would like|want] to apply for a [loan|mortgage|car loan] of {sum}.", "What is the [interest|rate] [on|for] a [mortgage|personal loan|car loan] at the moment?", "Can I [pay off|repay] my loan early[ without a fee|]?",
        "What papers do I need for a [mortgage|loan]? [My employer pays me monthly|I am self-employed].", "Has my loan application from {@day} been decided?", "I can't make the [loan|mortgage] payment this month, can we [postpone|talk about it]?",
        "How much could I borrow with an income of {sum} a year? SSN {@ssn}.", "Would you lend {sum} to somebody with my score?", "My {relation} and I want to buy a house, {@new_address}. What would the monthly rate be?",
        "Can the term of my credit be stretched to {years} years?", "You declined my application and I'd like to know why.",
        "We are thinking about [buying a flat|a new kitchen|a car], what could you offer?", "Is {sum} realistic for us?", "How much would I pay each month for {sum}?",
        "Fixed or variable, what do you advise?", "I have some savings and want to finish [the mortgage|my debt] sooner.", "Do you finance [used cars|solar panels|studies]?",
        "Nobody told me yes or no since I handed in the forms {past}.", "I lost my job and can't keep up with the instalments.", "Would my {relation} have to sign as well?",
        "My credit score is low, any hope of {sum}?", "Can two old debts be put into one?",
    ],
}  # fmt: skip

ENGLISH_AMBIGUOUS: dict[tuple[str, str], Sequence[str]] = {
    ("appointment", "test_results"): ["When can I talk to {doctor} about my {test}?", "{doctor} said to come by once the {test} is done."],
    ("billing", "complaint"): ["{amount} for waiting two hours, really?", "You took {amount} again and nobody can tell me why!"],
    ("card_lost", "billing"): ["There are payments at {merchant} on {@card} that are not mine.", "{amount} at {merchant}, that wasn't me."],
    ("login_problem", "transfer_problem"): ["The app does not let me send money.", "I get an error in the app when I confirm a payment."],
    ("prescription_refill", "appointment"): ["Do I have to see {doctor} before I get more {med}?", "{doctor} wanted to check on me before the next {med}."],
    ("update_details", "login_problem"): ["I have a new phone number and the codes go to the old one.", "My account still has my old email."],
    ("loan_question", "transfer_problem"): ["My loan payment of {amount} bounced.", "The monthly rate of {amount} went to the wrong account."],
    ("complaint", "login_problem"): ["Your app is useless, nothing works for days!", "I gave up on your website."],
}  # fmt: skip

SHORT_FORMS = {"please": "pls", "appointment": "appt", "prescription": "rx", "you": "u", "because": "bc", "tomorrow": "tmrw", "account": "acct", "thanks": "thx", "cannot": "cant"}  # fmt: skip


def english_rough(text: str, rng: Random) -> str:
    """Type carelessly: a short form, swapped or dropped letters, no capitals."""
    if rng.random() < 0.3:
        for long, brief in SHORT_FORMS.items():
            if rng.random() < 0.5:
                text = re.sub(rf"\b{long}\b", brief, text)
    if rng.random() < 0.4:
        text = text.lower()
    if rng.random() < 0.3:
        text = text.replace("'", "")
    places = [match.start() for match in re.finditer(r"(?<=[a-z])[a-z](?=[a-z])", text)]
    for place in sorted(rng.sample(places, min(len(places), rng.choice((0, 0, 1, 1, 2)))), reverse=True):
        swap = text[place : place + 2][::-1]
        text = text[:place] + rng.choice((swap, text[place + 1], text[place] * 2 + text[place + 1])) + text[place + 2 :]
    return text


# -- Chinese ---------------------------------------------------------------------------------------------------------

SURNAMES: Sequence[str] = (*"王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧", "欧阳", "司徒")
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英文华慧建国志梅琳宇浩然欣怡梓涵子轩雨桐思远嘉琪晓东雪晨博诗"
CITIES = {
    "北京市": "11",
    "上海市": "31",
    "广州市": "44",
    "杭州市": "33",
    "成都市": "51",
    "武汉市": "42",
    "西安市": "61",
    "南京市": "32",
}
DISTRICTS = ("城东区", "滨江区", "城西区", "江岸区", "高新区", "新城区", "鼓楼区", "开发区")
ROADS = ("人民路", "建设路", "中山北路", "文化街", "滨河大道", "学院路", "解放东路", "桃园街", "科技路")
PROVINCES = "京沪粤浙川鄂陕苏"


def chinese_person(rng: Random) -> Person:
    """Draw a name and a birthday; the rest is drawn when it is used."""
    surname = rng.choice(SURNAMES)
    return Person(rng, surname + "".join(rng.sample(GIVEN, rng.choice((1, 2, 2, 2)))), surname, birthday(rng))


def chinese_address(rng: Random) -> str:
    """Draw an address down to the room."""
    home = rng.choice(
        (
            f"{rng.randrange(1, 30)}栋{rng.randrange(1, 5)}单元{rng.randrange(1, 30)}0{rng.randrange(1, 6)}室",
            f"{rng.randrange(101, 2905)}室",
            "",
        )
    )
    return f"{rng.choice(list(CITIES))}{rng.choice(DISTRICTS)}{rng.choice(ROADS)}{rng.randrange(1, 600)}号{home}"


def chinese_phone(rng: Random) -> str:
    """Draw a mobile or, less often, a landline number; some are typed with spaces or in full width."""
    if rng.random() < 0.15:
        return rng.choice(("010-8", "021-6", "020-3", "0571-8")) + digits(rng, 7)
    number = rng.choice(("133", "135", "138", "139", "150", "158", "177", "186", "189")) + digits(rng, 8)
    style = rng.random()
    if style < 0.1:
        return f"{number[:3]} {number[3:7]} {number[7:]}"
    return number.translate(str.maketrans("0123456789", "０１２３４５６７８９")) if style < 0.14 else number


def chinese_date(day: date, rng: Random) -> str:
    """Write a day in one of the usual ways."""
    return rng.choice((f"{day.year}年{day.month}月{day.day}日", f"{day:%Y-%m-%d}", f"{day.year}.{day.month}.{day.day}"))


def _given(rng: Random) -> str:
    return rng.choice(SURNAMES) + "".join(rng.sample(GIVEN, 2))


def _plate(rng: Random) -> str:
    signs = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
    tail = rng.choice((f"{rng.choice(signs[10:])}{digits(rng, 4)}", f"{digits(rng, 5)}", f"D{digits(rng, 5)}"))
    return f"{rng.choice(PROVINCES)}{rng.choice('ABCDE')}{rng.choice(('', '·'))}{tail}"


def _area(rng: Random) -> str:
    return f"{rng.choice(list(CITIES.values()))}0199"


CHINESE_FIELDS: dict[str, tuple[str, Callable[[Person], str]]] = {
    "name": ("PERSON", lambda person: person.name),
    "relative": ("PERSON", lambda person: person.keep("relative", lambda rng: person.short + "".join(rng.sample(GIVEN, 2)))),
    "doctor": ("PERSON", lambda person: _given(person.rng)),
    "born": ("BIRTH_DATE", lambda person: person.keep("born", lambda rng: chinese_date(person.born, rng))),
    "day": ("DATE", lambda person: chinese_date(date(2025, 1, 6) + timedelta(days=person.rng.randrange(170)), person.rng)),
    "address": ("ADDRESS", lambda person: person.keep("address", chinese_address)),
    "new_address": ("ADDRESS", lambda person: chinese_address(person.rng)),
    "phone": ("PHONE", lambda person: person.keep("phone", chinese_phone)),
    "new_phone": ("PHONE", lambda person: chinese_phone(person.rng)),
    "email": ("EMAIL", lambda person: person.keep("email", lambda rng: f"{rng.choice(('lan', 'hao', 'xiaoyu', 'moli', 'qing'))}{digits(rng, 4)}@{rng.choice(('example.com', 'mail.example.net'))}")),
    "identity": ("ID_NUMBER", lambda person: person.keep("identity", lambda rng: resident_id(_area(rng), person.born, digits(rng, 3)))),
    "card": ("BANK_CARD", lambda person: person.keep("card", lambda rng: luhn("620000" + digits(rng, rng.choice((9, 12)))))),
    "other_card": ("BANK_CARD", lambda person: luhn("620000" + digits(person.rng, 12))),
    "record": ("MEDICAL_RECORD", lambda person: person.keep("record", lambda rng: digits(rng, 8))),
    "passport": ("PASSPORT", lambda person: person.keep("passport", lambda rng: f"E{digits(rng, 8)}")),
    "wechat": ("HANDLE", lambda person: person.keep("wechat", lambda rng: f"{rng.choice(('lin_jia', 'haohao', 'wx_mo', 'qingfeng', 'yu_yu'))}{digits(rng, 3)}")),
    "plate": ("PLATE", lambda person: person.keep("plate", _plate)),
    "company": ("ORGANIZATION", lambda person: person.keep("company", lambda rng: f"{rng.choice(('杭州', '成都', '武汉'))}{rng.choice(('云帆', '博远', '嘉禾', '星河'))}{rng.choice(('科技', '商贸', '食品'))}有限公司")),
    "credit_code": ("USCC", lambda person: person.keep("credit_code", lambda rng: credit_code(_area(rng), digits(rng, 8)))),
    "ip": ("IP", lambda person: ip_address(person.rng)),
    "url": ("URL", lambda person: f"https://{person.rng.choice(('bank', 'his', 'm'))}.example.com/{person.rng.choice(('login', 'reset'))}/{digits(person.rng, 6)}"),
}  # fmt: skip

CHINESE: Grammar = {
    "greeting": ["你好，", "您好！", "您好，", "医生您好，", "客服你好，", "在吗？", "早上好，", "麻烦问一下，", "请问，", "老师好，", "打扰了，"],
    "intro": [
        "我是{@name}。", "我叫{@name}，身份证号{@identity}。", "本人{@name}，{@born}出生。", "患者{@name}，病案号{@record}。", "帮我{relation}{@relative}问一下。",
        "我是{@name}，手机{@phone}。", "姓名：{@name} 电话：{@phone}。", "我住在{@address}。", "身份证{@identity}。", "我是你们的老客户{@name}，卡号{@card}。", "住院号{@record}。",
    ],
    "contact": [
        "[请|麻烦]回电{@phone}。", "我的[手机|电话]是{@phone}。", "加我微信{@wechat}也行。", "邮箱{@email}。", "有消息[请|]打{@phone}[，谢谢|]。", "微信号：{@wechat}。", "寄到{@address}就可以。",
        "{hour}以后打{@phone}比较方便。",
    ],
    "signoff": ["谢谢！", "谢谢", "麻烦了。", "急，在线等。", "辛苦了！", "——{@name}", "谢谢，{@name}", "盼回复。", "多谢多谢", "祝好\n{@name}\n{@phone}", "（网页留言，IP：{@ip}）"],
    "filler": [
        "打了好几次电话都没人接。", "不着急。", "比较急。", "{past}就问过一次了。", "不知道问这里对不对。", "我{soon}要出差，[请尽快|越快越好]。", "我{relation}让我来问的。", "收到请回复一下。", "说来话长。",
        "之前说会有人联系我的。", "如果不归你们管请转一下。", "老客户了。",
    ],
    "aside": [
        "上次预约的号已经看完了，挺好的。", "账单我已经交了。", "抽血的结果都正常，谢谢。", "新卡已经收到了。", "药{past}收到了。", "今天能登录了，上一条不用管。", "上周那笔转账后来到账了。", "你们那位护士态度很好，不是投诉。",
        "地址{past}已经改好了。", "贷款的合同收到了。", "{past}去过医院，也去过网点。", "跟{med}没关系。",
    ],
    "past": ["昨天", "上周", "周一", "今天早上", "前天", "上个月", "这两天", "大前天"],
    "soon": ["下周", "明天", "周五", "下周一", "后天", "这周", "下个月"],
    "hour": ["上午九点", "中午", "下午三点", "晚上七点", "五点半"],
    "relation": ["妈妈", "儿子", "女儿", "老公", "爱人", "父亲", "姐姐", "奶奶"],
    "med": ["降压药", "二甲双胍", "阿托伐他汀", "优甲乐", "氨氯地平", "奥美拉唑", "胰岛素", "哮喘喷雾", "眼药水", "阿司匹林"],
    "test": ["血常规", "核磁", "胸片", "活检", "血脂", "尿检", "B超", "CT", "过敏原", "甲功", "心电图", "胃镜"],
    "amount": ["40元", "125.5元", "312块", "1200元", "75块钱", "2450元", "6000元", "三百多"],
    "merchant": ["超市", "加油站", "网上商店", "火车站", "饭店", "机场", "菜市场"],
    "pills": ["两", "四", "六", "十"],
    "weeks": ["两", "三", "四"],
    "thing": ["挂号", "{test}", "年费", "{med}", "换卡", "转账", "住院", "补牙"],
    "broke": ["断了", "刷不了", "消磁了", "{soon}到期", "弯了"],
    "sum": ["五万", "二十万", "八十万", "十二万", "三百万"],
    "doctor": ["{@doctor}医生", "{@doctor}主任", "医生", "牙科", "专家", "骨科", "皮肤科", "儿科"],
}  # fmt: skip

CHINESE_INTENTS: Grammar = {
    "appointment": [
        "[我想|想|需要][预约|挂|约]{soon}{doctor}的号。", "{doctor}{soon}还有号吗？", "{@day}的预约能[改到|换到]{soon}吗？", "[请|麻烦]帮我取消{@day}的预约[，来不了了|]。", "什么时候能[看|约]{doctor}？",
        "我{relation}发烧好几天了，{soon}能看吗？", "我{@day}的号过了，怎么办？", "挂号挂错了，能换成{doctor}吗？", "{hour}能不能来看{doctor}？", "我预约的是几点来着，单子丢了。", "想[给|帮]{relation}约一个体检。",
        "这周还能[加号|看上|排上]吗？", "想[找|看]个大夫，{relation}不舒服。", "{doctor}哪天出诊？",
        "给我留{soon}{hour}的吧。", "{@day}有事来不了了，往后推一推。", "能视频看吗，不想跑一趟。",
        "新病人要等多久才能看上{doctor}？", "短信和单子上的日子不一样，到底哪天来？", "{soon}来之前要空腹吗？",
    ],
    "prescription_refill": [
        "{med}[快吃完了|吃完了|没了]，能再开[一点|一个月的|两盒|]吗？", "想续开{med}。", "请{doctor}帮我[续|再开]一下{med}的处方。", "处方{@day}过期了，{med}买不到。", "药房说{med}要{doctor}签字。",
        "{med}能一次开三个月吗？", "我{relation}的{med}只剩{pills}片了。", "{med}能不能寄到家？", "线上能开{med}吗？", "换一家药店拿{med}可以吗？这边总缺货。", "药瓶弄丢了，{med}能补吗？",
        "{med}见底了。", "还是老样子，{med}，剂量不变。", "{med}要找谁批？",
        "没有{doctor}的条子，药店不给{med}。", "我天天吃{med}，盒子空了。", "有没有便宜点的{med}替代？以后就换那种。",
        "{relation}替我取{med}，备好了吗？", "{med}洒了，要补。",
    ],
    "test_results": [
        "{test}的[结果|报告][出来了吗|什么时候出]？", "我{past}做的{test}，一直没消息。", "{test}报告看不懂，[能解释一下吗|严重吗]？", "请把{test}的报告发[到{@email}|给我]。", "{test}有一项[偏高|箭头向上]，要紧吗？", "在哪里能查到{test}？",
        "我{relation}的{test}正常吗？", "{@day}做的{test}，单号{@record}，帮忙查一下。", "{doctor}说{past}给我打电话讲{test}，没打。", "都{weeks}周了，{test}还没出？", "{test}可以打印吗？",
        "化验那边有消息吗？", "查出什么没有？", "抽了两管血，一直没人联系。",
        "到底[严不严重|有没有事]？我说的是{test}。", "单子上写着[临界|异常|阳性]，怎么办？", "别的医院要{test}的片子。",
        "电话里能把数值念给我听吗？", "{doctor}看过我的{test}了没？心里没底。",
    ],
    "billing": [
        "{thing}[被|给我]收了两次[钱|费]。", "这笔{amount}是什么费用？", "账单上多了{amount}。", "[能|可以]开{amount}的发票吗？抬头{@company}，税号{@credit_code}。", "{thing}医保[怎么没报|应该报的]，为什么要自费{amount}？", "请退还{thing}的{amount}。",
        "账单可以分期付吗？", "{past}交了{amount}，怎么又来催缴？", "这个月的手续费怎么变成{amount}了？", "发票的金额开错了。", "{thing}大概要花多少钱？", "{merchant}那笔{amount}我没有消费过。",
        "{amount}是干嘛的？", "催款短信说我欠{amount}，明明结清了。", "莫名其妙扣了{amount}。",
        "当时说的价格没有{amount}这么多。", "报税要用，能出个{amount}的凭证吗？", "{thing}到底收不收钱？",
        "先走保险行不行，{thing}那笔。", "只能付现金吗，{thing}？",
    ],
    "complaint": [
        "我要投诉[！|。|{doctor}。|你们网点。]", "[前台|柜员|护士|保安|接电话的人]态度[太差|恶劣|非常不好]。", "等了[两|三|快四]个小时[没人管|都没轮到]。", "第[二|三|五]次反映了，没有人理。", "太让人失望了，{past}的事必须给个说法。", "保安把我的车（{@plate}）锁了，还骂人！",
        "你们领导是谁？我要当面说。", "卫生间脏得不行，{doctor}看都没看我一眼。", "再这样我就[换一家|打12345]。", "说好{past}回电，又没有，太不负责任。", "电话打了一个小时，最后直接挂断。", "必须道歉。",
        "没有一个人负责任。", "把我当小孩子耍？", "三个人三种说法。",
        "当着那么多人笑话我{relation}，像话吗？", "我要给差评，还要曝光。", "{doctor}全程打断我说话。",
        "又把我的材料弄丢了，你们上心过吗？", "坐到{hour}，白等。",
    ],
    "update_details": [
        "我搬家了，新地址是{@new_address}。", "[请|麻烦]把我的手机号改成{@new_phone}。", "换号码了，新的是{@new_phone}。", "邮箱换成{@email}。", "身份证号登记错了，应该是{@identity}。", "名字写错了，是{@name}。",
        "紧急联系人改成{@relative}，{@new_phone}。", "生日登记错了，我是{@born}的。", "旧号码{@phone}不用了，删掉吧。", "怎么修改预留的地址？", "护照换了，新号码{@passport}，请更新资料。",
        "以后信寄到{@new_address}。", "新手机{@new_phone}。", "别再打座机了，发短信到{@new_phone}。",
        "资料里生日不对。", "联系人别写我前夫了，写{@relative}。", "改名了，现在叫{@name}。",
        "换单位了，要登记吗？{@company}。",
    ],
    "login_problem": [
        "[手机银行|网上医院|公众号|APP]登[不上|录不了]。", "密码[忘了|输错三次被锁了]，怎么办？", "验证码[收不到|一直不来]，手机{@phone}。", "更新以后APP[闪退|打不开|白屏]。", "{@url}打不开。", "提示账号在{@ip}登录，不是我，现在进不去了。", "怎么重置登录密码？",
        "换了新手机，人脸识别过不了。", "一进去就跳回首页，看不了[报告|明细|消息]。", "重置密码的链接{@url}过期了。", "用户名是什么？我不记得了。",
        "老是让我输码，输了又弹出来。", "卡在第一页一直转圈。", "你们网站不认识我了。", "{@ip}有人登我的账号，我进不去了！",
        "指纹{past}开始用不了。", "帮我重置一下吧。", "当初用哪个邮箱注册的？",
        "从来没开通过网上的，怎么开始？", "{@url}提示失效。",
    ],
    "card_lost": [
        "我的[银行卡|信用卡|储蓄卡]丢了[，请挂失|]。", "钱包[被偷|丢]了，卡号{@card}，[请马上冻结|赶紧挂失]。", "卡被{merchant}的机器吞了。", "卡找不到了，最后一次是在{merchant}用的。", "请冻结{@card}。", "有人在{merchant}刷我的卡{@card}！", "怎么补办新卡？旧的{broke}。",
        "挂失的卡又找到了，能解挂吗？", "新卡几天能寄到？{past}挂失的。", "卡落在[出租车|{merchant}]了，先帮我停一下。", "卡{broke}，要换一张。",
        "不知道掉哪了，可能在{merchant}。", "包让人顺走了。", "先停掉{@card}。",
        "芯片坏了，哪都读不出来。", "口袋破了，掉在公交上。", "密码和卡放一起了，我知道不该。",
        "另寄一张到{@address}，原来那张没了。", "丢了钱包以后{merchant}有陌生消费。",
    ],
    "transfer_problem": [
        "转给{@other_card}的{amount}[没到账|还在处理]。", "{amount}转错人了，卡号{@other_card}，能追回吗？", "给{@relative}的转账被退回了。", "转账[怎么这么慢|一直处理中]。", "一天只能转{amount}，请帮我提额。", "{amount}扣了，对方没收到。", "请撤回{@day}那笔{amount}。",
        "自动扣款扣了两次{amount}。", "工资{@day}就该到了，没看到。", "往{@other_card}打款总报错。", "跨行汇款能查到哪一步了吗？",
        "钱从我这走了，那边没有。", "输错一位：{@other_card}。", "我的{amount}去哪了？",
        "对方银行说没收到你们的。", "房租退回来了，{amount}跟每月一样。", "往国外汇{amount}被拒。",
        "打到旧账户了，应该是{@other_card}。", "{relation}还在等我{past}打的钱。",
    ],
    "loan_question": [
        "想[申请|办][房贷|车贷|贷款|信用贷]，{sum}。", "现在[房贷|车贷|消费贷]利率是多少？", "贷款可以提前还吗[，要手续费吗|]？", "办贷款需要[什么材料|哪些证件]？", "{@day}申请的贷款批了吗？", "这个月还不上[房贷|贷款]，能延期吗？", "月入八千能贷多少？身份证{@identity}。",
        "公司想贷{sum}，{@company}，信用代码{@credit_code}。", "还款年限能不能延长？", "申请被拒了，想知道原因。", "想买{@new_address}的房子，月供大概多少？",
        "想[买房|换车|装修]，你们有什么方案？", "{sum}我们够格吗？", "{sum}每个月要还多少？",
        "固定的好还是浮动的好？", "手里有点闲钱，想早点[还清|结掉]。", "材料{past}交了，行不行没人告诉我。",
        "失业了，月供跟不上。", "要不要{relation}一起签字？", "征信不太好，还有希望吗？",
    ],
}  # fmt: skip

CHINESE_AMBIGUOUS: dict[tuple[str, str], Sequence[str]] = {
    ("appointment", "test_results"): ["{test}做完以后什么时候来找{doctor}？", "想让{doctor}看看我的{test}。"],
    ("billing", "complaint"): ["排队两个小时还收{amount}？", "又扣{amount}，问谁都不知道！"],
    ("card_lost", "billing"): ["{@card}在{merchant}的消费不是我的。", "{merchant}{amount}，不是我刷的。"],
    ("login_problem", "transfer_problem"): ["APP里转不了钱。", "付款确认的时候就报错。"],
    ("prescription_refill", "appointment"): ["开{med}要先看{doctor}吗？", "{doctor}说下次拿{med}前要复诊。"],
    ("update_details", "login_problem"): ["手机号换了，验证码发到旧号码。", "账号里还是旧邮箱。"],
    ("loan_question", "transfer_problem"): ["月供{amount}扣款失败。", "还贷的{amount}转到别的账户了。"],
    ("complaint", "login_problem"): ["你们的APP太难用了，几天都不行！", "这网站我服了。"],
}  # fmt: skip

SLIPS = {
    "的": "得",
    "在": "再",
    "账": "帐",
    "已经": "以经",
    "查": "察",
    "做": "作",
    "预约": "预定",
    "请": "",
    "吗？": "",
    "，": " ",
    "。": " ",
}


def chinese_rough(text: str, rng: Random) -> str:
    """Type carelessly: a wrong character of the same sound, missing or half-width signs."""
    for right, wrong in SLIPS.items():
        if rng.random() < 0.18:
            text = text.replace(right, wrong, 1)
    return text.translate(str.maketrans("，。？！", ",.?!")) if rng.random() < 0.2 else text


LANGUAGES = (
    Language("en", ENGLISH | ENGLISH_INTENTS, ENGLISH_INTENTS, ENGLISH_AMBIGUOUS, ENGLISH_FIELDS, english_person, english_rough, " "),
    Language("zh", CHINESE | CHINESE_INTENTS, CHINESE_INTENTS, CHINESE_AMBIGUOUS, CHINESE_FIELDS, chinese_person, chinese_rough, ""),
)  # fmt: skip


# -- from grammar to messages ----------------------------------------------------------------------------------------

_CHOICE, _SLOT, _FIELD = re.compile(r"\[([^\[\]]*)\]"), re.compile(r"\{(\w+)\}"), re.compile(r"\{@(\w+)\}")


def expand(line: str, grammar: Grammar, rng: Random) -> str:
    """Choose in `[a|b|]` and fill `{slot}` until only `{@field}` marks are left."""
    while True:
        line, chosen = _CHOICE.subn(lambda match: rng.choice(match[1].split("|")), line)
        line, filled = _SLOT.subn(lambda match: rng.choice(grammar[match[1]]), line)
        if not chosen and not filled:
            return line


def outline(language: Language, intent: str, rng: Random) -> tuple[str, str]:
    """Return the sentences of one message, planted data still as marks, and its label."""
    label, lines = intent, language.intents[intent]
    if rng.random() < AMBIGUOUS:
        pair = rng.choice(list(language.ambiguous))
        label, lines = rng.choice(pair), language.ambiguous[pair]
    core = rng.sample(lines, 2 if rng.random() < 0.4 and len(lines) > 2 else 1)
    around = language.grammar
    parts = [
        rng.choice(around["greeting"]) if rng.random() < 0.6 else "",
        rng.choice(around["intro"]) if rng.random() < 0.45 else "",
        rng.choice(around["filler"]) if rng.random() < 0.12 else "",
        rng.choice(around["aside"]) if rng.random() < 0.1 else "",
        *core,
        rng.choice(around["filler"]) if rng.random() < 0.15 else "",
        rng.choice(around["contact"]) if rng.random() < 0.35 else "",
    ]
    line = language.joint.join(part for part in parts if part)
    if rng.random() < 0.5:
        line += rng.choice((language.joint, "\n")) + rng.choice(around["signoff"])
    return expand(line, around, rng), label


def fill(line: str, language: Language, person: Person, rng: Random) -> tuple[str, tuple[Planted, ...]]:
    """Put the person's data in the place of the marks; careless typing and leftovers of other systems touch the rest."""
    rough, leftover = rng.random() < 0.35, rng.random()
    text, planted = "", []
    for place, part in enumerate(_FIELD.split(line)):
        if place % 2:
            kind, draw = language.fields[part]
            value = draw(person)
            planted.append(Planted(kind, value, len(text), len(text) + len(value)))
            text += value
        else:
            plain = language.rough(part, rng) if rough else part
            text += _leftover(plain, leftover)
    return text, tuple(planted)


def _leftover(text: str, which: float) -> str:
    # what mail gateways and wrong decoders leave behind: `curate` has something to mend
    if which < 0.02:
        return (
            text.replace("\n", "<br>").replace(" & ", " &amp; ").replace(". ", ".&nbsp;<br/>").replace("。", "。<br/>")
        )
    return text.replace("'", "â€™") if which < 0.04 else text


def messages(language: Language, rows: int, seed: int) -> Iterator[Message]:
    """Yield `rows` messages; a subject writes several, with the same name, number and address."""
    rng = Random(f"{seed}-{language.code}")
    people = [language.person(rng) for _ in range(max(1, rows // ROWS_A_SUBJECT))]
    before: list[Message] = []
    for row in range(1, rows + 1):
        identity = f"SYN-{language.code.upper()}-{row:06d}"
        received = (datetime(2025, 1, 6, 8) + timedelta(minutes=rng.randrange(250_000))).isoformat()
        if before and rng.random() < DUPLICATES:
            again = rng.choice(before)  # sent twice
            yield Message(identity, again.patient, again.text, again.label, received, again.planted)
            continue
        subject = rng.randrange(len(people))
        line, label = outline(language, rng.choices(list(INTENTS), list(INTENTS.values()))[0], rng)
        text, planted = fill(line, language, people[subject], rng)
        if rng.random() < LABEL_NOISE:
            label = rng.choice([other for other in INTENTS if other != label])
        before.append(
            Message(identity, f"SYN-{language.code.upper()}-P{subject + 1:05d}", text, label, received, planted)
        )
        yield before[-1]


def write(folder: Path, rows: int, seed: int) -> None:
    """Write the three files into `folder`: half the rows, rounded up, in English."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "planted.jsonl").open("w", encoding="utf-8", newline="\n") as truth:
        for language, count in zip(LANGUAGES, ((rows + 1) // 2, rows // 2), strict=True):
            name = f"messages_{language.code}.csv"
            with (folder / name).open("w", encoding="utf-8", newline="") as file:
                table = csv.writer(file, lineterminator="\n")
                table.writerow(["id", "patient", "text", "label", "received"])
                for row, message in enumerate(messages(language, count, seed), start=1):
                    table.writerow([message.id, message.patient, message.text, message.label, message.received])
                    line: dict[str, Any] = {"file": name, "row": row, "synthetic": True}
                    line["planted"] = [vars(planted) for planted in message.planted]
                    truth.write(json.dumps(line, ensure_ascii=False) + "\n")


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(description="Make SYNTHETIC clinic and bank messages with planted personal data.")
    parser.add_argument("--rows", type=int, default=2000, help="rows of both files together")
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same bytes")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    options = parser.parse_args()
    write(options.out, options.rows, options.seed)
    print(f"{options.rows} SYNTHETIC messages in {options.out}: nobody in them exists")


if __name__ == "__main__":
    main()
