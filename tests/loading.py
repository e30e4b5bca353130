"""A model loaded in the test's own process, with what the engine process tells of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance import engine
from appliance.engine import Engine, Plan
from appliance.files import file_sha256
from appliance.schema import Prediction


@dataclass(frozen=True, eq=False)
class Here:
    """An engine with the hashes of its files."""

    engine: Engine
    files: Mapping[str, str]

    @property
    def plan(self) -> Plan:
        """The model's plan."""
        return self.engine.plan

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the probabilities."""
        return self.engine.plan.labels

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Answer texts, without a limit of the score."""
        return self.engine.predict(texts)


def load_here(folder: Path) -> Here:
    """Load the model in `folder`, as `EngineProcess.load` does elsewhere."""
    names = ("model.json", "tokenizer.json", "model.onnx", "model.safetensors", "config.json")
    return Here(engine.load(folder), {name: file_sha256(folder / name) for name in names if (folder / name).exists()})
