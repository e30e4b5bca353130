"""The synthetic messages: same bytes for the same seed, a truth that is true, numbers that pass their checks."""

from __future__ import annotations

import csv
import ipaddress
import json
import re
import subprocess
import sys
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from stdnum import iban, luhn
from stdnum.iso7064 import mod_11_2

from appliance.recipe import read_recipe

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ROWS = 1201  # an odd number: English gets the larger half


def make(folder: Path, seed: int = 7, rows: int = ROWS) -> Path:
    command = [
        sys.executable,
        "-I",
        EXAMPLES / "make_messages.py",
        "--rows",
        str(rows),
        "--seed",
        str(seed),
        "--out",
        folder,
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "SYNTHETIC" in done.stdout
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("messages"))


def rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def truth(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "planted.jsonl").read_bytes().splitlines()]


def values(folder: Path, kind: str, name: str) -> set[str]:
    return {
        one["value"] for line in truth(folder) if line["file"] == name for one in line["planted"] if one["kind"] == kind
    }


def compact(value: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", value)


def test_the_same_seed_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    make(tmp_path / "again")
    make(tmp_path / "other", seed=8)
    for file in sorted(folder.iterdir()):
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()
        assert file.read_bytes() != (tmp_path / "other" / file.name).read_bytes()


def test_three_files_and_half_the_rows_in_each_language(folder: Path) -> None:
    assert sorted(file.name for file in folder.iterdir()) == ["messages_en.csv", "messages_zh.csv", "planted.jsonl"]
    assert [len(rows(folder, f"messages_{code}.csv")) for code in ("en", "zh")] == [601, 600]
    assert len(truth(folder)) == ROWS


@pytest.mark.parametrize("code", ["en", "zh"])
def test_rows_are_labelled_synthetic_and_carry_a_subject(folder: Path, code: str) -> None:
    found = rows(folder, f"messages_{code}.csv")
    assert list(found[0]) == ["id", "patient", "text", "label", "received"]
    assert [row["id"] for row in found] == [f"SYN-{code.upper()}-{number:06d}" for number in range(1, len(found) + 1)]
    assert all(row["patient"].startswith(f"SYN-{code.upper()}-P") for row in found)
    assert max(Counter(row["patient"] for row in found).values()) >= 4
    assert all(datetime.fromisoformat(row["received"]) for row in found)
    assert all(line["synthetic"] for line in truth(folder))
    assert len(found) > len({row["text"] for row in found}) > 0.95 * len(found)


def test_both_languages_share_ten_labels(folder: Path) -> None:
    labels = [Counter(row["label"] for row in rows(folder, f"messages_{code}.csv")) for code in ("en", "zh")]
    assert set(labels[0]) == set(labels[1])
    assert len(labels[0]) == 10
    assert min(min(counts.values()) for counts in labels) >= 20


def test_every_planted_value_stands_where_the_truth_says(folder: Path) -> None:
    texts = {name: rows(folder, name) for name in ("messages_en.csv", "messages_zh.csv")}
    for line in truth(folder):
        text = texts[line["file"]][line["row"] - 1]["text"]
        end = 0
        for one in line["planted"]:
            assert text[one["start"] : one["end"]] == one["value"] != ""
            assert one["start"] >= end, "in order, without overlap"
            end = one["end"]


def test_no_mark_of_the_grammar_is_left(folder: Path) -> None:
    for code in ("en", "zh"):
        assert not [
            row["text"] for row in rows(folder, f"messages_{code}.csv") if re.search(r"[{}\[\]|]|  ", row["text"])
        ]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("messages_en.csv", "PERSON ADDRESS PHONE EMAIL BIRTH_DATE DATE MEDICAL_RECORD BANK_CARD IBAN NATIONAL_ID IP URL PLATE"),
        ("messages_zh.csv", "PERSON ADDRESS PHONE EMAIL BIRTH_DATE DATE MEDICAL_RECORD BANK_CARD ID_NUMBER USCC PASSPORT HANDLE ORGANIZATION IP URL PLATE"),
    ],
)  # fmt: skip
def test_every_kind_is_planted(folder: Path, name: str, kinds: str) -> None:
    found = {one["kind"] for line in truth(folder) if line["file"] == name for one in line["planted"]}
    assert found == set(kinds.split())


