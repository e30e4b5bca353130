"""`skerry compress`: from a trained model to a menu of smaller ones, one of them tested."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from appliance import cli, engine, pipeline
from appliance.compress import compress as step
from appliance.compress import quantize
from appliance.compress.compress import compress
from appliance.compress.recipes import PRESETS, Recipe
from appliance.compress.report import brief
from appliance.compress.search import FIRST, Point
from appliance.compress.student import Student
from appliance.compress.vocabulary import choose_tokens, trim
from appliance.errors import InputError, PolicyError, SettingsError
from appliance.export.export import size_bytes, source_of
from appliance.recipe import read_recipe
from appliance.release.registry import promote
from appliance.schema import Dataset, Source
from appliance.settings import CompressSettings, EvaluateSettings, TrainSettings
from appliance.store import Store
from appliance.train.classify import Rows
from appliance.train.train import train
from tests.fakes import tiny_base, tiny_records

TRAINING = TrainSettings(method="probe", base="tiny", threads=1, precision="fp32", seed=7)
SETTINGS = CompressSettings(budget_s=20, threads=1, max_drop=0.2)  # where a variant takes 10 s: two of them
JUDGING = EvaluateSettings(bootstrap=100)
ASKED = {"model", "size_bytes", "size_ratio", "latency_ratio", "metric", "drop", "low", "high", "verdict"}


def dataset(store: Store, name: str = "tickets", stage: str = "curated", seed: int = 3, rows: int = 400) -> Dataset:
    splits = ("train", "train", "train", "validation", "test")
    meta = {"stage": stage, "splits": {"train": rows * 3 // 5, "validation": rows // 5, "test": rows // 5}}
    with store.draft("dataset", name, meta=meta) as draft:
        draft.meta["rows"] = store.write_records(draft, tiny_records(rows, splits=splits, seed=seed))
    found: Dataset = draft.artifact
    return found


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a data set, a teacher, and the menu of two presets that a small budget allows."""
    folder = tmp_path_factory.mktemp("compress")
    tiny_base(folder / "bases" / "tiny", name="tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SKERRY_BASES__FOLDER", str(folder / "bases"))
        patch.setenv("SKERRY_STORE__KEY_FOLDER", str(folder / "keys"))
        store = Store.open(folder / "home")
        data = dataset(store)
        train(store, data, TRAINING, "triage")
        # The exporter takes seconds, and for `int8` it would write the bytes that it wrote for the teacher.
        exact = (folder / "home" / "work" / "compress").glob("*/teacher/model.onnx")
        patch.setattr(quantize, "to_onnx", lambda _network, path, _opset: shutil.copyfile(next(exact), path))
        patch.setattr(step, "_spent_s", lambda _case, variants: 10.0 * len(variants))
        found = compress(store, store.model("triage"), SETTINGS, JUDGING)
    (folder / "found.json").write_text(json.dumps(found))
    return folder


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(home / "bases"))
    monkeypatch.setenv("SKERRY_STORE__KEY_FOLDER", str(home / "keys"))
    return Store.open(home / "home")


