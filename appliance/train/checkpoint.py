"""Work that survives a kill: folders that are there whole or not at all, and whose bytes are checked before they are believed.

safetensors and JSON only: nothing here writes or reads a pickle.
"""

from __future__ import annotations

import json
import random
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.base.safetensors_file import writing_to
from appliance.files import file_sha256, fsync_path

if TYPE_CHECKING:
    import torch

__all__ = ["intact", "load_optimizer", "load_random", "newest", "prune", "save_optimizer", "save_random", "writing"]

_HASHES = "hashes.json"


@contextmanager
def writing(folder: Path, name: str) -> Iterator[Path]:
    """Yield a temporary folder; when the block ends well its files are hashed and fsynced and it is renamed to `folder/name`.

    Raises `HardwareError` for a full disk.
    """
    temporary = folder / f".partial-{uuid.uuid4().hex}"
    try:
        with writing_to(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(".partial-*"):  # of a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            temporary.mkdir()
            yield temporary
            hashes = {path.name: file_sha256(path) for path in sorted(temporary.iterdir())}
            (temporary / _HASHES).write_text(json.dumps(hashes, sort_keys=True), "utf-8")
            for path in (*temporary.iterdir(), temporary):
                fsync_path(path)
            shutil.rmtree(folder / name, ignore_errors=True)  # there only when its hashes did not fit
            temporary.rename(folder / name)
            fsync_path(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def intact(folder: Path) -> bool:
    """Tell whether the folder is there and holds exactly the files and bytes it was written with."""
    try:
        hashes = json.loads((folder / _HASHES).read_bytes())
        names = {path.name for path in folder.iterdir()} - {_HASHES}
        return names == set(hashes) and all(file_sha256(folder / name) == digest for name, digest in hashes.items())
    except (OSError, ValueError):
        return False


def newest(folder: Path) -> Path | None:
    """Return the newest whole `checkpoint-STEP` whose best checkpoint is whole too; damaged ones are passed over."""
    for path in sorted(folder.glob("checkpoint-*"), key=_step, reverse=True):
        if intact(path) and ((best := _best(path)) is None or intact(best)):
            return path
    return None


def prune(folder: Path, keep: int = 2) -> None:
    """Remove all checkpoints but the newest `keep` and the best ones that those name."""
    kept = sorted(folder.glob("checkpoint-*"), key=_step)[-keep:]
    kept += [best for path in kept if (best := _best(path))]
    for path in folder.glob("checkpoint-*"):
        if path not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _step(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _best(path: Path) -> Path | None:
    step = json.loads((path / "trainer_state.json").read_bytes())["best_global_step"]
    return path.with_name(f"checkpoint-{step}") if step else None


def save_optimizer(folder: Path, optimizer: Mapping[str, Any], scheduler: Mapping[str, Any], scaler: Any) -> None:
    """Write `optimizer.safetensors` (tensors named INDEX.KEY) and `optimizer.json` (groups, schedule and loss scale) from state dicts."""
    from safetensors.torch import save_file

    tensors = {f"{index}.{key}": value for index, state in optimizer["state"].items() for key, value in state.items()}
    save_file(tensors, folder / "optimizer.safetensors")
    rest = {"groups": optimizer["param_groups"], "scheduler": scheduler, "scaler": scaler}
    (folder / "optimizer.json").write_text(
        json.dumps(rest), "utf-8"
    )  # Python writes floats so that they read back exactly


def load_optimizer(folder: Path) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Read what `save_optimizer` wrote: the state dicts of optimizer, scheduler and scaler."""
    from safetensors.torch import load_file

    rest = json.loads((folder / "optimizer.json").read_bytes())
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in load_file(folder / "optimizer.safetensors").items():
        index, _dot, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    groups = [group | {"betas": tuple(group["betas"])} for group in rest["groups"]]
    return {"state": state, "param_groups": groups}, rest["scheduler"], rest["scaler"]


def save_random(folder: Path) -> None:
    """Write the state of every random generator (Python, numpy, torch, CUDA) to `random.json`."""
    import numpy as np
    import torch

    state: Any = np.random.get_state()
    name, keys, position, has_gauss, gauss = state
    content = {
        "python": random.getstate(),
        "numpy": [name, keys.tolist(), position, has_gauss, gauss],
        "torch": bytes(torch.random.get_rng_state().tolist()).hex(),
        "cuda": [bytes(state.tolist()).hex() for state in torch.cuda.get_rng_state_all()],
    }
    (folder / "random.json").write_text(json.dumps(content), "utf-8")


def load_random(folder: Path) -> None:
    """Set every random generator to what `save_random` wrote."""
    import numpy as np
    import torch

    content = json.loads((folder / "random.json").read_bytes())
    version, numbers, gauss = content["python"]
    random.setstate((version, tuple(numbers), gauss))
    np.random.set_state(tuple(content["numpy"]))
    torch.random.set_rng_state(torch.tensor(list(bytes.fromhex(content["torch"])), dtype=torch.uint8))
    cuda = [torch.tensor(list(bytes.fromhex(state)), dtype=torch.uint8) for state in content["cuda"]]
    if len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)
