"""A policy carried through: consistent over records and sets, intervals kept, named in meta, event and report; files keep it too."""

from __future__ import annotations

import csv
import json
import re
from datetime import date
from pathlib import Path

import pytest

from appliance.errors import IntegrityError, NotFoundError, PolicyError, SettingsError
from appliance.privacy import vault
from appliance.privacy.detect import Scrubber
from appliance.privacy.operators import Run
from appliance.privacy.operators.value import Scope, Value
from appliance.privacy.operators.write import OPERATORS
from appliance.privacy.policy import load
from appliance.privacy.reveal import reveal
from appliance.privacy.scrub import HeldBack, scrub, scrub_records
from appliance.privacy.scrub_file import scrub_file
from appliance.schema import Dataset, Finding, Record, Source
from appliance.settings import ScrubSettings
from appliance.store import Store

MINE = """
[policy]
name = "mine"
mode = "structured-only"
[kinds]
PHONE = "surrogate"
EMAIL = "surrogate"
BANK_CARD = "hmac"
DATE = "date-shift"
ID_NUMBER = "{operator}"
"""
TEXTS = [
    "Seen on 2020-01-05, call 212-555-0187 or xq@clinic.org, card 4111 1111 1111 1111.",
    "Seen on 2020-03-09, call (212) 555-0187, 身份证号11010519491231002X。",
    "Seen on 2020-01-05, call 212-555-0199.",
]


def mine(folder: Path, operator: str = "placeholder", **given: object) -> ScrubSettings:
    path = folder / "mine.toml"
    path.write_text(MINE.format(operator=operator), "utf-8")
    return ScrubSettings(policy=str(path), batch_rows=2, **given)


def raw(store: Store, texts: list[str] = TEXTS) -> Dataset:
    people = ["p1", "p1", "p2"]
    records = [
        Record(f"{number:032x}", text, subject=people[number % 3], language="en", source=Source("a.csv", number + 1))
        for number, text in enumerate(texts)
    ]
    with store.draft("dataset", "notes", meta={"stage": "raw", "rows": 0}) as draft:
        store.write_records(draft, records)
    found: Dataset = draft.artifact
    return found


def dates(text: str) -> list[date]:
    return [date.fromisoformat(found) for found in re.findall(r"\d{4}-\d\d-\d\d", text)]


def numbers(text: str) -> list[str]:
    return [re.sub(r"\D", "", found) for found in re.findall(r"\(?\d{3}\)?[ -]555[ -]01\d\d", text)]


def test_surrogates_are_the_same_over_records_and_sets(tmp_path: Path) -> None:
    store, settings = Store.open(), mine(tmp_path)
    first = [each.text for each in store.records(scrub(store, raw(store), settings))]
    again = [each.text for each in store.records(scrub(store, raw(store, list(reversed(TEXTS))), settings))]
    assert numbers(first[0]) == numbers(first[1]) != numbers(first[2])
    assert numbers(again[2]) == numbers(first[0])
    assert "2125550187" not in re.sub(r"\D", "", " ".join(first))
    elsewhere = Store.open(project="other")
    other = [each.text for each in elsewhere.records(scrub(elsewhere, raw(elsewhere), settings))]
    assert numbers(other[0]) != numbers(first[0])  # a key of each project


def test_dates_of_a_subject_keep_their_distance(tmp_path: Path) -> None:
    store = Store.open()
    first, second, _other = (dates(each.text)[0] for each in store.records(scrub(store, raw(store), mine(tmp_path))))
    assert (second - first).days == (date(2020, 3, 9) - date(2020, 1, 5)).days
    assert first != date(2020, 1, 5)
    assert 0 < abs((first - date(2020, 1, 5)).days) <= 365


def test_the_policy_is_named_in_meta_event_and_report(tmp_path: Path) -> None:
    store, settings = Store.open(), mine(tmp_path)
    child = scrub(store, raw(store), settings, report=tmp_path / "report")
    digest = load(settings.policy).digest
    assert (child.meta["policy"], child.meta["policy_digest"]) == ("mine", digest)
    assert child.meta["operators"]["date-shift"] == 3
    assert store.events("notes")[-1].details["policy_digest"] == digest
    assert json.loads((tmp_path / "report" / "report.json").read_text())["policy_digest"] == digest


