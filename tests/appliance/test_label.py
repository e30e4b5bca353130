"""The verbs `skerry label`, as a person gives them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.annotations import task
from appliance.cli import app
from appliance.errors import ApplianceError, InputError, PolicyError, SettingsError
from appliance.pipeline import label_apply, train
from appliance.schema import Dataset, Record
from appliance.store import Store
from tests.labeling.asked import tell


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """Run `skerry label ... --json` and return what it printed."""
    app(["label", *arguments, "--json"], standalone_mode=False)
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def dataset(store: Store, labels: tuple[str | None, ...] = (None,) * 6) -> Dataset:
    with store.draft("dataset", "notes", meta={"stage": "scrubbed"}) as draft:
        records = (Record(f"{row:032x}", f"text {row}", label) for row, label in enumerate(labels))
        store.write_records(draft, records)
        draft.meta["labels"] = {label: labels.count(label) for label in sorted(filter(None, set(labels)))}
    made: Dataset = draft.artifact
    return made


def test_a_task_is_made_listed_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = dataset(Store.open())
    (tmp_path / "labels.txt").write_text("cash=现金\n\ncard\n", "utf-8")
    (tmp_path / "how.md").write_text("# Cash\nwhen it says so", "utf-8")
    given = ["--labels-from", str(tmp_path / "labels.txt"), "--guidelines", str(tmp_path / "how.md"), "--label", "loan"]
    created = run(capsys, "create", "triage", "--dataset", "notes", *given)
    assert created == {"task": "triage", "dataset": made.reference, "records": 6, "kind": "single", "labels": 3}
    assert run(capsys, "list")["tasks"][0]["task"] == "triage"
    shown = run(capsys, "show", "triage")
    assert [(one["name"], one["chinese"]) for one in shown["labels"]] == [("loan", ""), ("cash", "现金"), ("card", "")]
    assert task(Store.open(), "triage").guidelines.startswith("# Cash")


def test_the_labels_of_the_data_set_are_taken_where_none_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    dataset(Store.open(), ("b", "a", None))
    assert run(capsys, "create", "triage", "--dataset", "notes")["labels"] == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), SettingsError),
        (("--labels-from", "/nowhere/labels.txt"), InputError),
        (("--label", "a", "--guidelines", "/nowhere/how.md"), InputError),
        (("--label", "a", "--overlap", "2"), SettingsError),
    ],
)
def test_what_cannot_be_a_task_says_why(arguments: tuple[str, ...], error: type[ApplianceError]) -> None:
    dataset(Store.open())
    with pytest.raises(error):
        app(["label", "create", "triage", "--dataset", "notes", *arguments], standalone_mode=False)


def answered(capsys: pytest.CaptureFixture[str], labels: tuple[str | None, ...] = (None,) * 6) -> Store:
    """A task with the answers of two people to four records, who differ on one."""
    store = Store.open()
    dataset(store, labels)
    run(capsys, "create", "triage", "--dataset", "notes", "--label", "yes", "--label", "no", "--label", "other")
    asked = task(store, "triage")
    tell(store, asked, "ann", "yes", "yes", "no", "no", "yes")
    tell(store, asked, "bob", "yes", "yes", "no", "no", "no")
    return store


def test_agreement_is_told_and_disagreement_waits_for_a_reviewer(capsys: pytest.CaptureFixture[str]) -> None:
    answered(capsys)
    found = run(capsys, "agree", "triage", "--review")
    assert (found["compared"], found["agreement"], found["for_review"]) == (5, 0.8, 1)
    assert found["alpha_low"] <= found["alpha"] <= found["alpha_high"]
    assert run(capsys, "show", "triage")["review"] == 1


def test_gold_questions_are_made(capsys: pytest.CaptureFixture[str]) -> None:
    answered(capsys)
    assert run(capsys, "gold", "triage", "--count", "2")["gold"] == 2
    assert (
        run(capsys, "gold", "triage", "--share", "0.2")["gold_share"] == task(Store.open(), "triage").gold_share == 0.2
    )
    with pytest.raises(SettingsError, match="share"):
        app(["label", "gold", "triage", "--share", "2"], standalone_mode=False)


def test_labels_are_renamed_merged_and_split(capsys: pytest.CaptureFixture[str]) -> None:
    answered(capsys)
    renamed = run(capsys, "rename", "triage", "yes", "agreed", "--chinese", "同意")
    assert renamed["labels"][0]["chinese"] == "同意"
    assert len(run(capsys, "merge", "triage", "other", "--into", "no")["labels"]) == 2
    parted = run(capsys, "split", "triage", "同意", "sure", "likely")
    assert ([one["name"] for one in parted["labels"]], parted["queued"]) == (["sure", "likely", "no"], 3)


def test_answers_become_a_data_set(capsys: pytest.CaptureFixture[str]) -> None:
    store = answered(capsys)
    found = run(capsys, "apply", "triage", "--name", "labelled")
    assert (found["rows"], found["labels"], found["answers"]["waiting"]) == (4, {"no": 2, "yes": 2}, 1)
    assert store.dataset("labelled").meta["label_task"] == "triage"


def test_answers_go_out_and_come_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answered(capsys)
    assert run(capsys, "export", "triage", str(tmp_path / "a.csv"), "--text")["rows"] == 10
    found = run(capsys, "import", "triage", str(tmp_path / "a.csv"))
    assert (found["read"], found["rows"], found["rejected"], found["same"]) == (10, 10, 0, 10)


def test_spans_are_no_lesson_for_a_classifier(capsys: pytest.CaptureFixture[str]) -> None:
    store = Store.open()
    dataset(store)
    run(capsys, "create", "triage", "--dataset", "notes", "--label", "name", "--kind", "spans")
    tell(store, task(store, "triage"), "ann", [(0, 4, "name")])
    applied = label_apply(store, "triage")
    with pytest.raises(PolicyError, match="spans"):
        train(store, applied["dataset"], "m")


# -- the page ------------------------------------------------------------------------------------------------------------


def test_people_are_invited_listed_and_dismissed(capsys: pytest.CaptureFixture[str]) -> None:
    made = run(capsys, "invite", "ann", "--role", "reviewer")
    assert (made["name"], made["role"], made["valid_days"]) == ("ann", "reviewer", 7) and len(made["code"]) == 29
    run(capsys, "invite", "bob")
    rows = run(capsys, "people")["people"]
    assert [(one["name"], one["role"], one["state"]) for one in rows] == [
        ("ann", "reviewer", "invited"),
        ("bob", "annotator", "invited"),
    ]
    assert made["code"] not in str(rows)
    assert run(capsys, "dismiss", "Ann") == {"dismissed": "ann"}
    assert [one["name"] for one in run(capsys, "people")["people"]] == ["bob"]


def test_the_page_is_not_served_to_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(PolicyError, match="skerry label invite"):
        app(["label", "serve", "--port", "0"], standalone_mode=False)
