"""Records in, scrubbed records out; whatever fails is held back, and nothing planted comes through."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.errors import Interrupted
from appliance.privacy.detect import Scrubber
from appliance.privacy.recognizers import tagger
from appliance.privacy.report import Tally
from appliance.privacy.scrub import HeldBack, scrub, scrub_cells, scrub_records
from appliance.schema import Finding, Record, Source
from appliance.settings import ScrubSettings
from appliance.store import Store
from tests.appliance.privacy.recognizers.test_tagger import write_tagger

SETTINGS = ScrubSettings(batch_rows=2)
CANARY = {
    "person": "Xanthippe Quillfeather",
    "person_zh": "欧阳修远",
    "phone": "212-555-0187",
    "mobile": "13912345678",
    "card": "4111111111111111",
    "id": "11010519491231002X",
    "email": "xq@example.org",
    "ssn": "078-05-1120",
    "iban": "GB29NWBK60161331926819",
    "plate": "京A12345",
    "uscc": "91350100M000100Y43",
    "passport": "E12345678",
    "ip": "41.173.96.26",
    "address": "12 Main Street, Springfield, IL 62704",
    "address_zh": "朝阳区建国路88号3栋501室",
    "mrn": "00482913",
}
TEXTS = [
    f"Ms. {CANARY['person']} (SSN {CANARY['ssn']}, MRN: {CANARY['mrn']}) lives at {CANARY['address']}. Call {CANARY['phone']} or {CANARY['email']}.",
    f"患者：{CANARY['person_zh']}，身份证号{CANARY['id']}，手机{CANARY['mobile']}，住{CANARY['address_zh']}，车牌{CANARY['plate']}，护照{CANARY['passport']}。",
    f"Card {CANARY['card']}, IBAN {CANARY['iban']}, code {CANARY['uscc']}, from {CANARY['ip']}.",
]


@pytest.fixture(scope="module")
def scrubber() -> Scrubber:
    return Scrubber.from_settings("auto")


def records(texts: list[str]) -> list[Record]:
    return [
        Record(
            f"{index:032x}",
            text,
            "billing",
            "train",
            group="g1",
            subject=f"subject {index}",
            language="en",
            source=Source("a.csv", index + 1, f"row {index}"),
        )
        for index, text in enumerate(texts)
    ]


class Failing:
    """A scrubber whose recognizers crash on texts with the word `crash`; everything else is the real one."""

    def __init__(self, real: Scrubber) -> None:
        self.real, self.settings = real, real.settings

    def find(self, texts: list[str]) -> list[list[Finding]]:
        if any("crash" in text for text in texts):
            raise RuntimeError("recognizer")
        return self.real.find(texts)

    def leftovers(self, text: str) -> list[Finding]:
        if "second look" in text:
            raise RuntimeError("recognizer")
        return self.real.leftovers(text)


def test_records_keep_all_but_text_and_source(scrubber: Scrubber) -> None:
    before = records(["Dear Anna Kovacs, call 212-555-0187."])[0]
    (after,) = scrub_records([before], scrubber, SETTINGS)
    assert isinstance(after, Record)
    assert (after.id, after.label, after.split, after.group) == (before.id, before.label, before.split, before.group)
    assert after.source is None
    assert after.text == "Dear <PERSON_1>, call <PHONE_1>."


def test_only_the_guilty_record_is_held_back(scrubber: Scrubber) -> None:
    tally = Tally()
    out = list(
        scrub_records(
            records(["one", "crash 11010519491231002X", "three", "crash", "five"]), Failing(scrubber), SETTINGS, tally
        )
    )
    assert [isinstance(each, HeldBack) for each in out] == [False, True, False, True, False]
    assert tally.held_back == {"failed": 2}
    assert tally.rows == 3


def test_a_failing_second_look_holds_back_too(scrubber: Scrubber) -> None:
    (out,) = scrub_records(records(["the second look crashes"]), Failing(scrubber), SETTINGS)
    assert out == HeldBack(f"{0:032x}", "failed")


def test_something_strong_left_over_holds_back(scrubber: Scrubber) -> None:
    class Blind(Failing):
        def find(self, texts: list[str]) -> list[list[Finding]]:
            return [[] for _text in texts]

    (out,) = scrub_records(records(["card 4111111111111111"]), Blind(scrubber), SETTINGS)
    assert out == HeldBack(f"{0:032x}", "leftover")


def test_five_hundred_failures_hold_back_five_hundred(scrubber: Scrubber) -> None:
    out = list(scrub_records(records(["crash"] * 500), Failing(scrubber), ScrubSettings(batch_rows=64)))
    assert len(out) == 500
    assert all(isinstance(each, HeldBack) for each in out)


def test_a_cancelled_job_is_no_failure(scrubber: Scrubber) -> None:
    class Cancelled(Failing):
        def find(self, texts: list[str]) -> list[list[Finding]]:
            raise Interrupted("stop")

    with pytest.raises(Interrupted):
        list(scrub_records(records(["a"]), Cancelled(scrubber), SETTINGS))


def test_no_planted_value_comes_through(scrubber: Scrubber) -> None:
    out = "\n".join(each.text for each in scrub_records(records(TEXTS), scrubber, SETTINGS) if isinstance(each, Record))
    assert out.count("\n") == 2
    assert [name for name, value in CANARY.items() if value in out] == []
    for value in CANARY.values():
        assert not any(part in out for part in value.replace(",", " ").split() if len(part) > 4)


def test_a_label_gives_context_and_is_not_touched(scrubber: Scrubber) -> None:
    ((texts, found),) = scrub_cells([[("phone", "5551234567"), ("amount", "5551234567"), ("", "no")]], scrubber)
    assert texts == ["<PHONE_1>", "5551234567", "no"] or texts[0] == "<PHONE_1>"
    assert not isinstance(found, str)


def test_scrubbing_a_data_set(tmp_path: Path) -> None:
    """The child has the ids, keyed group, subject and source, counts in its meta, and no value anywhere in the home but the raw set."""
    store = Store.open()
    with store.draft("dataset", "tickets", meta={"stage": "raw", "rows": 0}) as draft:
        store.write_records(draft, records(TEXTS))
    raw = draft.artifact
    child = scrub(store, raw, SETTINGS, report=tmp_path / "report")
    assert (child.stage, child.rows, child.name, child.parents) == ("scrubbed", 3, "tickets", (raw.id,))
    assert child.meta["held_back"] == 0
    assert child.meta["languages"] == {"en": 3}
    assert child.meta["labels"] == {"billing": 3}
    assert child.meta["splits"] == {"train": 3}
    assert child.meta["findings"]["ID_NUMBER"] == 1
    assert child.meta["docs_per_s"] > 0
    scrubbed = list(store.records(child))
    assert [each.id for each in scrubbed] == [each.id for each in store.records(raw)]
    assert {each.group for each in scrubbed} == {store.hmac("group", "g1")}
    assert scrubbed[0].subject == store.hmac("subject", "subject 0")
    assert scrubbed[0].source_key == store.hmac("source", "row 0")
    again = scrub(store, child, SETTINGS)
    for before, after in zip(scrubbed, store.records(again), strict=True):  # nothing is keyed twice
        assert (before.id, before.group, before.subject, before.source_key) == (
            after.id,
            after.group,
            after.subject,
            after.source_key,
        )
    written = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and raw.folder not in path.parents
    )
    assert [name for name, value in CANARY.items() if value.encode() in written] == []
    about = json.loads((tmp_path / "report" / "report.json").read_text())
    assert about["rows"] == 3
    assert "ID_NUMBER" in (tmp_path / "report" / "report.html").read_text("utf-8")


def test_the_same_set_gives_the_same_child() -> None:
    """A job that is killed and goes on ends with the same content."""
    store = Store.open()
    with store.draft("dataset", "tickets", meta={"stage": "raw", "rows": 0}) as draft:
        store.write_records(draft, records(TEXTS))
    assert scrub(store, draft.artifact, SETTINGS).id == scrub(store, draft.artifact, SETTINGS).id


def test_another_policy_or_tagger_makes_another_data_set(tmp_path: Path) -> None:
    """Also where both find the same: what a set went through is a part of what it is, and the report names it."""
    folders = [write_tagger(tmp_path / "first" / "ward"), write_tagger(tmp_path / "second" / "ward", lean=1.5)]
    store = Store.open()
    with store.draft("dataset", "tickets", meta={"stage": "raw", "rows": 0}) as draft:
        store.write_records(draft, records(["nothing of note"]))
    raw, children = draft.artifact, []
    for taggers in ((), folders[:1], folders[1:], folders):
        settings = ScrubSettings(taggers=tuple(taggers), processes=1)
        children.append(scrub(store, raw, settings, report=tmp_path / "report"))
    children.append(scrub(store, raw, ScrubSettings(policy="structured-only")))
    assert len({child.id for child in children}) == len(children)
    assert len({record.text for child in children for record in store.records(child)}) == 1
    hashes = [tagger.load(folder).sha256 for folder in folders]
    assert [each["sha256"] for each in children[3].meta["taggers"]] == hashes
    about = json.loads((tmp_path / "report" / "report.json").read_text())
    assert about["taggers"] == [{"tagger": "ward", "sha256": each} for each in hashes]
    page = (tmp_path / "report" / "report.html").read_text("utf-8")
    assert all(each in page for each in hashes)
