"""What a model learned from, and which labels and tokens of it the records of enough different people hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import tee

from appliance.compress.vocabulary import Item, held_by_many
from appliance.errors import PolicyError
from appliance.schema import Dataset, Model, Record
from appliance.store import Store
from appliance.words import _


@dataclass(frozen=True, slots=True)
class Seen:
    """Rows in all, by label and by language, the labels that enough people's rows have, and whether rows told whom they are about.

    Where they did not, each row counts as another person's.
    """

    rows: int
    labels: Counter[str]
    languages: Counter[str]
    many: frozenset[str]
    subjects_told: bool


def learned_from(store: Store, model: Model) -> list[Dataset]:
    """Return the data sets that a model, or the ones it was made of, learned from.

    Raises `PolicyError` when one is gone or none is known: nobody could tell any more whose words the model holds.
    """
    known = {item.id: item for item in store.artifacts(erased=True)}
    found: dict[str, Dataset] = {}
    waiting = list(model.parents)
    while waiting:
        item = known.get(waiting.pop())
        if isinstance(item, Dataset):
            found[item.id] = item
        elif item is not None:
            waiting += item.parents
    if not found or any("erased" in item.meta for item in found.values()):
        raise PolicyError(
            _(
                "`{model}` stays here: the records that it learned from are gone, so that nobody can tell whose words it holds; train again",
                model=model.reference,
            )
        )
    return list(found.values())


def records_of(store: Store, datasets: Iterable[Dataset]) -> Iterator[Record]:
    """Stream the records that a model may have learned from: all but those of test splits."""
    for dataset in datasets:
        yield from (record for record in store.records(dataset) if record.split != "test")


def count(records: Iterable[Record], least: int) -> Seen:
    """Count records by label and language; `many` are the labels that records of at least `least` people have."""
    rows, labels, languages, told = 0, Counter[str](), Counter[str](), False

    def counted() -> Iterator[Record]:
        nonlocal rows, told
        for record in records:
            rows, told = rows + 1, told or record.subject is not None
            labels.update([record.label] if record.label else [])
            languages[record.language] += 1
            yield record

    many = held(counted(), lambda record: [record.label] if record.label else [], least)
    return Seen(rows, labels, languages, frozenset(many), told)


def held(records: Iterable[Record], items: Callable[[Record], Iterable[Item]], least: int) -> set[Item]:
    """Return the `items` of records that records of at least `least` people hold, in one pass over them."""
    first, second = tee(records)
    return held_by_many(map(items, first), (record.subject for record in second), least)
