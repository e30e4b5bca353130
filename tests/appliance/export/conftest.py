"""A tiny torch model that has learned its task, and what export made of it: built once for the tests of this folder."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.engine import on_torch
from appliance.engine.plan import Plan, read_plan, write_plan
from appliance.engine.texts import Reader
from appliance.export.export import export_folder
from appliance.export.to_int8 import to_int8
from appliance.settings import ExportSettings
from tests.fakes import tiny_base, tiny_records

TEXTS = [record.text for record in tiny_records(120, languages=("en", "zh"), seed=1)]


def learn(folder: Path) -> Path:
    """Write a torch model folder: the tiny base with a logistic regression on its frozen features. Returns `folder`."""
    import torch
    from safetensors.torch import save_file
    from sklearn.linear_model import LogisticRegression

    tiny_base(folder)
    (folder / "base.json").unlink()
    plan = Plan("torch", "classify", ("card", "transfer", "account"), 128, "", "tiny", ("en", "zh"))
    model = on_torch.TorchEngine(plan, Reader(folder, plan), on_torch.network(on_torch.load_encoder(folder), 3))
    records = tiny_records(240, languages=("en", "zh"))
    head = LogisticRegression(C=10.0, max_iter=2000).fit(
        model.embed([record.text for record in records]),
        [model.labels.index(record.label or "") for record in records],
    )
    state = model.network.state_dict()
    state["head.weight"] = torch.tensor(head.coef_.copy(order="C"), dtype=torch.float32)
    state["head.bias"] = torch.tensor(head.intercept_, dtype=torch.float32)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    write_plan(folder, plan)
    return folder


def read(folder: Path, texts: list[str]) -> list[list[int]]:
    """Return the token ids of each text."""
    reader = Reader(folder, read_plan(folder))
    return [reader.read(text)[0] for text in texts]


@pytest.fixture(scope="session")
def rows(learned: Path) -> list[list[int]]:
    """Token ids of real texts, the ones that the fixture `exported` was smoothed with."""
    return read(learned, TEXTS)


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny torch model that tells its labels apart."""
    return learn(tmp_path_factory.mktemp("learned"))


@pytest.fixture(scope="session")
def exported(learned: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The model's folder in each format."""
    folders = {"torch": learned} | {form: tmp_path_factory.mktemp(form) for form in ("onnx", "onnx-int8")}
    export_folder(learned, folders["onnx"], ExportSettings(format="onnx"), TEXTS)
    shutil.copytree(folders["onnx"], folders["onnx-int8"], dirs_exist_ok=True)
    to_int8(folders["onnx"] / "model.onnx", folders["onnx-int8"] / "model.onnx", True, read(learned, TEXTS), 128)
    write_plan(folders["onnx-int8"], replace(read_plan(learned), format="onnx-int8", reduce_range=True))
    return folders
