"""A trained network as one self-contained ONNX file whose bytes depend on nothing but the weights and the plan."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import MissingPartError
from appliance.words import _

if TYPE_CHECKING:
    import torch

_NOTES = ("doc_string", "metadata_props")  # stack traces and paths of the machine that exported


def to_onnx(network: torch.nn.ModuleDict, path: Path, opset: int) -> None:
    """Write the network as ONNX: int64 `input_ids` and `attention_mask` (batch, tokens) -> float32 `logits` (batch, labels).

    Batch and tokens are dynamic. The same weights give the same bytes. Raises `MissingPartError` without the extra `export`.
    """
    from appliance.engine import on_torch

    on_torch.import_torch()
    _check_installed()
    import torch

    class Logits(torch.nn.Module):
        """The whole network as the exporter wants it: tensors in, one tensor out."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            """Run it: (batch, tokens) twice -> (batch, labels)."""
            return on_torch.logits(self.network, input_ids, attention_mask)

    # Plain attention becomes a smaller and faster graph than the fused one, which is written for torch's own kernels.
    network["encoder"].set_attn_implementation("eager")  # type: ignore[operator]
    input_ids = torch.ones((2, 16), dtype=torch.int64)
    dynamic = {0: "batch", 1: "tokens"}
    with _quiet():
        program = torch.onnx.export(
            Logits().eval(),
            (input_ids, torch.ones_like(input_ids)),
            dynamo=True,
            dynamic_shapes={"input_ids": dynamic, "attention_mask": dynamic},
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.producer_name, model.producer_version = "skerry", ""
    write_plainly(model, path)


def write_plainly(model: Any, path: Path) -> None:
    """Write a ModelProto without notes about its making and without inferred shapes, the same content as the same bytes."""
    del model.graph.value_info[:]
    _strip(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _strip(message: Any) -> None:
    for field, value in message.ListFields():
        if field.name in _NOTES:
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in value if field.is_repeated else (value,):
                _strip(part)


def _check_installed() -> None:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise MissingPartError(
            _("export needs the extra `export`: install `skerry[export]` from the wheelhouse")
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    # The exporter tells about operators of packages that we do not use; a failure still raises.
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
