"""A model's answers to labelled records, as arrays: what every metric starts from. No text stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from appliance.engine import Engine
from appliance.errors import InputError
from appliance.jobs import progress
from appliance.schema import Dataset, Record
from appliance.store import Store
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

_BATCH_ROWS = 64


@dataclass(frozen=True, slots=True)
class Answers:
    """Truth and answers of `rows` records, one entry a record in each array.

    `labels` are the model's, then those of the data that no model knows; `true` and `predicted` are their numbers.
    `predicted` and `scores` are (models, rows), `characters` the lengths of the texts.
    """

    labels: tuple[str, ...]
    ids: list[str]
    true: Array
    predicted: Array
    scores: Array
    truncated: int
    characters: Array
    languages: list[str]
    groups: list[str | None]
    without_label: int

    @property
    def rows(self) -> int:
        """How many records were answered."""
        return len(self.ids)


def answer(engines: Sequence[Engine], records: Iterable[Record]) -> Answers:
    """Let each engine answer each labelled record, batch by batch; records without a label are counted and left out."""
    import numpy as np

    numbers = {label: number for number, label in enumerate(dict.fromkeys(sum((one.labels for one in engines), ())))}
    ids, true, characters = [], [], []
    languages: list[str] = []
    groups: list[str | None] = []
    predicted: list[list[int]] = [[] for _engine in engines]
    scores: list[list[float]] = [[] for _engine in engines]
    truncated = without_label = 0
    stream = iter(records)
    while batch := list(islice(stream, _BATCH_ROWS)):
        labelled = [record for record in batch if record.label is not None]
        without_label += len(batch) - len(labelled)
        for record in labelled:
            ids.append(record.id)
            true.append(numbers.setdefault(str(record.label), len(numbers)))
            characters.append(len(record.text))
            languages.append(record.language)
            groups.append(record.group)
        texts = [record.text for record in labelled]
        for model, engine in enumerate(engines):
            for prediction in engine.predict(texts):
                predicted[model].append(numbers[str(prediction.label)])
                scores[model].append(prediction.score)
                truncated += prediction.truncated and model == 0
        progress("answer", len(ids))
    return Answers(
        labels=tuple(numbers),
        ids=ids,
        true=np.array(true, int),
        predicted=np.array(predicted, int),
        scores=np.array(scores, float),
        truncated=truncated,
        characters=np.array(characters, int),
        languages=languages,
        groups=groups,
        without_label=without_label,
    )


def answer_split(engines: Sequence[Engine], store: Store, dataset: Dataset, split: str) -> Answers:
    """Answer one split of a data set. Raises `InputError` when it has no labelled row, naming the splits that are there."""
    answers = answer(engines, store.records(dataset, split))
    if not answers.rows:
        splits = dataset.meta.get("splits") or {}
        raise InputError(
            _(
                "`{dataset}` has no labelled rows in split `{split}`; its splits are: {splits}; name one with `--split`",
                dataset=dataset.reference,
                split=split,
                splits=", ".join(f"`{name}` ({rows})" for name, rows in splits.items())
                or _("none, run `skerry curate`"),
            )
        )
    return answers
