"""Run `onnx`, `onnx-int8` and `onnx-int8-static` models with ONNX Runtime: numpy, onnxruntime and tokenizers, never torch.

Each text runs alone (batch 1, no padding). Dynamic int8 has one activation scale a batch, so that in company a text
would get another answer (microsoft/onnxruntime#10111); alone, it gets the same answer bit for bit under any load.
On a CPU this costs little: from 16 tokens on, a token costs nearly the same in any batch.
"""

from __future__ import annotations

import platform
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import device
from appliance.engine.onnx_file import open_session
from appliance.engine.plan import INT8, Plan, read_plan
from appliance.engine.texts import Reader, answers
from appliance.errors import InputError
from appliance.reasons import reason
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    from appliance.schema import Prediction


class OnnxEngine:
    """One session that several threads share; each call runs on its caller's thread alone."""

    def __init__(self, plan: Plan, reader: Reader, session: Any) -> None:
        self.plan, self._reader, self._session = plan, reader, session

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the logits."""
        return self.plan.labels

    def forward(self, input_ids: np.ndarray[Any, Any], attention_mask: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Run the network: int64 (batch, tokens) twice -> float32 logits (batch, labels)."""
        logits: np.ndarray[Any, Any] = self._session.run(
            ["logits"], {"input_ids": input_ids, "attention_mask": attention_mask}
        )[0]
        return logits

    def logits(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        """Return float32 logits (texts, labels)."""
        return self._run(texts)[0]

    def predict(self, texts: Sequence[str], min_score: float = 0.0) -> list[Prediction]:
        """Answer each text; the label is None where the best probability lies below `min_score`.

        Raises `InputError` for a text with lone surrogates.
        """
        logits, truncated = self._run(texts)
        return answers(logits, truncated, self.labels, min_score)

    def _run(self, texts: Sequence[str]) -> tuple[np.ndarray[Any, Any], list[bool]]:
        import numpy as np

        logits = np.empty((len(texts), len(self.labels)), np.float32)
        truncated = []
        for row, text in enumerate(texts):
            ids, cut = self._reader.read(text)
            input_ids = np.array([ids], np.int64)  # (1, tokens)
            logits[row] = self.forward(input_ids, np.ones_like(input_ids))[0]
            truncated.append(cut)
        return logits, truncated


def load(folder: Path) -> OnnxEngine:
    """Load an ONNX model folder.

    Raises `InputError` when a file is missing, refers to other files, uses operators that are not ONNX's own or does
    not fit its plan; `MissingPartError` without onnxruntime.
    """
    plan = read_plan(folder)
    path = folder / "model.onnx"
    try:
        content = path.read_bytes()  # by path, the runtime would follow the file's references to other files
    except OSError as error:
        raise InputError(_("cannot read `{path}`: {error}", path=path, error=reason(error))) from error
    # An int8 file made for CPUs without the overflow takes the exact kernel here. Where it is not needed it would cost half the speed.
    exact = plan.format in INT8 and not plan.reduce_range and saturates(platform.machine(), device.cpu()[1])
    engine = OnnxEngine(plan, Reader(folder, plan), open_session(content, path, exact))
    _try_longest(engine, path)
    return engine


def saturates(machine: str, flags: Collection[str]) -> bool:
    """Tell whether sums of 8-bit products overflow on a CPU: x86 whose flags name no VNNI (`avx512_vnni`, `avx_vnni`).

    There two products meet in 16 bits (onnxruntime.ai/docs/performance/model-optimizations/quantization.html); weights
    of 7 bits are safe.
    """
    return machine in ("x86_64", "AMD64") and not {"avx512_vnni", "avx_vnni"} & set(flags)


def _try_longest(engine: OnnxEngine, path: Path) -> None:
    # The longest text of the plan: a network that lacks positions or labels fails now, not at somebody's request.
    import numpy as np

    input_ids = np.zeros((1, engine.plan.max_tokens), np.int64)
    try:
        fits = engine.forward(input_ids, np.ones_like(input_ids)).shape == (1, len(engine.labels))
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise InputError(
            _(
                "`{path}` cannot read {tokens} tokens as its plan says; export it again",
                path=path,
                tokens=engine.plan.max_tokens,
            )
        ) from error
    if not fits:
        raise InputError(
            _(
                "`{path}` does not give one number for each of the {count} labels of its plan; export it again",
                path=path,
                count=len(engine.labels),
            )
        )
