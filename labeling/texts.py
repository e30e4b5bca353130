"""The texts of a labeling task's data set, one at a time in a few milliseconds: what people are shown."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING, Any

from appliance.errors import InputError, NotFoundError, PolicyError
from appliance.records import RowGroups
from appliance.schema import Dataset, LabelTask, Record
from appliance.store import RECORDS, Store
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np


def dataset_of(store: Store, task: LabelTask) -> Dataset:
    """Return the data set that a task is about. Raises `NotFoundError` when it is gone."""
    found: list[Dataset] = [item for item in store.artifacts("dataset") if item.id == task.dataset]
    if not found:
        raise NotFoundError(
            _("the data set `{dataset}` of task `{task}` is gone", dataset=task.dataset[:12], task=task.name)
        )
    return found[-1]


class Texts:
    """Random access to the records of a scrubbed or curated data set; memory stays bounded by a few row groups.

    Raises `PolicyError` for a raw set: people are shown scrubbed records only. One that is personal all the same is looked at by a reviewer.
    """

    def __init__(self, store: Store, dataset: Dataset) -> None:
        if dataset.stage == "raw":
            raise PolicyError(
                _("`{dataset}` is raw: people label scrubbed records only; first run `skerry scrub {dataset}`", dataset=dataset.reference)
            )  # fmt: skip
        self.store, self.dataset = store, dataset
        self._groups = RowGroups(dataset.folder / RECORDS)

    def __len__(self) -> int:
        return len(self._groups)

    def record(self, row: int) -> Record:
        """Return the record of a row, counted from 0. Raises `InputError` for a row that is not there."""
        if not 0 <= row < len(self):
            raise InputError(_("`{dataset}` has no row {row}", dataset=self.dataset.reference, row=row))
        return self._groups.record(row)

    @cached_property
    def ids(self) -> list[str]:
        """The ids of all records in the order of their rows."""
        return [str(one) for one in self._groups.column("id")]

    @cached_property
    def labels(self) -> list[str | None]:
        """The labels that the data set itself has, in the order of its rows."""
        return self._groups.column("label")

    @cached_property
    def splits(self) -> list[str | None]:
        """The splits of the records in the order of their rows."""
        return self._groups.column("split")

    @cached_property
    def lengths(self) -> np.ndarray[Any, Any]:
        """How many code points each text has, in the order of the rows: int32 (rows)."""
        return self._groups.characters()

    def rows_of(self, records: Collection[str]) -> dict[str, int]:
        """Return the rows of the records with these ids; one that is not in the data set is left out."""
        wanted = frozenset(records)
        return {one: row for row, one in enumerate(self.ids) if one in wanted}

    def raw(self, row: int, who: str, why: str) -> str:
        """Return the text of a record as it was before the scrub, for a reviewer: one event tells of each look.

        Raises `PolicyError` without a reason, `NotFoundError` when no raw data set holds the record any more.
        """
        if not why.strip():
            raise PolicyError(_("say why you look at the raw text; it stands in the event chain"))
        wanted = self.record(row).id
        for parent in self._raw_parents():
            for number, record in enumerate(self.store.records(parent)):
                if record.id == wanted:
                    self.store.event("label-look", (parent.id,), row=number, who=who, why=why.strip())
                    return record.text
        raise NotFoundError(_("the raw text of this record is gone"))

    def _raw_parents(self) -> list[Dataset]:
        known: dict[str, Dataset] = {item.id: item for item in self.store.artifacts("dataset", erased=True)}
        waiting, found = list(self.dataset.parents), []
        while waiting:
            parent = known.get(waiting.pop())
            if parent is not None:
                waiting += parent.parents
                found += [parent] if parent.stage == "raw" and "erased" not in parent.meta else []
        return found
