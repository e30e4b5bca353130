"""A small labeling task over made-up records, and people who answer it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from appliance.annotations import create_task, new_label, put
from appliance.schema import Annotation, Dataset, LabelTask, Record
from appliance.store import Store


def identity(row: int) -> str:
    """The id of the record of a row."""
    return f"{row:032x}"


def dataset(store: Store, texts: Sequence[str] | int = 10, labels: Sequence[str | None] = (), **meta: Any) -> Dataset:
    """A scrubbed data set with these texts, or so many, and labels where they are given."""
    written = [f"text {row}" for row in range(texts)] if isinstance(texts, int) else texts
    with store.draft("dataset", "notes", meta={"stage": "scrubbed", **meta}) as draft:
        marked = [*labels, *[None] * len(written)]
        store.write_records(draft, (Record(identity(row), text, marked[row], language="en") for row, text in enumerate(written)))  # fmt: skip
    made: Dataset = draft.artifact
    return made


def task(store: Store, names: str = "yes no other", kind: str = "single", over: Dataset | None = None, **more: Any) -> LabelTask:  # fmt: skip
    """A task `triage` with these labels over ten records, or a data set of one's own."""
    return create_task(store, "triage", over or dataset(store), kind, map(new_label, names.split()), **more)


def said(asked: LabelTask, row: int, who: str, answer: Any, **more: Any) -> Annotation:
    """A person's answer: a label's name, a list of them, or a list of (start, end, name)."""
    ids = {label.name: label.id for label in asked.labels}
    value: Mapping[str, Any]
    if isinstance(answer, str):
        value = {"label": ids[answer]}
    elif asked.kind == "multi":
        value = {"labels": [ids[name] for name in answer]}
    else:
        value = {"spans": [{"start": start, "end": end, "label": ids[name]} for start, end, name in answer]}
    more = {"source": "import"} | more
    return Annotation(uuid.uuid4().hex, asked.name, identity(row), who, value=value, **more)


def tell(store: Store, asked: LabelTask, who: str, *given: Any, **more: Any) -> None:
    """Let a person answer the first records, None where they say nothing."""
    put(store, asked, [said(asked, row, who, one, **more) for row, one in enumerate(given) if one is not None])
