"""What people are shown: scrubbed records at once, raw ones to a reviewer with a reason, and an event tells of it."""

from __future__ import annotations

import pytest

from appliance.errors import InputError, NotFoundError, PolicyError
from appliance.schema import Dataset, Record, Source
from appliance.store import Store
from labeling.texts import Texts

ROWS = 450
LOOKED = "Jan Novak came in"


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SKERRY_STORE__ROWS_PER_GROUP", "100")


def sets(store: Store) -> tuple[Dataset, Dataset]:
    """A raw set and its scrubbed child, in several row groups."""
    ids = [f"{row:032x}" for row in range(ROWS)]
    with store.draft("dataset", "notes", meta={"stage": "raw"}) as raw:
        store.write_records(raw, (Record(one, LOOKED, source=Source("a.csv", 1)) for one in ids))
    with store.draft("dataset", "notes", [raw.artifact.id], {"stage": "scrubbed"}) as child:
        records = (Record(one, f"text {row}", "a" if row % 2 else None, "test" if row == 3 else "train") for row, one in enumerate(ids))  # fmt: skip
        store.write_records(child, records)
    return raw.artifact, child.artifact


def test_any_row_is_the_one_that_reading_in_order_gives() -> None:
    store = Store.open()
    _raw, scrubbed = sets(store)
    texts = Texts(store, scrubbed)
    in_order = list(store.records(scrubbed))
    assert len(texts) == ROWS
    assert [texts.record(row) for row in (0, 449, 99, 100, 101, 449, 0)] == [in_order[row] for row in (0, 449, 99, 100, 101, 449, 0)]  # fmt: skip


def test_a_few_row_groups_stay_in_memory() -> None:
    store = Store.open()
    texts = Texts(store, sets(store)[1])
    for row in range(0, ROWS, 50):
        texts.record(row)
    assert len(texts._groups._groups) == 3


def test_columns_stand_in_the_order_of_the_rows() -> None:
    store = Store.open()
    texts = Texts(store, sets(store)[1])
    assert texts.ids[7] == f"{7:032x}"
    assert texts.labels[:3] == [None, "a", None]
    assert texts.splits[3] == "test"
    assert texts.rows_of([f"{9:032x}", "unknown", f"{2:032x}"]) == {f"{2:032x}": 2, f"{9:032x}": 9}


@pytest.mark.parametrize("row", [-1, ROWS])
def test_a_row_that_is_not_there_is_refused(row: int) -> None:
    store = Store.open()
    with pytest.raises(InputError, match=str(row)):
        Texts(store, sets(store)[1]).record(row)


def test_raw_records_are_never_shown_to_a_labeler() -> None:
    store = Store.open()
    with pytest.raises(PolicyError, match="skerry scrub"):
        Texts(store, sets(store)[0])


def test_each_look_of_a_reviewer_is_an_event() -> None:
    store = Store.open()
    raw, scrubbed = sets(store)
    texts = Texts(store, scrubbed)
    assert [texts.raw(5, "rev", "a name may be left") for _look in range(2)] == [LOOKED] * 2
    looks = [event for event in store.events() if event.verb == "label-look"]
    assert [(event.artifacts, event.details["row"], event.details["who"]) for event in looks] == [((raw.id,), 5, "rev")] * 2  # fmt: skip
    assert LOOKED not in str(looks)


def test_a_look_without_a_reason_or_without_raw_data_is_refused() -> None:
    store = Store.open()
    raw, scrubbed = sets(store)
    texts = Texts(store, scrubbed)
    with pytest.raises(PolicyError, match="why"):
        texts.raw(5, "rev", " ")
    store.bury(raw, "erase")
    with pytest.raises(NotFoundError):
        texts.raw(5, "rev", "a name may be left")


def test_lengths_are_code_points_over_all_row_groups() -> None:
    """A character outside the basic plane counts once, a Chinese one once."""
    store, texts = Store.open(), ["", "a", "银行卡", "😀x", "e\u0301"] * 50
    with store.draft("dataset", "lengths", meta={"stage": "scrubbed"}) as draft:
        store.write_records(draft, [Record(f"{row:032x}", text) for row, text in enumerate(texts)])
    assert Texts(store, draft.artifact).lengths.tolist() == [len(text) for text in texts]
