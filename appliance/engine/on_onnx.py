"""Run `onnx`, `onnx-int8` and `onnx-int8-static` models with ONNX Runtime: numpy, onnxruntime and tokenizers, never torch.

`predict`, `logits` and `embed` run each text alone (batch 1, no padding). Dynamic int8 has one activation scale a batch, so that in
company a text would get another answer (microsoft/onnxruntime#10111); alone, it gets the same answer bit for bit under
any load. On a CPU this costs little: from 16 tokens on, a token costs nearly the same in any batch. A server may join
rows of other formats with `run`, see `engine.batches`.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import device
from appliance.engine.onnx_file import embedding_output, open_session, with_output
from appliance.engine.plan import INT8, Plan, read_plan
from appliance.engine.tags import kinds_of, spans_of
from appliance.engine.texts import Reader, Reading, answers, pad, softmax
from appliance.errors import InputError, MissingPartError
from appliance.schema import Prediction
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    from appliance.engine import LongTexts, Providers
    from appliance.schema import Span

    Array = np.ndarray[Any, Any]


class OnnxEngine:
    """One session that several threads share; each call runs on its caller's thread alone.

    `embedding` names the graph's output that holds the embeddings, (batch, hidden), None where there is none; `embedding_width` is their size.
    """

    def __init__(self, plan: Plan, reader: Reader, session: Any, embedding: str | None = None) -> None:
        self.plan, self._reader, self._session, self._embedding = plan, reader, session, embedding
        self.kinds = kinds_of(plan.labels) if plan.task == "tag" else ()
        self.embedding_width = 0

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the logits."""
        return self.plan.labels

    def forward(self, input_ids: Array, attention_mask: Array) -> Array:
        """Run the network: int64 (batch, tokens) twice -> float32 logits (batch, labels), for the task `tag` (batch, tokens, labels)."""
        logits: Array = self._session.run(["logits"], {"input_ids": input_ids, "attention_mask": attention_mask})[0]
        return logits

    def read(self, text: str, long_texts: LongTexts = "truncate") -> Reading:
        """Tokenize a text; a long one is cut (`truncate`), read in windows (`chunk`) or refused.

        Raises `InputError` for lone surrogates, and for a long text where `long_texts` is `refuse`.
        """
        if self.plan.task == "tag":
            reading = self._reader.read_places(text, long_texts == "chunk")
        else:
            ids, truncated = self._reader.read(text)
            reading = Reading([ids], [[]], truncated)
            if truncated and long_texts == "chunk":
                reading = self._reader.read_places(text, chunk=True)
        if reading.truncated and long_texts == "refuse":
            raise InputError(
                _(
                    "the text is longer than the {count} tokens that the model reads; split it, or set `serve.long_texts`",
                    count=self.plan.max_tokens,
                )
            )
        return reading

    def run(self, rows: Sequence[Sequence[int]], kind: str = "predict") -> list[Array]:
        """Run token ids (tokens) in one batch: float32 logits (labels), or (tokens, labels) for the task `tag`, or with `embed` the embedding (hidden), of each.

        Raises `InputError` when the model has no embeddings.
        """
        input_ids, attention_mask = pad(rows)
        if kind != "embed":
            outputs = self.forward(input_ids, attention_mask)
        elif self._embedding is None:
            raise InputError(_("this model has no embeddings; use one that was exported as `onnx`"))
        else:
            outputs = self._session.run([self._embedding], {"input_ids": input_ids, "attention_mask": attention_mask})[
                0
            ]
        if self.plan.task == "tag" and kind != "embed":
            return [output[: len(row)] for row, output in zip(rows, outputs, strict=True)]
        return list(outputs)

    def pool(self, reading: Reading, outputs: Sequence[Array], kind: str = "predict") -> Array:
        """Join what the windows of one text gave: their mean, weighted by tokens; embeddings get length 1 again."""
        import numpy as np

        if len(outputs) == 1:
            return outputs[0]
        weights = [len(window) for window in reading.windows]
        mean = np.average(np.stack(outputs).astype(np.float64), axis=0, weights=weights)
        if kind == "embed":
            mean /= np.linalg.norm(mean)
        pooled: Array = mean.astype(np.float32)
        return pooled

    def probabilities(self, reading: Reading, outputs: Sequence[Array]) -> Array:
        """Return float64 probabilities (labels) of one text from the logits of its windows."""
        probabilities: Array = softmax(self.pool(reading, outputs)[None])[0]
        return probabilities

    def spans(self, reading: Reading, outputs: Sequence[Array]) -> tuple[Span, ...]:
        """Return what the windows of one text mark in it, from their logits (tokens, labels)."""
        return spans_of(reading, [softmax(output) for output in outputs], self.labels)

    def logits(self, texts: Sequence[str], long_texts: LongTexts = "truncate") -> Array:
        """Return float32 logits (texts, labels). Raises `InputError` as `read`."""
        import numpy as np

        logits = np.empty((len(texts), len(self.labels)), np.float32)
        for row, text in enumerate(texts):
            reading = self.read(text, long_texts)
            logits[row] = self.pool(reading, [self.run([window])[0] for window in reading.windows])
        return logits

    def embed(self, texts: Sequence[str], long_texts: LongTexts = "truncate") -> Array:
        """Return float32 embeddings of length 1 (texts, hidden): what the head of the network reads. Raises `InputError` as `read` and `run`."""
        import numpy as np

        embeddings = np.empty((len(texts), self.embedding_width), np.float32)
        for row, text in enumerate(texts):
            reading = self.read(text, long_texts)
            parts = [self.run([window], "embed")[0] for window in reading.windows]
            embeddings[row] = self.pool(reading, parts, "embed")
        return embeddings

    def predict(
        self, texts: Sequence[str], min_score: float = 0.0, long_texts: LongTexts = "truncate"
    ) -> list[Prediction]:
        """Answer each text; the label is None where the best probability lies below `min_score`. Raises `InputError` as `read`."""
        import numpy as np

        found: list[Prediction] = []
        for text in texts:
            reading = self.read(text, long_texts)
            outputs = [self.run([window])[0] for window in reading.windows]
            if self.plan.task == "tag":
                spans = self.spans(reading, outputs)
                score = min((span.score for span in spans), default=1.0)
                found.append(Prediction(None, score, truncated=reading.truncated, spans=spans))
            else:
                pooled = np.stack([self.pool(reading, outputs)])
                found += answers(pooled, [reading.truncated], self.labels, min_score)
        return found


