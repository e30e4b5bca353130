"""A store with a model of known accuracy: its data set is labelled by the model itself, then every fifth label is turned."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appliance import engine
from appliance.schema import Dataset, Model, Record
from appliance.store import Store
from tests.tiny_onnx import LABELS, add_model, text

ROWS = 150


@pytest.fixture
def store() -> Store:
    return Store.open()


@pytest.fixture
def model(store: Store) -> Model:
    return add_model(store, form="onnx")


@pytest.fixture
def add_dataset(store: Store, model: Model) -> Callable[..., Dataset]:
    """Return a function that adds a data set of `ROWS` test and `ROWS` training rows."""

    def add(name: str = "notes", stage: str = "curated", **changes: str | None) -> Dataset:
        loaded = engine.load(model.folder)
        records = []
        for number in range(2 * ROWS):
            words = text(3 + number % 9, number)
            label = str(loaded.predict([words])[0].label)
            if number % 10 in (3, 8):
                label = LABELS[(LABELS.index(label) + 1) % 3]
            fields = {
                "label": label,
                "split": "test" if number % 2 else "train",
                "group": f"{number % 4:x}" * 64,
                "language": ("en", "zh")[number % 3 == 0],
            } | changes
            records.append(Record(id=f"{number * 7919 % 1009:032x}", text=words, **fields))  # type: ignore[arg-type]
        meta = {"stage": stage, "splits": {"train": ROWS, "test": ROWS}}
        with store.draft("dataset", name, meta=meta) as draft:
            store.write_records(draft, records)
        found: Dataset = draft.artifact
        return found

    return add


@pytest.fixture
def dataset(add_dataset: Callable[..., Dataset]) -> Dataset:
    return add_dataset()