@pytest.fixture
def found(home: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((home / "found.json").read_bytes())
    return content


def by_name(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {line["name"]: line for line in found["variants"]}


def test_every_variant_tells_what_the_contract_names(found: dict[str, Any]) -> None:
    assert [line["name"] for line in found["variants"]] == ["int8", "tiny"]
    for line in found["variants"]:
        assert set(line) >= ASKED
        assert line["low"] <= line["drop"] <= line["high"]
        assert line["drop"] == pytest.approx(line["teacher_metric"] - line["metric"])
        assert (line["verdict"] == "accepted") <= (line["high"] <= SETTINGS.max_drop)


def test_one_variant_is_tested_and_only_that_one(found: dict[str, Any], store: Store) -> None:
    """The others tell what validation rows say; the chosen one what the test split says, and what validation said before."""
    split = {line["name"]: line["split"] for line in found["variants"]}
    assert split.pop(found["chosen"]) == "test" and set(split.values()) == {"validation"}
    chosen = by_name(found)[found["chosen"]]
    assert chosen["verdict"] in ("accepted", "refused", "undecided")
    rows = {split: len(list(store.records(store.dataset("tickets"), split))) for split in ("validation", "test")}
    assert (chosen["validation"]["rows"], chosen["rows"]) == (rows["validation"], rows["test"])


def test_what_is_on_the_menu_is_a_model_of_its_own_that_serves(found: dict[str, Any], store: Store) -> None:
    for line in found["variants"]:
        if line["model"] is None:
            assert line["verdict"] == "dominated" or line["reason"]
            continue
        made = store.model(line["model"])
        assert made.name == f"triage-{line['name']}" and made.parents == (store.model("triage").id,)
        assert size_bytes(made.folder) == line["size_bytes"]
        assert {"parameters.json", "hashes.json"}.isdisjoint(path.name for path in made.folder.iterdir())
        assert engine.load(made.folder).predict(["the pin of my card"])[0].label in ("account", "card", "transfer")
        assert json.loads((made.folder / "card.json").read_bytes())["compress"]["verdict"] == line["verdict"]


def test_the_accepted_variant_is_one_promote_from_live(found: dict[str, Any], store: Store) -> None:
    chosen = by_name(found)[found["chosen"]]
    assert chosen["verdict"] == "accepted"
    release = promote(store, store.model(chosen["model"]), "triage")
    assert release.version == store.model(chosen["model"]).id


def test_a_variant_that_was_refused_does_not_go_live(store: Store, found: dict[str, Any]) -> None:
    model = store.model(by_name(found)["int8"]["model"])
    refused = replace(model, meta=model.meta | {"compressed": {"verdict": "refused"}})
    with pytest.raises(PolicyError, match="was refused"):
        promote(store, refused, "triage")


def test_a_person_reads_short_lines(found: dict[str, Any]) -> None:
    short = brief(found)
    assert [set(line) for line in short["variants"]] == [{*ASKED, "name"}] * 2
    assert brief({"job": "abc", "state": "queued"}) == {"job": "abc", "state": "queued"}


def test_the_report_holds_tables_in_both_languages_a_picture_and_the_floors(
    found: dict[str, Any], store: Store
) -> None:
    report = store.artifact("report", found["report"])
    content = {path.name: path.read_bytes() for path in report.folder.iterdir()}
    assert set(content) == {"manifest.json", "menu.png", "menu.svg", "report.html", "report.json", "report.md"}
    assert {"majority", "tfidf_svm"} <= set(found["floors"]) and json.loads(content["report.json"])["variants"]
    page = content["report.html"].decode()
    assert "准确率" in page and "accuracy" in page and "<svg" in page and "src=" not in page
    assert "TF-IDF + linear SVM" in content["report.md"].decode()
    assert content["menu.png"].startswith(b"\x89PNG") and b"tiny" in content["menu.svg"]


def test_nothing_of_the_work_is_left(home: Path, found: dict[str, Any]) -> None:
    assert list((home / "home" / "work" / "compress").iterdir()) == []


def test_no_text_of_a_record_is_written(store: Store, found: dict[str, Any], home: Path) -> None:
    """Not in the report, the cards or the logs: texts of the data set are nowhere but in the data set."""
    texts = [record.text.encode() for record in store.records(store.dataset("tickets"))]
    written = [
        path for path in (home / "home" / "artifacts").rglob("*") if path.is_file() and "dataset" not in path.parts
    ]
    for path in written:
        content = path.read_bytes()
        assert not [text for text in texts if text in content], path.name


def test_teachers_with_other_labels_are_refused(store: Store) -> None:
    records = tiny_records(60, labels=("appointment", "medicine"))
    with store.draft("dataset", "ward", meta={"stage": "curated"}) as draft:
        draft.meta["rows"] = store.write_records(draft, records)
    train(store, draft.artifact, TRAINING, "ward")
    settings = SETTINGS.model_copy(update={"teachers": ("ward",)})
    with pytest.raises(InputError, match="has other labels than"):
        compress(store, store.model("triage"), settings, JUDGING)


def test_a_vocabulary_that_cannot_say_the_rows_is_refused(tiny: Student) -> None:
    small = trim(tiny, choose_tokens(replace(tiny, plan=replace(tiny.plan, languages=("en",))), [], [], reserve=5))

    def refused(*texts: str) -> str | None:
        return step._unreadable(
            SimpleNamespace(teacher=tiny, held_against=SimpleNamespace(rows=Rows(texts, ()))), small
        )  # type: ignore[arg-type]

    assert (
        refused("the pharmacy", "a dose", "\u0f40") is None
    )  # what the teacher does not know either counts for neither
    assert "does not know" in str(refused("the pharmacy", "银行"))


def test_raw_texts_are_refused(store: Store) -> None:
    with store.draft("dataset", "letters", meta={"stage": "raw"}) as draft:
        draft.meta["rows"] = store.write_records(
            draft, [replace(record, source=Source("letters.csv", 1)) for record in tiny_records(10)]
        )
    settings = SETTINGS.model_copy(update={"unlabelled": ("letters",)})
    with pytest.raises(PolicyError, match="were not scrubbed"):
        compress(store, store.model("triage"), settings, JUDGING)


def test_unlabelled_texts_join_and_test_texts_do_not(store: Store) -> None:
    """Texts of another set are taken without their labels, but for those that are test or validation rows of the teacher's set, held-out ones too."""
    tickets = store.dataset("tickets")
    judged, held_out = list(store.records(tickets, "test")), tiny_records(1, seed=98)[0]
    with store.draft("dataset", "more", meta={"stage": "curated"}) as draft:
        draft.meta["rows"] = store.write_records(
            draft, [replace(judged[0], split=None), held_out, *tiny_records(9, seed=99)]
        )
    validation = Rows((held_out.text,), (0,))
    rows = step._unlabelled(store, tickets, validation, SETTINGS.model_copy(update={"unlabelled": ("more",)}))
    assert set(rows.targets) == {-1} and not {judged[0].text, held_out.text} & set(rows.texts)
    assert 0 < len(rows) <= 9


def test_a_variant_is_a_child_of_every_data_set_that_it_learned_from(store: Store) -> None:
    """Texts of `--unlabelled` and the rows of other teachers: an erasure in them must find the variant, and egress must count their people."""
    other, more = dataset(store, "others", seed=5), dataset(store, "more", seed=6)
    train(store, other, TRAINING, "second")
    asked = SETTINGS.model_copy(update={"unlabelled": ("more",), "teachers": ("second",)})
    sources = step._learned_from(store, asked)
    assert sources == (more.id, other.id)
    variant = store.model("triage-int8")
    case = SimpleNamespace(model=store.model("triage"), learned_from=sources)
    line = {"format": variant.format, "size_bytes": 1, **variant.meta["compressed"]}
    made = step._model(store, case, SimpleNamespace(name="wide", folder=variant.folder), line)  # type: ignore[arg-type]
    assert set(made.parents) >= {case.model.id, more.id, other.id}
    assert source_of(store, made).id == case.model.id


def test_the_same_command_with_more_time_goes_on(store: Store) -> None:
    """The budget is no part of what work is kept under; everything else is."""
    teacher, tickets = store.model("triage"), store.dataset("tickets")
    keys = [
        step._fingerprint(store, teacher, tickets, SETTINGS.model_copy(update=change))
        for change in ({}, {"budget_s": 99}, {"seed": 1}, {"preset": "tiny"})
    ]
    assert keys[0] == keys[1] and len(set(keys)) == 3


def test_the_seed_reaches_everything_that_learns(tiny: Student) -> None:
    for preset in PRESETS.values():
        recipe = step._seeded(preset(tiny), 5)
        learned = [part for part in (recipe.settle, recipe.recovery, recipe.rounding, recipe.ngrams) if part]
        assert [part.seed for part in learned] == [5] * len(learned)
        assert learned or recipe == preset(tiny)
    assert step._seeded(PRESETS["tiny"](tiny), 5) != PRESETS["tiny"](tiny)


def test_another_data_set_of_the_same_name_is_another_work(store: Store) -> None:
    teacher, tickets = store.model("triage"), store.dataset("tickets")
    asked = SETTINGS.model_copy(update={"unlabelled": ("notes",)})
    keys = []
    for seed in (1, 2):
        with store.draft("dataset", "notes", meta={"stage": "curated"}) as draft:
            store.write_records(draft, tiny_records(5, seed=seed))
        keys.append(step._fingerprint(store, teacher, tickets, asked))
    assert keys[0] != keys[1]


def test_a_menu_that_goes_on_decides_by_the_time_of_the_variants_before(
    tiny: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a killed run found takes its time again and none more; a preset that would take too long gives way to what does not."""
    made: list[str] = []

    def variant(_case: object, name: str, recipe: Recipe, point: Point | None) -> SimpleNamespace:
        made.append(name)
        return SimpleNamespace(name=name, point=point, seconds=1.0, recipe=asdict(recipe))

    expected = {"small": 90.0, "safe": 2.0}
    monkeypatch.setattr(step, "_variant", variant)
    monkeypatch.setattr(step, "propose", lambda _teacher, done, _settings: {"n": len(done)} if len(done) < 12 else None)
    monkeypatch.setattr(step, "recipe_at", lambda _point, _teacher: Recipe())
    monkeypatch.setattr(step, "name_of", lambda _recipe: "searched")
    presets = {name: PRESETS[name](tiny) for name in expected}
    monkeypatch.setattr(
        step,
        "expected_s",
        lambda recipe, _teacher, _done: next((expected[name] for name in presets if presets[name] == recipe), 1.0),
    )
    case = SimpleNamespace(settings=SETTINGS, opening_s=1.0, teacher=tiny)
    step._variants(case)  # type: ignore[arg-type]
    assert made == ["int8", "tiny", *["searched"] * FIRST, "safe", *["searched"] * (12 - 3 - FIRST)]


@pytest.mark.parametrize(("written", "seconds"), [("90s", 90), ("30min", 1800), ("2h", 7200)])
def test_a_budget_is_written_with_its_unit(written: str, seconds: int) -> None:
    assert cli._seconds(written) == seconds


@pytest.mark.parametrize("written", ["30", "min", "1.5h", "30 min", "-5s", "2hh"])
def test_a_budget_without_a_number_or_a_unit_is_refused(written: str) -> None:
    with pytest.raises(SettingsError, match="is no time"):
        cli._seconds(written)


def test_a_recipe_may_ask_for_a_smaller_model(tmp_path: Path) -> None:
    (tmp_path / "triage.toml").write_text('[data]\nfiles = ["a.csv"]\n[compress]\npreset = "tiny"\nmax_drop = 0.02\n')
    assert read_recipe(tmp_path / "triage.toml").overrides == {"compress": {"preset": "tiny", "max_drop": 0.02}}


@pytest.mark.long
def test_time_that_is_left_goes_into_the_search(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the presets and after them recipes are searched; the front is what the report offers, and each of it is a model."""
    monkeypatch.setattr(step, "_spent_s", lambda _case, variants: 10.0 * len(variants))
    monkeypatch.setattr(step, "expected_s", lambda *_told: 0.0)
    settings = SETTINGS.model_copy(update={"budget_s": 10 * (FIRST + 5), "seed": 2})
    found = compress(store, store.model("triage"), settings, JUDGING)
    names = [line["name"] for line in found["variants"]]
    assert names[:2] == ["int8", "tiny"] and names[2 + FIRST : 4 + FIRST] == ["small", "safe"]
    assert len(names) == FIRST + 5 and all(name.startswith("l") for name in names[2 : 2 + FIRST] + names[4 + FIRST :])
    offered = [line for line in found["variants"] if line["verdict"] not in ("dominated", "refused")]
    assert offered and all(store.model(line["model"]).name == f"triage-{line['name']}" for line in offered)


@pytest.mark.long
def test_a_recipe_with_a_smaller_model_lets_it_go_live(home: Path, store: Store, tmp_path: Path) -> None:
    """The whole story with `[compress]`: the accepted variant is what is evaluated and promoted."""
    with (tmp_path / "tickets.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        table.writerows([record.text, record.label] for record in tiny_records(900, seed=8))
    lines = [
        '[data]\nfiles = ["tickets.csv"]\nname = "story"',
        '[train]\nname = "story"\nmethod = "probe"\nbase = "tiny"',
    ]
    lines += [
        '[compress]\npreset = "int8"\nmax_drop = 0.3',
        '[release]\nname = "story"\n',
        "[evaluate]\nbootstrap = 100\n",
    ]
    (tmp_path / "story.toml").write_text("\n".join(lines))
    found = pipeline.run(store, read_recipe(tmp_path / "story.toml").arguments())
    assert [step["step"] for step in found["steps"]][-3:] == ["compress", "evaluate", "promote"]
    assert store.model(found["model"]).name == "story-int8"


@pytest.mark.long
def test_a_killed_menu_goes_on_and_ends_with_the_same_models(home: Path, tmp_path: Path) -> None:
    """SIGKILL while the second variant is made; the same command then makes the rest and not the first again."""
    environment = os.environ | {
        "SKERRY_HOME": str(tmp_path / "home"),
        "SKERRY_BASES__FOLDER": str(home / "bases"),
        "SKERRY_STORE__KEY_FOLDER": str(home / "keys"),
    }
    shutil.copytree(home / "home", tmp_path / "home")
    command = [
        sys.executable,
        "-m",
        "appliance.cli",
        "compress",
        "triage",
        "--max-drop",
        "0.3",
        "--seed",
        "1",
        "--json",
    ]
    command += ["--budget", "30s"]
    work = tmp_path / "home" / "work" / "compress"
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        while not list(work.glob("*/found-int8/figures.json")):
            time.sleep(0.05)
            assert process.poll() is None
        process.kill()
    first = next(work.glob("*/found-int8/figures.json"))
    stamp = first.stat().st_mtime_ns
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as again:
        while first.exists():
            assert first.stat().st_mtime_ns == stamp
            time.sleep(0.05)
        output, _errors = again.communicate()
    found = json.loads(output)
    assert len(found["variants"]) >= 2 and found["chosen"]
