"""The frozen dataclasses that flow between the stages.

Artifacts never change: they get children that name their parents. Whatever may hold personal data is
kept out of `repr`, so that no log line, error or test report can show it by accident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "Annotation",
    "Artifact",
    "Dataset",
    "Event",
    "Finding",
    "LabelName",
    "LabelTask",
    "Model",
    "Prediction",
    "QueueItem",
    "Record",
    "Rejected",
    "Release",
    "Report",
    "Source",
    "Span",
]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record came from. Personal data: it stays with the raw data set, encrypted.

    `row` counts from 1 in the source file, header excluded; `kept` holds the `--keep-column` values.
    """

    file: str = field(repr=False)
    row: int
    id: str | None = field(default=None, repr=False)
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """One text with what is known about it.

    `id` is random (32 hex digits) and means nothing outside Skerry. `language` is `en`, `zh` or `""` (not
    told yet). `split` is `train`, `validation`, `test` or None. `group` and `subject` are plain in a raw set and
    HMAC-keyed (hex) in its children; `source_key` is the HMAC of the source's id in children. `source` is
    there in raw sets only.
    """

    id: str
    text: str = field(repr=False)
    label: str | None = None
    split: str | None = None
    group: str | None = field(default=None, repr=False)
    subject: str | None = field(default=None, repr=False)
    language: str = ""
    source_key: str | None = field(default=None, repr=False)
    source: Source | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """One row that could not be taken in.

    `row` counts from 1 (header excluded; 0 = the whole file), `byte` is the offset in the file where the row (or the fault) starts,
    None where a format has none (a sheet). `reason` names the fault and the next step, never the row's text.
    """

    file: str = field(repr=False)
    row: int
    byte: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One piece of personal data in a text.

    `start` and `end` are Unicode code points of the original text, end exclusive. `kind` is a name of
    `skerry kinds`; `score` is in [0, 1]; `rule` names the recognizer that found it; `presidio` is the
    kind's name in Presidio.
    """

    start: int
    end: int
    kind: str
    score: float
    rule: str
    presidio: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """A folder named by the hash of its content.

    `id` is 64 hex digits (SHA-256 over the sorted names and hashes of the files that count, see `store.py`), `kind` is
    `dataset` or `model`, `parents` are ids, `meta` is plain JSON without record text.
    """

    id: str
    kind: str
    project: str
    name: str
    created: str
    folder: Path
    meta: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """`NAME@ID` with the first 12 hex digits, the way the command line writes it."""
        return f"{self.name}@{self.id[:12]}"


@dataclass(frozen=True, slots=True)
class Dataset(Artifact):
    """A set of records. `meta["stage"]` is `raw`, `scrubbed` or `curated`; `meta["rows"]` counts its records."""

    @property
    def stage(self) -> str:
        """`raw`, `scrubbed` or `curated`."""
        return str(self.meta["stage"])

    @property
    def rows(self) -> int:
        """How many records it holds."""
        return int(self.meta["rows"])


@dataclass(frozen=True, slots=True)
class Model(Artifact):
    """A model in one format: `meta["format"]` is one of `engine.plan.FORMATS`."""

    @property
    def format(self) -> str:
        """One of `engine.plan.FORMATS`."""
        return str(self.meta["format"])


@dataclass(frozen=True, slots=True)
class Report(Artifact):
    """What an evaluation or a comparison found: `report.json`, `report.md` and pictures, no record text."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text that a model has marked: `start` and `end` in Unicode code points, end exclusive; `score` in [0, 1]."""

    start: int
    end: int
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer to one text. `score` is the probability of `label`; `label` is None when the model abstained (score below
    `min_score`). `truncated` tells that the text was longer than the model reads. A model that marks stretches of a text (task `tag`) gives `spans` in their
    order and no label; `score` is then the lowest of theirs, 1.0 where there is none."""

    label: str | None
    score: float
    probabilities: Mapping[str, float] = field(default_factory=dict)
    truncated: bool = False
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Release:
    """A name that points at the model that serves it. `version` is the model's id; `previous` the ones before, newest last.

    `canary` is the id of the model that answers `percent` of the requests, `shadow` of one that answers copies of them.
    Below `min_score` the server abstains, below `min_scores[label]` for a label that has a limit of its own.
    """

    name: str
    project: str
    version: str
    stage: str
    changed: str
    previous: tuple[str, ...] = ()
    min_score: float = 0.0
    min_scores: Mapping[str, float] = field(default_factory=dict)
    canary: str | None = None
    percent: int = 0
    shadow: str | None = None

    @property
    def versions(self) -> tuple[str, ...]:
        """The ids of all models that the release needs: they serve, are on trial, or can be gone back to."""
        return tuple(filter(None, (self.version, self.canary, self.shadow, *self.previous)))


@dataclass(frozen=True, slots=True)
class Event:
    """One link of the append-only chain: `hash` = SHA-256 over `previous_hash` and the other fields as canonical JSON."""

    sequence: int
    time: str
    project: str
    actor: str
    verb: str
    artifacts: tuple[str, ...]
    details: Mapping[str, Any]
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class LabelName:
    """One label of a labeling task. `id` (8 hex digits) never changes, so that a label can be renamed without touching an annotation.

    `chinese`, `key` (on the keyboard) and `color` (`#rrggbb`) are empty where nobody has chosen; `target` is how many records
    of it are wanted; `was` holds its earlier names. A label that was merged into another names its id in `into`; one that was split is `retired`: both are kept
    for the annotations that name them and offered no more.
    """

    id: str
    name: str
    chinese: str = ""
    key: str = ""
    color: str = ""
    target: int | None = None
    description: str = ""
    into: str = ""
    retired: bool = False
    was: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelTask:
    """What people are asked about the records of one data set (its 64-digit id).

    `kind` is `single` (one label a record), `multi` (any number) or `spans` (stretches of the text). `labels` holds all that ever
    were, `choices` those on offer. `overlap` is the share of records that several people answer, `gold_share` the share of
    a person's answers that go to questions whose answer is known.
    """

    name: str
    project: str
    dataset: str
    kind: str
    labels: tuple[LabelName, ...]
    guidelines: str = field(default="", repr=False)
    overlap: float = 0.0
    gold_share: float = 0.0
    created: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def choices(self) -> tuple[LabelName, ...]:
        """The labels on offer, in their order."""
        return tuple(label for label in self.labels if not label.into and not label.retired)


@dataclass(frozen=True, slots=True)
class Annotation:
    """One answer to one record of a task. `id` (32 hex digits) comes from who saves it, so that saving twice is saving once.

    `source` is `human`, `import` or `studio` (a person's work), or `model` or `rule` (a suggestion, never counted as a label).
    `value` is `{"label": id}`, `{"labels": [ids]}` or `{"spans": [{"start", "end", "label"}]}` in Unicode code points, end
    exclusive; a suggestion carries `score` too, and a skipped answer may be empty. `state` is `submitted`, `skipped`, `flagged` or `withdrawn`. Each change is a new `version`, from 1.
    `review` marks a reviewer's answer, which outranks all others; `seconds` is the time it took; `note` is sealed in the store.
    """

    id: str
    task: str
    record: str
    annotator: str
    source: str
    value: Mapping[str, Any]
    state: str = "submitted"
    seconds: float | None = None
    created: str = ""
    version: int = 0
    note: str = field(default="", repr=False)
    review: bool = False


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A record that waits for answers. `row` counts from 0 in the data set; items come in the order of `batch`, then `place`.

    `reason` tells why it was chosen (`random`, `cluster-margin`, `seed`, `gold`, `split`, `suspect`, `disagreement`, ...); `needed` is
    how many people must answer, `answers` how many have, `attempts` counts those who skipped or flagged too. `review` items
    are for reviewers. `holder` and `until` (seconds since 1970) tell whose turn it is, where it was asked for.
    """

    task: str
    record: str
    row: int
    batch: int = 0
    place: int = 0
    reason: str = "random"
    needed: int = 1
    review: bool = False
    answers: int = 0
    attempts: int = 0
    closed: bool = False
    holder: str = ""
    until: float = 0.0