def load(folder: Path, read: Callable[[Path], bytes] = Path.read_bytes, provider: Providers = "auto") -> OnnxEngine:
    """Load an ONNX model folder; each file is read by `read`.

    Raises `InputError` when a file is missing, refers to other files, uses operators that are not ONNX's own or does
    not fit its plan; `MissingPartError` without onnxruntime, or without the `provider` asked for.
    """
    plan = read_plan(folder, read)
    path = folder / "model.onnx"
    try:
        content = read(path)  # by path, the runtime would follow the file's references to other files
        tokenizer = read(folder / "tokenizer.json")
    except OSError as error:
        raise InputError(_("cannot read `{path}`: {error}", path=error.filename, error=error.strerror)) from error
    # An int8 file made for CPUs without the overflow takes the exact kernel here. Where it is not needed it would cost half the speed.
    exact = plan.format in INT8 and not plan.reduce_range and saturates(platform.machine(), device.cpu()[1])
    session, embedding = _open(content, path, plan, exact, provider_of(provider))
    engine = OnnxEngine(plan, Reader(folder, plan, tokenizer), session, embedding)
    _try_longest(engine, path)
    if embedding is not None:
        engine.embedding_width = len(engine.run([[0, 0]], "embed")[0])
    return engine


def _open(content: bytes, path: Path, plan: Plan, exact: bool, provider: str) -> tuple[Any, str | None]:
    """Open a session, with the embedding as one more output where the graph has one; returns that output's name too."""
    embedding = embedding_output(content, path) if plan.task == "classify" else None
    if embedding is not None:
        try:
            return open_session(with_output(content, embedding), path, exact, provider), embedding
        except InputError:  # a graph not of ours: what looked like an embedding is another tensor
            pass
    return open_session(content, path, exact, provider), None


def provider_of(wanted: Providers) -> str:
    """Return the ONNX Runtime provider that stands for `wanted`: with `auto` CUDA where a GPU and the runtime for it are here, else the CPU.

    Raises `MissingPartError` when the one asked for is not here. TensorRT serves its own format alone (`on_tensorrt`).
    """
    if wanted in ("cpu", "tensorrt") or (wanted == "auto" and not device.gpus()):
        return "CPUExecutionProvider"
    try:
        import onnxruntime

        here = "CUDAExecutionProvider" in onnxruntime.get_available_providers() and bool(device.gpus())
    except ImportError:
        here = False
    if not here and wanted == "cuda":
        raise MissingPartError(
            _("`serve.provider` is `cuda`, which needs an NVIDIA GPU and the extra `gpu`; set `cpu` or `auto`")
        )
    return "CUDAExecutionProvider" if here else "CPUExecutionProvider"


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
        shape = engine.forward(input_ids, np.ones_like(input_ids)).shape
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise InputError(
            _(
                "`{path}` cannot read {tokens} tokens as its plan says; export it again",
                path=path,
                tokens=engine.plan.max_tokens,
            )
        ) from error
    middle = (engine.plan.max_tokens,) if engine.plan.task == "tag" else ()
    if shape != (1, *middle, len(engine.labels)):
        raise InputError(
            _(
                "`{path}` does not give one number for each of the {count} labels of its plan; export it again",
                path=path,
                count=len(engine.labels),
            )
        )