@pytest.mark.parametrize("code", ["en", "zh"])
def test_card_numbers_pass_luhn_behind_test_prefixes(folder: Path, code: str) -> None:
    cards = {compact(value) for value in values(folder, "BANK_CARD", f"messages_{code}.csv")}
    assert len(cards) > 20
    assert all(luhn.is_valid(card) for card in cards)
    assert all(card.startswith(("424242", "400000", "411111", "555555", "510510", "620000")) for card in cards)


def test_ibans_pass_their_check_at_banks_that_do_not_exist(folder: Path) -> None:
    numbers = values(folder, "IBAN", "messages_en.csv")
    assert numbers
    assert all(iban.is_valid(number, check_country=False) for number in numbers)
    assert all(compact(number)[4:].startswith(("TEST", "99999999")) for number in numbers)


def test_social_security_numbers_are_never_issued(folder: Path) -> None:
    numbers = values(folder, "NATIONAL_ID", "messages_en.csv")
    assert numbers
    # areas 900-999 are never issued (SSA); groups from 50 on would be taxpayer numbers (IRS)
    assert all(re.fullmatch(r"9\d\d-(?!00)[0-4]\d-(?!0000)\d{4}", number) for number in numbers)


def test_resident_ids_pass_their_check_in_areas_that_do_not_exist(folder: Path) -> None:
    numbers = values(folder, "ID_NUMBER", "messages_zh.csv")
    assert len(numbers) > 20
    for number in numbers:
        assert mod_11_2.is_valid(number)
        assert number[2:6] == "0199"
        assert 1940 <= datetime.strptime(number[6:14], "%Y%m%d").year <= 2006


def test_credit_codes_pass_their_check(folder: Path) -> None:
    """GB 32100-2015: `stdnum.cn.uscc` would veto the area, so its sum alone is asked for."""
    from stdnum.cn import uscc

    codes = values(folder, "USCC", "messages_zh.csv")
    assert codes
    assert all(len(code) == 18 and uscc.calc_check_digit(code[:17]) == code[17] for code in codes)


def test_networks_and_hosts_are_those_of_documentation(folder: Path) -> None:
    allowed = [
        ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
    ]
    for name in ("messages_en.csv", "messages_zh.csv"):
        found = [ipaddress.ip_address(value) for value in values(folder, "IP", name)]
        assert found
        assert all(any(one in net for net in allowed if net.version == one.version) for one in found)
        hosts = values(folder, "EMAIL", name) | {value.split("/")[2] for value in values(folder, "URL", name)}
        assert all(re.search(r"[@.]example\.(com|org|net)$", host) for host in hosts)


def test_english_telephone_numbers_are_those_of_fiction(folder: Path) -> None:
    for number in values(folder, "PHONE", "messages_en.csv"):
        assert re.search(r"555.01\d\d$|20 7946 0\d{3}$", number)


def test_one_subject_is_one_person(folder: Path) -> None:
    """A subject's own record number, card and identity number are the same in all their messages."""
    for name, kinds in (
        ("messages_en.csv", ("MEDICAL_RECORD", "BANK_CARD", "NATIONAL_ID")),
        ("messages_zh.csv", ("ID_NUMBER", "PASSPORT")),
    ):
        subjects = [row["patient"] for row in rows(folder, name)]
        for kind in kinds:
            owners = {
                (subjects[line["row"] - 1], one["value"])
                for line in truth(folder)
                if line["file"] == name
                for one in line["planted"]
                if one["kind"] == kind
            }
            assert len({subject for subject, _value in owners}) == len(owners)


@pytest.mark.parametrize("name", ["clinic_en", "clinic_zh"])
def test_recipes_name_the_files_and_columns_that_are_written(folder: Path, name: str) -> None:
    recipe = read_recipe(EXAMPLES / f"{name}.toml")
    code = name[-2:]
    assert [file.name for file in recipe.data.files] == [f"messages_{code}.csv"]
    columns = {recipe.data.text, recipe.data.label, recipe.data.id, recipe.data.subject, *recipe.data.keep}
    assert columns == set(rows(folder, f"messages_{code}.csv")[0])
    assert recipe.release.name == recipe.model == f"triage-{code}"
