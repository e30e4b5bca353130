"""A site in small: records of people, scrubbed and curated, a model that learned from them in each format, and its public base."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from appliance.api_keys import add_key
from appliance.engine.plan import read_plan, write_plan
from appliance.export.export import export_folder
from appliance.export.to_int8 import Kind, to_int8
from appliance.schema import Dataset, Model, Record, Source
from appliance.settings import ExportSettings, load
from appliance.store import Store
from tests.appliance.export.conftest import TEXTS, learn, read
from tests.fakes import tiny_base, tiny_records
from tests.tiny_ngrams import write_ngrams


def people(count: int, splits: Sequence[str] = ("train", "train", "validation", "test")) -> list[Record]:
    """Make `count` records, each of another person, keyed as in a curated set."""
    records = tiny_records(count, languages=("en", "zh"), splits=splits)
    return [replace(record, subject=f"{number:064x}") for number, record in enumerate(records, start=16**60)]


@dataclass(frozen=True)
class Site:
    """A home with a data set `tickets`, the folders of one model by format, and what adds such a model to the store."""

    store: Store
    dataset: Dataset
    folders: dict[str, Path]

    def model(self, form: str = "onnx-int8", name: str = "triage") -> Model:
        """Register the model in one format as a child of the data set."""
        meta = {
            "format": form,
            "task": "classify",
            "base": "tiny",
            "labels": list(read_plan(self.folders[form]).labels),
        }
        with self.store.draft("model", name, parents=(self.dataset.id,), meta=meta) as draft:
            for path in self.folders[form].iterdir():
                shutil.copyfile(path, draft.folder / path.name)
            (draft.folder / "card.json").write_text('{"base": {"name": "tiny", "licence": "Apache-2.0"}}')
            draft.beside.add("card.json")
        model: Model = draft.artifact
        return model

    def key(self, owner: str) -> str:
        """Make an API key for somebody."""
        return add_key(self.store, owner)[1]


class Folders(dict[str, Path]):
    """Model folders by format; those that seldom a test asks for are made then."""

    def __missing__(self, form: str) -> Path:
        kinds: dict[str, Kind] = {"onnx-int8-static": "static", "tensorrt": "symmetric"}
        folder = self["onnx"].with_name(form)
        shutil.copytree(self["onnx"], folder)
        to_int8(self["onnx"] / "model.onnx", folder / "model.onnx", True, read(folder, TEXTS[:16]), 128, kinds[form])
        write_plan(folder, replace(read_plan(folder), format=form, reduce_range=True))
        self[form] = folder
        return folder


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One tiny model that learned its task, as torch, ONNX and int8, and one of n-grams."""
    found = Folders({form: tmp_path_factory.mktemp(form) for form in ("torch", "onnx", "onnx-int8", "ngrams")})
    learn(found["torch"])
    export_folder(found["torch"], found["onnx"], ExportSettings(format="onnx"), TEXTS)
    shutil.copytree(found["onnx"], found["onnx-int8"], dirs_exist_ok=True)
    to_int8(found["onnx"] / "model.onnx", found["onnx-int8"] / "model.onnx", True, read(found["torch"], TEXTS), 128)
    write_plan(found["onnx-int8"], replace(read_plan(found["torch"]), format="onnx-int8", reduce_range=True))
    write_ngrams(found["ngrams"])
    return found


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of base models with `tiny` in it."""
    folder = tmp_path_factory.mktemp("bases")
    tiny_base(folder / "tiny")
    return folder


@pytest.fixture
def make_site(
    tmp_path: Path, folders: dict[str, Path], bases: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[list[Record]], Site]:
    """Build a site of these records, whose base is public."""
    monkeypatch.setenv("SKERRY_BASES__FOLDER", str(bases))
    monkeypatch.setenv("SKERRY_EGRESS__PUBLIC_BASES", '["tiny"]')
    home = Path(os.environ["SKERRY_HOME"])

    def make(records: list[Record]) -> Site:
        store = Store.open(home, settings=load(home))
        above: tuple[str, ...] = ()
        for stage in ("raw", "scrubbed", "curated"):
            with store.draft("dataset", "tickets", parents=above, meta={"stage": stage, "findings": {"PERSON": 12}}) as draft:  # fmt: skip
                source = Source("tickets.csv", 1) if stage == "raw" else None
                rows = records[::-1] if stage == "scrubbed" else records  # another order: another set
                store.write_records(draft, (replace(record, source=source) for record in rows))
            above = (draft.artifact.id,)
        return Site(store, draft.artifact, folders)

    return make


@pytest.fixture
def site(make_site: Callable[[list[Record]], Site]) -> Site:
    """A site of 120 people with all labels in many records."""
    return make_site(people(120))
