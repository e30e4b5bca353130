"""What the machine under the server is doing: processor, memory, disk and GPUs, read from the kernel and from NVML.

Everything here is a number read just now; nothing is kept and no program is started. A place that tells nothing (no GPU, no cgroup, a
container without `/proc/pressure`) is left out of the answer.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from appliance import device

__all__ = ["GpuState", "Hardware", "busy_seconds", "gpu_states", "look", "resident_bytes"]

_PROC = Path("/proc")
_NVML = "libnvidia-ml.so.1"
_MILLI = 1000


@dataclass(frozen=True, slots=True)
class GpuState:
    """One GPU by its index: shares in [0, 1], degrees Celsius, watts, uncorrected memory errors since the driver was loaded; None = not told."""

    index: int
    name: str
    busy_share: float | None
    memory_used_bytes: int
    memory_bytes: int
    celsius: int | None
    watts: float | None
    memory_errors: int | None


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine now. `cpu_seconds` counts busy time of all cores since boot; memory is cut by the cgroup's limit, disk is the home's."""

    cores: float
    cpu_seconds: float
    load: float
    memory_bytes: int
    memory_available_bytes: int
    disk_bytes: int
    disk_free_bytes: int
    gpus: tuple[GpuState, ...] = ()


def look(home: Path) -> Hardware:
    """Read what the machine does now; the disk is the one that `home` lies on."""
    memory, available = device.memory_bytes()
    disk = shutil.disk_usage(home)
    return Hardware(
        cores=device.cores(),
        cpu_seconds=busy_seconds(),
        load=os.getloadavg()[0],
        memory_bytes=memory,
        memory_available_bytes=available,
        disk_bytes=disk.total,
        disk_free_bytes=disk.free,
        gpus=gpu_states(),
    )


def busy_seconds(stat: Path = _PROC / "stat") -> float:
    """Return the seconds that all cores were busy since boot: proc(5), `cpu` less idle and iowait; 0 where it cannot be read."""
    with suppress(OSError, ValueError):
        fields = [int(field) for field in stat.read_text().split("\n", 1)[0].split()[1:9]]
        idle, waiting = fields[3:5]
        return (sum(fields) - idle - waiting) / os.sysconf("SC_CLK_TCK")
    return 0.0


def resident_bytes(pid: int) -> int:
    """Return the memory of a process in bytes (proc(5), `statm`); 0 when there is none."""
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


class _Memory(ctypes.Structure):  # nvmlMemory_t
    _fields_ = [(name, ctypes.c_ulonglong) for name in ("total", "free", "used")]


class _Utilization(ctypes.Structure):  # nvmlUtilization_t, in percent
    _fields_ = [(name, ctypes.c_uint) for name in ("gpu", "memory")]


def gpu_states() -> tuple[GpuState, ...]:
    """Return the NVIDIA GPUs as NVML (docs.nvidia.com/deploy/nvml-api) tells them; none where the driver is missing."""
    nvml = _open()
    if nvml is None:
        return ()
    count = ctypes.c_uint()
    if nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)):
        return ()
    return tuple(state for index in range(count.value) if (state := _state(nvml, index)))


_opened: dict[str, ctypes.CDLL | None] = {}


def _open() -> ctypes.CDLL | None:
    # Opened once: initialising NVML takes tens of milliseconds, a question a few microseconds.
    if _NVML not in _opened:
        _opened[_NVML] = None
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(_NVML)
            if library.nvmlInit_v2() == 0:
                _opened[_NVML] = library
    return _opened[_NVML]


def _state(nvml: ctypes.CDLL, index: int) -> GpuState | None:
    handle = ctypes.c_void_p()
    memory, utilization = _Memory(), _Utilization()
    name = ctypes.create_string_buffer(96)
    if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)):
        return None
    if nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory)):
        return None
    nvml.nvmlDeviceGetName(handle, name, len(name))
    told = nvml.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(utilization)) == 0
    celsius, milliwatts, errors = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_ulonglong()
    core, uncorrected, since_load = (
        0,
        1,
        0,
    )  # NVML_TEMPERATURE_GPU, NVML_MEMORY_ERROR_TYPE_UNCORRECTED, NVML_VOLATILE_ECC
    hot = nvml.nvmlDeviceGetTemperature(handle, core, ctypes.byref(celsius)) == 0
    draws = nvml.nvmlDeviceGetPowerUsage(handle, ctypes.byref(milliwatts)) == 0
    checks = nvml.nvmlDeviceGetTotalEccErrors(handle, uncorrected, since_load, ctypes.byref(errors)) == 0
    return GpuState(
        index=index,
        name=name.value.decode("utf-8", "replace"),
        busy_share=utilization.gpu / 100 if told else None,
        memory_used_bytes=memory.used,
        memory_bytes=memory.total,
        celsius=celsius.value if hot else None,
        watts=milliwatts.value / _MILLI if draws else None,
        memory_errors=errors.value if checks else None,
    )
