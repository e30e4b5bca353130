"""Run `tensorrt` models on an NVIDIA GPU with TensorRT 10 or 11, else their ONNX file with ONNX Runtime.

TensorRT's engine fits one GPU, driver and version, so it is built where it runs and kept in the home under a key of all
three; an engine file is never taken from elsewhere, since loading one runs what is in it. Needs the packages `tensorrt`
and `cuda-python`, which no extra of ours brings. Untried: no machine with TensorRT was at hand.
"""

from __future__ import annotations

import hashlib
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance import device
from appliance.engine import on_onnx
from appliance.engine.on_onnx import OnnxEngine
from appliance.engine.onnx_file import check_self_contained
from appliance.engine.plan import read_plan
from appliance.engine.texts import Reader
from appliance.errors import HardwareError, InputError
from appliance.files import write_durably
from appliance.log import log
from appliance.reasons import reason
from appliance.settings import home_folder
from appliance.words import _

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

__all__ = ["engine_key", "load"]

_MOST_ROWS = 64  # of a batch; the engine is tuned for a quarter of it
_INPUTS = ("input_ids", "attention_mask")


def load(folder: Path, read: Callable[[Path], bytes] = Path.read_bytes) -> OnnxEngine:
    """Load a `tensorrt` model folder; a warning in the log tells when ONNX Runtime takes TensorRT's place, and why.

    Raises `InputError` as `on_onnx.load`.
    """
    plan = read_plan(folder, read)
    path = folder / "model.onnx"
    try:
        content = read(path)
    except OSError as error:
        raise InputError(_("cannot read `{path}`: {error}", path=path, error=reason(error))) from error
    check_self_contained(content, path)
    try:
        session = _open(content, plan.max_tokens)
    except (ImportError, HardwareError, OSError, subprocess.SubprocessError) as error:
        log("tensorrt-unavailable", used="onnxruntime", reason=type(error).__name__)
        return on_onnx.load(folder, read)
    return OnnxEngine(plan, Reader(folder, plan, read(folder / "tokenizer.json")), session)


def engine_key(content: bytes, gpu: device.Gpu, driver: str, version: str, max_tokens: int) -> str:
    """Return the name of an engine file, 64 hex digits: another model, GPU, driver, TensorRT or length gives another one."""
    parts = [hashlib.sha256(content).hexdigest(), gpu.name, str(gpu.capability), driver, version, str(max_tokens)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _open(content: bytes, max_tokens: int) -> _Session:
    gpus = device.gpus()
    if not gpus:
        raise HardwareError(_("there is no NVIDIA GPU here"))
    import tensorrt

    path = home_folder() / "cache" / "tensorrt" / engine_key(
        content, gpus[0], _driver(), tensorrt.__version__, max_tokens
    )  # fmt: skip
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, _build(content, max_tokens))
    return _Session(path.read_bytes())


def _driver() -> str:
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    return subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout.split()[0]


def _build(content: bytes, max_tokens: int) -> bytes:
    """Build an engine for batches of 1 to `_MOST_ROWS` texts of 1 to `max_tokens` tokens. Raises `HardwareError` when TensorRT cannot."""
    import tensorrt

    logger = tensorrt.Logger(tensorrt.Logger.ERROR)
    builder = tensorrt.Builder(logger)
    # TensorRT 11 knows strongly typed networks only and takes the flag without asking for it
    typed = getattr(tensorrt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(content):
        raise HardwareError(_("TensorRT cannot read this model"))
    config = builder.create_builder_config()
    profile = builder.create_optimization_profile()
    for name in _INPUTS:
        profile.set_shape(name, (1, 1), (_MOST_ROWS // 4, min(32, max_tokens)), (_MOST_ROWS, max_tokens))
    config.add_optimization_profile(profile)
    built = builder.build_serialized_network(network, config)
    if built is None:
        raise HardwareError(_("TensorRT built no engine for this GPU"))
    return bytes(built)


class _Session:
    """An engine that answers like a session of ONNX Runtime, one batch at a time."""

    def __init__(self, built: bytes) -> None:
        import tensorrt
        from cuda.bindings import runtime

        self._cuda, self._lock = runtime, threading.Lock()
        self._runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
        self._engine = self._runtime.deserialize_cuda_engine(built)
        if self._engine is None:
            raise HardwareError(_("TensorRT cannot load the engine that it built"))
        self._context = self._engine.create_execution_context()
        self._stream = self._check(runtime.cudaStreamCreate())

    def run(self, names: list[str], inputs: dict[str, Array]) -> list[Array]:
        """Run int64 inputs (batch, tokens); more than `_MOST_ROWS` rows go in several batches. Returns the one output, float32 (batch, labels)."""
        import numpy as np

        rows = len(inputs["input_ids"])
        starts = range(0, rows, _MOST_ROWS)
        with self._lock:
            parts = [
                self._batch(names[0], {name: value[start : start + _MOST_ROWS] for name, value in inputs.items()})
                for start in starts
            ]
        return [np.concatenate(parts)]

    def _batch(self, output: str, inputs: dict[str, Array]) -> Array:
        import numpy as np

        cuda, copies = self._cuda, self._cuda.cudaMemcpyKind
        held = []
        try:
            for name, value in inputs.items():
                whole = np.ascontiguousarray(value, np.int64)
                self._context.set_input_shape(name, whole.shape)
                held.append(self._check(cuda.cudaMalloc(whole.nbytes)))
                self._check(cuda.cudaMemcpy(held[-1], whole.ctypes.data, whole.nbytes, copies.cudaMemcpyHostToDevice))
                self._context.set_tensor_address(name, int(held[-1]))
            result = np.empty(tuple(self._context.get_tensor_shape(output)), np.float32)
            held.append(self._check(cuda.cudaMalloc(result.nbytes)))
            self._context.set_tensor_address(output, int(held[-1]))
            if not self._context.execute_async_v3(int(self._stream)):
                raise HardwareError(_("TensorRT could not run the engine on the GPU"))
            self._check(cuda.cudaStreamSynchronize(self._stream))
            self._check(cuda.cudaMemcpy(result.ctypes.data, held[-1], result.nbytes, copies.cudaMemcpyDeviceToHost))
            return result
        finally:
            for address in held:
                cuda.cudaFree(address)

    @staticmethod
    def _check(returned: tuple[Any, ...]) -> Any:
        if int(returned[0]):
            raise HardwareError(_("the GPU reports CUDA error {number}", number=int(returned[0])))
        return returned[1] if len(returned) > 1 else None
