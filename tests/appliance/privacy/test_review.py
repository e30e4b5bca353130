"""Sampled review: only reviewers look, each look is an event, marks are sealed with the set's own key, the estimate knows about records."""

from __future__ import annotations

import os
import pwd
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.erase import erase, erase_subjects
from appliance.errors import InputError, IntegrityError, PolicyError
from appliance.privacy import site_rules
from appliance.privacy.detect import Scrubber
from appliance.privacy.policy import load
from appliance.privacy.review import Marks, annotated, clustered, estimate, marks, raw_of, require_reviewer, review
from appliance.privacy.scrub import scrub
from appliance.schema import Dataset, Record, Source
from appliance.settings import ScrubSettings
from appliance.store import Store

ME = pwd.getpwuid(os.getuid()).pw_name
TEXTS = [
    "Write to anna.k@example.org, says Quillfeather.",
    "患者小豆豆，邮箱dou@example.org。",
    "Nothing personal here.",
    "Quillfeather came, quillfeather went, box 4711.",
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A home in which this user is a reviewer."""
    monkeypatch.setenv("SKERRY_REVIEW__REVIEWERS", f'["{ME}"]')
    return Store.open(tmp_path / "home")


@pytest.fixture
def raw(store: Store) -> Dataset:
    with store.draft("dataset", "letters", meta={"stage": "raw"}) as draft:
        rows = [
            Record(f"{place:032x}", text, subject=f"P{place}", source=Source("a.csv", place))
            for place, text in enumerate(TEXTS)
        ]
        store.write_records(draft, rows)
    made: Dataset = draft.artifact
    return made


def without_models(rules: tuple[site_rules.SiteRule, ...] = ()) -> Scrubber:
    return Scrubber.from_settings("auto", ScrubSettings(), policy=load("structured-only"), rules=rules)


class Person:
    """Types the answers that fit the record in front of them; remembers what was shown."""

    def __init__(self, answers: dict[str, list[str]], stop_after: int = 99) -> None:
        self.answers, self.stop_after = answers, stop_after
        self.shown: list[str] = []
        self._lines: Iterator[str] = iter(())
        self._records = 0

    def tell(self, message: str) -> None:
        self.shown.append(message)
        for word, lines in self.answers.items():
            if word in message and "record " not in message:
                self._lines = iter(lines)

    def ask(self, prompt: str) -> str | None:
        line = next(self._lines, "")
        if prompt.startswith("missed") and not line:
            self._records += 1
            if self._records > self.stop_after:
                return None
        return line


def test_a_reviewer_marks_what_was_missed_and_wrong(store: Store, raw: Dataset) -> None:
    person = Person({"anna.k": ["Quillfeather", "", "n"], "小豆豆": ["小豆豆", "person", "n", "-1"]})
    found = review(store, raw, without_models(), 4, 1, person.ask, person.tell)
    assert (found["reviewed"], found["found"], found["missed"], found["wrong"]) == (4, 1, 2, 1)
    by_record = {each.record: each for each in marks(store, raw)}
    first = by_record[f"{0:032x}"]
    (start, end, kind) = first.missed[0]
    assert (TEXTS[0][start:end], kind) == ("Quillfeather", "PERSON")
    assert [kind for _start, _end, kind in by_record[f"{1:032x}"].wrong] == ["EMAIL"]
    assert any("⟦1 EMAIL: anna.k@example.org⟧" in line for line in person.shown)


def test_what_steers_a_terminal_is_shown_and_not_sent(store: Store) -> None:
    """Escapes, line starts over, bidi overrides: each is one visible character, so that what is marked stays in its place."""
    text = "\x1b]0;x\x07 mail a.b@example.org\r\n\u202etxet\u2028 \x9b2J \x7f\tby Quillfeather\u200b"
    with store.draft("dataset", "odd", meta={"stage": "raw"}) as draft:
        store.write_records(draft, [Record("7" * 32, text, source=Source("a.csv", 1))])
    person = Person({"example.org": ["\u200b", "Quillfeather", "", "n"]})
    review(store, draft.artifact, without_models(), 1, 1, person.ask, person.tell)
    shown = next(line for line in person.shown if "example.org" in line)
    assert shown == "␛]0;x␇ mail ⟦1 EMAIL: a.b@example.org⟧␍\n�txet� �2J ␡\tby Quillfeather�"
    (start, end, _kind) = marks(store, draft.artifact)[0].missed[0]
    assert text[start:end] == "Quillfeather"


def test_reviewed_records_are_annotations_to_learn_from(store: Store, raw: Dataset) -> None:
    person = Person({"anna.k": ["Quillfeather", "", "n"], "小豆豆": ["-1"]})
    review(store, raw, without_models(), 4, 1, person.ask, person.tell)
    learnt = [(text, [(text[start:end], kind) for start, end, kind in spans]) for text, spans in annotated(store, raw)]
    assert learnt[0] == (TEXTS[0], [("anna.k@example.org", "EMAIL"), ("Quillfeather", "PERSON")])
    assert learnt[1] == (TEXTS[1], [])
    assert len(learnt) == 4


def test_every_place_of_the_words_is_marked(store: Store, raw: Dataset) -> None:
    person = Person({"box 4711": ["quillFEATHER", "", "n"]})
    review(store, raw, without_models(), 4, 1, person.ask, person.tell)
    marked = next(each for each in marks(store, raw) if each.record == f"{3:032x}")
    assert [TEXTS[3][start:end] for start, end, _kind in marked.missed] == ["Quillfeather", "quillfeather"]


def test_words_that_are_not_there_and_wrong_kinds_are_asked_for_again(store: Store, raw: Dataset) -> None:
    person = Person({"anna.k": ["Nobody", "-7", "Quillfeather", "CUSTOMER", "ORGANIZATION", "n"]})
    review(store, raw, without_models(), 4, 1, person.ask, person.tell)
    marked = next(each for each in marks(store, raw) if each.record == f"{0:032x}")
    assert [kind for _start, _end, kind in marked.missed] == ["ORGANIZATION"]
    assert (
        sum("not in the record" in line or "no finding" in line or "no such kind" in line for line in person.shown) == 3
    )


def test_a_look_is_an_event_with_the_record_and_without_text(store: Store, raw: Dataset) -> None:
    person = Person({})
    review(store, raw, without_models(), 3, 1, person.ask, person.tell)
    looks = [event for event in store.events() if event.verb == "review"]
    assert len(looks) == 3
    assert {event.details["record"] for event in looks} == {each.record for each in marks(store, raw)}
    assert all(event.actor == f"uid:{os.getuid()}" and set(event.details) == {"record", "seed"} for event in looks)
    assert store.events()[-1].details["method"] == "review"


def test_the_event_comes_before_the_text(store: Store, raw: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that cannot be noted does not happen."""

    def broken(*_arguments: object, **_details: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(store, "event", broken)
    person = Person({})
    with pytest.raises(OSError, match="no room"):
        review(store, raw, without_models(), 1, 1, person.ask, person.tell)
    assert person.shown == []


def test_a_review_that_stopped_goes_on(store: Store, raw: Dataset) -> None:
    first, second = Person({}, stop_after=2), Person({})
    begun = review(store, raw, without_models(), 4, 1, first.ask, first.tell)
    ended = review(store, raw, without_models(), 4, 1, second.ask, second.tell)
    assert (begun["reviewed"], ended["reviewed"]) == (2, 4)
    assert sum("record " in line for line in second.shown) == 2


def test_a_larger_sample_goes_on_with_the_smaller(store: Store, raw: Dataset) -> None:
    person = Person({})
    review(store, raw, without_models(), 2, 1, person.ask, person.tell)
    seen = {each.record for each in marks(store, raw)}
    review(store, raw, without_models(), 3, 1, person.ask, person.tell)
    assert seen < {each.record for each in marks(store, raw)}


def test_nobody_else_may_look(store: Store, raw: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_REVIEW__REVIEWERS", '["somebody-else"]')
    other = Store.open(store.home)
    person = Person({})
    with pytest.raises(PolicyError, match="role of its own"):
        review(other, raw, without_models(), 1, 1, person.ask, person.tell)
    assert person.shown == []
    with pytest.raises(PolicyError):
        require_reviewer(other)
    assert [dict(event.details) for event in store.events() if event.verb == "review refused"] == [
        {"why": "no reviewer"}
    ] * 2


def test_a_miss_becomes_a_rule_that_the_next_scrub_knows(store: Store, raw: Dataset) -> None:
    person = Person({"anna.k": ["Quillfeather", "", "y"]})
    found = review(store, raw, without_models(), 4, 1, person.ask, person.tell)
    assert found["rules"] == 1
    child = scrub(store, raw, ScrubSettings(policy="structured-only", processes=1))
    texts = [record.text for record in store.records(child)]
    assert "Quillfeather" not in " ".join(texts) and "quillfeather" not in " ".join(texts)


def test_marks_and_rules_are_unreadable_without_their_keys(store: Store, raw: Dataset) -> None:
    """Neither file holds the words; marks die with the data set's own key."""
    person = Person({"anna.k": ["Quillfeather", "", "y"]})
    review(store, raw, without_models(), 4, 1, person.ask, person.tell)
    files = [store.home / "site_rules", *(store.home / "reviews").iterdir()]
    assert all(b"uillfeather" not in path.read_bytes() for path in files)
    assert raw.id[:12] not in (store.home / "site_rules").read_text()
    (raw.folder / "data_key").unlink()
    with pytest.raises(IntegrityError, match="data key"):
        marks(store, raw)


def test_erasing_the_set_removes_its_marks(store: Store, raw: Dataset) -> None:
    person = Person({})
    review(store, raw, without_models(), 2, 1, person.ask, person.tell)
    store.bury(raw, "erase")
    assert not list((store.home / "reviews").glob("*.jsonl"))


def test_marks_and_rules_follow_a_set_that_lost_a_person(store: Store, raw: Dataset) -> None:
    """What came from the erased person's record is forgotten; the rest goes on under the new set's key."""
    person = Person({"anna.k": ["Quillfeather", "", "y"], "小豆豆": ["小豆豆", "", "y"]})
    review(store, raw, without_models(), 4, 1, person.ask, person.tell)
    erase_subjects(store, ["P0"], yes=True)
    child = next(each for each in store.artifacts("dataset") if each.stage == "raw")
    assert {each.record for each in marks(store, child)} == {f"{place:032x}" for place in (1, 2, 3)}
    assert [(rule.words, rule.dataset) for rule in site_rules.load(store)] == [("小豆豆", child.id)]
    erase(store, child.reference)
    assert site_rules.load(store) == ()


def test_changed_marks_are_noticed(store: Store, raw: Dataset) -> None:
    person = Person({})
    review(store, raw, without_models(), 1, 1, person.ask, person.tell)
    path = next((store.home / "reviews").glob("*.jsonl"))
    path.write_bytes(bytes(reversed(path.read_bytes().strip())) + b"\n")
    with pytest.raises(IntegrityError):
        marks(store, raw)


def test_the_raw_set_is_found_from_its_children(store: Store, raw: Dataset) -> None:
    child = scrub(store, raw, ScrubSettings(policy="structured-only", processes=1))
    assert raw_of(store, child).id == raw.id
    store.bury(raw, "erase")
    with pytest.raises(InputError, match="no longer here"):
        raw_of(store, child)


def test_one_item_a_record_gives_wilsons_interval_of_the_records() -> None:
    """With as many items as records there is no clustering: the interval is that of a proportion, up to n / (n - 1)."""
    share, low, high = clustered([(1, 0)] * 90 + [(0, 1)] * 10)
    assert share == 0.9
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=0.002)


def test_items_of_one_record_count_for_less() -> None:
    """Ten misses in one record tell less than ten in ten records."""
    _share, low_one, _high = clustered([(10, 0)] * 9 + [(0, 10)])
    _share, low_ten, _high = clustered([(9, 1)] * 10)
    assert low_one < low_ten


def test_no_miss_in_few_records_promises_little() -> None:
    share, low, high = clustered([(20, 0)] * 5)
    assert (share, high) == (1.0, 1.0)
    assert low == pytest.approx(0.5655, abs=1e-3)  # five records, not a hundred items


def test_no_item_tells_nothing() -> None:
    assert clustered([(0, 0)] * 10) == (None, 0.0, 1.0)


def test_the_interval_covers_the_truth_in_clustered_samples() -> None:
    """1,000 samples of 60 records whose items are missed together: about 95 % of the intervals hold the true recall."""
    chance = random.Random(8)
    population = []
    for _record in range(4_000):
        size, hit = chance.randint(1, 6), chance.random() < 0.85
        found = size if hit else chance.randint(0, size - 1)
        population.append((found, size - found))
    truth = sum(hits for hits, _misses in population) / sum(hits + misses for hits, misses in population)
    covers = sum(
        low <= truth <= high
        for _share, low, high in (clustered(chance.sample(population, 60)) for _sample in range(1_000))
    )
    assert covers >= 920


def test_kinds_are_told_apart() -> None:
    told = estimate([Marks("a", ((0, 1, "EMAIL"), (2, 3, "PERSON")), ((4, 5, "PERSON"),), ())])
    assert {row["kind"]: row["recall"] for row in told["kinds"]} == {"EMAIL": 1.0, "PERSON": 0.5}