def test_a_surrogate_is_no_leftover_and_a_number_that_was_missed_is(tmp_path: Path) -> None:
    policy = load(mine(tmp_path).policy)
    real = Scrubber.from_settings(policy=policy)

    class Missing(Scrubber):
        def find(self, texts: list[str]) -> list[list[Finding]]:  # type: ignore[override]
            return [[each for each in found if each.kind != "BANK_CARD"] for found in real.find(texts)]

    half_blind = Missing("auto", real.scope, real.settings)
    records = [Record("a" * 32, TEXTS[0]), Record("b" * 32, TEXTS[2])]
    kept = list(scrub_records(records, half_blind, ScrubSettings(batch_rows=2), run=Run(policy, b"k" * 32)))
    assert kept[0] == HeldBack("a" * 32, "leftover")
    assert isinstance(kept[1], Record)
    assert numbers(kept[1].text) not in ([], ["2125550199"])


def test_a_sealed_set_comes_back_for_two(tmp_path: Path) -> None:
    store = Store.open()
    keys = [tmp_path / "a.key", tmp_path / "b.key", tmp_path / "c.key"]
    for file in keys:
        vault.key(file)
    source = raw(store)
    child = scrub(store, source, mine(tmp_path, "vault", vault=tuple(keys[:2])))
    text = list(store.records(child))[1].text
    (token,) = [match[0] for match in vault.TOKEN.finditer(text)]
    found = reveal(store, [token], "a question of the family", keys[:2])
    assert found["values"] == [{"token": token, "kind": "ID_NUMBER", "value": "11010519491231002X"}]
    assert store.events()[-1].artifacts == (source.id,)
    with pytest.raises(PolicyError):
        reveal(store, [token], "a question of the family", keys[1:])
    assert scrub(store, source, mine(tmp_path, "vault", vault=tuple(keys[:2]))).id == child.id


def test_what_operators_wrote_survives_another_scrub(tmp_path: Path) -> None:
    keys = (tmp_path / "a.key", tmp_path / "b.key")
    for file in keys:
        vault.key(file)
    store = Store.open()
    child = scrub(store, raw(store), mine(tmp_path, "vault", vault=keys))
    again = scrub(store, child, ScrubSettings(policy="structured-only"))
    wrote = re.compile(r"<[A-Z_]+_[A-Z2-7]{58,}>|<BANK_CARD_[0-9a-f]{16}>")
    before, after = ([wrote.findall(each.text) for each in store.records(item)] for item in (child, again))
    assert before == after
    assert [len(each) for each in after] == [1, 1, 0]


def test_a_policy_that_cannot_be_kept_stops_before_any_work(tmp_path: Path) -> None:
    store = Store.open()
    source = raw(store)
    for settings, words in ((mine(tmp_path, "vault"), "--vault"), (ScrubSettings(policy="nonsense"), "balanced")):
        with pytest.raises(SettingsError, match=words):
            scrub(store, source, settings)
    assert [item.id for item in store.artifacts("dataset")] == [source.id]


def table(folder: Path) -> Path:
    path = folder / "in.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["who", "text"], *zip(["p1", "p1", "p2"], TEXTS, strict=True)])
    return path


def scrubbed(folder: Path, settings: ScrubSettings, source: Path, **given: str) -> tuple[list[str], dict[str, object]]:
    out = folder / f"out{source.suffix}"
    told = scrub_file(source, out, settings, keep_columns=["who"], **given)  # type: ignore[arg-type]
    if source.suffix == ".jsonl":
        return [json.loads(line)["text"] for line in out.read_text("utf-8").splitlines()], told
    with out.open(newline="", encoding="utf-8") as file:
        return [row["text"] for row in csv.DictReader(file)], told


