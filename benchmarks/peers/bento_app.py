"""BentoML with its adaptive batching: `bentoml serve bento_app:Classifier --port PORT`, the model's folder in the variable MODEL."""

from __future__ import annotations

import os
from typing import Any

import bentoml
from int8 import Model


@bentoml.service(workers=1, traffic={"timeout": 60, "max_concurrency": 256})
class Classifier:
    """One text a request, joined by BentoML."""

    def __init__(self) -> None:
        self.model = Model(os.environ["MODEL"])

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=60_000, route="/predict")
    def predict(self, text: list[str]) -> list[dict[str, Any]]:
        """Answer the texts that came together."""
        return self.model.predict(text)
