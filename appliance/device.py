"""What this machine has, seen from this process: cores, CPU instructions, memory, GPUs."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from appliance.errors import HardwareError
from appliance.words import _

__all__ = ["Gpu", "cores", "cpu", "describe", "gpus", "memory_bytes", "precision", "require_memory", "threads"]

_PROC = Path("/proc")
_CGROUP = Path("/sys/fs/cgroup")
_BF16 = frozenset({"avx512_bf16", "amx_bf16"})
_CARED = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_bf16", "amx_int8", "asimd", "bf16", "i8mm")
_NO_LIMIT = 2**60  # cgroup v1 writes a number near 2**63 for "no limit"


@dataclass(frozen=True, slots=True)
class Gpu:
    """One NVIDIA GPU; `capability` is its compute capability (9.0 = Hopper)."""

    name: str
    memory_bytes: int
    free_bytes: int
    capability: float


def describe() -> dict[str, object]:
    """Return the machine as plain values, for `skerry doctor` and for a model's card."""
    processor, flags = cpu()
    total, available = memory_bytes()
    return {
        "processor": processor,
        "cores": cores(),
        "instructions": [flag for flag in _CARED if flag in flags],
        "memory_bytes": total,
        "available_bytes": available,
        "gpus": [gpu.name for gpu in gpus()],
        "precision": precision(),
    }


def cores(cgroup: Path = _CGROUP) -> float:
    """Return the cores that this process may use: its affinity, cut by the cgroup's CPU quota (v2 `cpu.max`, v1 `cpu.cfs_quota_us`)."""
    allowed = float(len(os.sched_getaffinity(0)))
    quota, period = 0, 0
    for folder in _own_cgroups(cgroup, "cpu"):
        words = _read(folder / "cpu.max").split()
        if len(words) == 2 and words[0] != "max":
            quota, period = int(words[0]), int(words[1])
        elif (text := _read(folder / "cpu.cfs_quota_us")) and int(text) > 0:
            quota, period = int(text), int(_read(folder / "cpu.cfs_period_us") or 100_000)
        if quota and period:
            allowed = min(allowed, quota / period)
    return allowed


def threads(wanted: int = 0) -> int:
    """Return how many threads to run: `wanted`, or with 0 one a whole core that this process may use, at least 1."""
    return wanted or max(1, int(cores()))


def memory_bytes(cgroup: Path = _CGROUP, meminfo: Path = _PROC / "meminfo") -> tuple[int, int]:
    """Return total and available memory, both cut by the cgroup's limit (v2 `memory.max`, v1 `memory.limit_in_bytes`)."""
    lines = dict(line.split(":", 1) for line in _read(meminfo).splitlines() if ":" in line)
    total, available = (int(lines.get(key, "0 kB").split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
    for folder in _own_cgroups(cgroup, "memory"):
        limit = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
        used = _read(folder / "memory.current") or _read(folder / "memory.usage_in_bytes")
        if limit.isdigit() and int(limit) < _NO_LIMIT:
            total = min(total, int(limit))
            # the page cache counts as used but gives way
            available = min(available, max(0, int(limit) - int(used or 0) + _reclaimable(folder)))
    return total, available


@cache
def cpu(cpuinfo: Path = _PROC / "cpuinfo") -> tuple[str, frozenset[str]]:
    """Return the processor's name and its flags (x86 `flags`, ARM `Features`)."""
    fields: dict[str, str] = {}
    for line in _read(cpuinfo).splitlines():
        key, _colon, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    return fields.get("model name", "unknown"), frozenset((fields.get("flags") or fields.get("Features", "")).split())


@cache
def gpus() -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs as `nvidia-smi` lists them; none where it is missing or fails."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,memory.free,compute_cap", "--format=csv,noheader,nounits"]
    try:
        result = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    rows = [[cell.strip() for cell in line.split(",")] for line in result.stdout.splitlines() if line.count(",") == 3]
    return tuple(
        Gpu(name, int(total) * 1024**2, int(free) * 1024**2, float(capability))
        for name, total, free, capability in rows
        if total.isdigit() and free.isdigit() and capability.replace(".", "", 1).isdigit()
    )


def precision(wanted: str = "auto") -> str:
    """Return the number format to train in: `fp32`, `bf16` or `fp16`.

    `auto`: on a GPU bf16 from compute capability 8.0 (Ampere) on, else fp16; on a CPU with bf16 instructions (AVX512_BF16, AMX) bf16, which was
    measured 1.4x (16 tokens) to 1.9x (128 tokens) as fast as fp32 there and 7x slower without them; else fp32.
    """
    if wanted != "auto":
        return wanted
    if gpus():
        return "bf16" if gpus()[0].capability >= 8.0 else "fp16"
    return "bf16" if cpu()[1] & _BF16 else "fp32"


def require_memory(needed_bytes: int, for_what: str) -> None:
    """Raise `HardwareError` when fewer than `needed_bytes` of memory are available."""
    available = memory_bytes()[1]
    if needed_bytes > available:
        raise HardwareError(
            _(
                "{what} needs about {needed} MB of memory and {available} MB are available; free some, or take `--method probe` or a smaller base model",
                what=for_what,
                needed=needed_bytes // 10**6,
                available=available // 10**6,
            )
        )


def _own_cgroups(root: Path, controller: str) -> list[Path]:
    # From this process's own group up to the root: a limit of any of them holds. Inside a container the root is the container's own.
    folders = []
    for line in _read(_PROC / "self" / "cgroup").splitlines():
        _number, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        top = root / controllers if controllers else root
        top = top if top.is_dir() else root / controller
        own = top / path.lstrip("/")
        folders += [folder for folder in (own, *own.parents) if folder.is_relative_to(top) and folder.is_dir()]
    return folders or [root]


def _reclaimable(folder: Path) -> int:
    for line in _read(folder / "memory.stat").splitlines():
        name, _space, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file") and value.isdigit():
            return int(value)
    return 0


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