def test_a_file_alone_has_a_random_key_and_says_so(tmp_path: Path) -> None:
    first, told = scrubbed(tmp_path, mine(tmp_path), table(tmp_path))
    second, _told = scrubbed(tmp_path, mine(tmp_path), table(tmp_path))
    assert told["random_key"] is True
    assert numbers(first[0]) == numbers(first[1])
    assert first != second


def test_a_key_file_makes_two_runs_the_same(tmp_path: Path) -> None:
    vault.key(tmp_path / "ours.key")
    settings = mine(tmp_path, key_file=tmp_path / "ours.key")
    first, told = scrubbed(tmp_path, settings, table(tmp_path))
    assert told["random_key"] is False
    assert scrubbed(tmp_path, settings, table(tmp_path))[0] == first
    with pytest.raises(NotFoundError):
        scrubbed(tmp_path, mine(tmp_path, key_file=tmp_path / "none.key"), table(tmp_path))
    (tmp_path / "bad.key").write_text("short")
    with pytest.raises(IntegrityError):
        scrubbed(tmp_path, mine(tmp_path, key_file=tmp_path / "bad.key"), table(tmp_path))


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_the_subject_column_says_whose_dates_move_together(tmp_path: Path, suffix: str) -> None:
    source = table(tmp_path)
    if suffix == "jsonl":
        source = tmp_path / "in.jsonl"
        lines = (json.dumps({"who": who, "text": text}) for who, text in zip(["p1", "p1", "p2"], TEXTS, strict=True))
        source.write_text("\n".join(lines), "utf-8")
    (tmp_path / "ours.key").write_text("5" * 64)
    settings = mine(tmp_path, key_file=tmp_path / "ours.key")
    texts, _told = scrubbed(tmp_path, settings, source, subject_column="who")
    first, second, other = (dates(text)[0] for text in texts)
    assert (second - first).days == 64
    assert other != first
    with pytest.raises(SettingsError, match="nobody"):
        scrubbed(tmp_path, mine(tmp_path), source, subject_column="nobody")


@pytest.mark.parametrize(
    ("name", "gone", "there"),
    [
        ("jrt-0171", ["13912345678", "4111 1111"], ["139****5678"]),
        ("minimal", ["13912345678"], ["2020-01-05", "2020年1月5日"]),
        ("structured-only", ["13912345678", "4111"], ["<PHONE_1>"]),
    ],
)
def test_shipped_policies_do_what_they_say(tmp_path: Path, name: str, gone: list[str], there: list[str]) -> None:
    source = tmp_path / "in.txt"
    source.write_text("2020-01-05：2020年1月5日 手机13912345678，卡号4111 1111 1111 1111。", "utf-8")
    scrub_file(source, tmp_path / "out.txt", ScrubSettings(policy=name), language="zh")
    text = (tmp_path / "out.txt").read_text("utf-8")
    assert [each for each in gone if each in text] == []
    assert [each for each in there if each not in text] == []


def test_safe_harbor_leaves_years_states_and_three_digits(tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text(
        "Mr Jan Novak, aged 93, born 2 May 1931, of 12 Main Street, Springfield, IL 62704, seen on 5 January 2020.",
        "utf-8",
    )
    scrub_file(source, tmp_path / "out.txt", ScrubSettings(policy="hipaa-safe-harbor"), language="en")
    text = (tmp_path / "out.txt").read_text("utf-8")
    assert not re.search("Novak|93|May|1931|Main|Springfield|62704|January", text)
    assert "90+" in text and "2020" in text and "IL" in text


def test_an_operator_that_fails_holds_the_record_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an operator raises: the text does not go on, and the records beside it do."""

    def broken(value: Value, scope: Scope) -> str:
        raise RuntimeError("broken")

    policy = load(mine(tmp_path).policy)
    monkeypatch.setitem(OPERATORS, "surrogate", broken)
    records = [Record("a" * 32, TEXTS[0]), Record("b" * 32, "Seen on 2020-01-05.")]
    out = list(
        scrub_records(records, Scrubber.from_settings(policy=policy), ScrubSettings(), run=Run(policy, b"k" * 32))
    )
    assert out[0] == HeldBack("a" * 32, "failed")
    assert isinstance(out[1], Record) and "2020-01-05" not in out[1].text
