"""What the machine does, read from the kernel and from NVML."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.monitor import hardware

STAT = "cpu  100 20 30 4000 50 6 7 8 0 0\ncpu0 1 2 3 4 5 6 7 8 0 0\n"

# A driver of three functions' worth: two GPUs, of which the second tells neither power nor memory errors.
DRIVER = r"""
typedef struct {unsigned long long total, free, used;} memory;
typedef struct {unsigned int gpu, memory;} rates;
int nvmlInit_v2(void) {return 0;}
int nvmlDeviceGetCount_v2(unsigned int *n) {*n = 2; return 0;}
int nvmlDeviceGetHandleByIndex_v2(unsigned int i, void **h) {*h = (void *)(long)(i + 1); return 0;}
int nvmlDeviceGetMemoryInfo(void *h, memory *m) {m->total = 80000000000ULL; m->used = 20000000000ULL * (long)h; return 0;}
int nvmlDeviceGetUtilizationRates(void *h, rates *r) {r->gpu = 25 * (long)h; r->memory = 1; return 0;}
int nvmlDeviceGetName(void *h, char *name, unsigned int length) {for (int i = 0; i < 8; i++) name[i] = "Made-up"[i]; return length < 8;}
int nvmlDeviceGetTemperature(void *h, int which, unsigned int *t) {*t = 60 + (long)h; return which;}
int nvmlDeviceGetPowerUsage(void *h, unsigned int *w) {*w = 312500; return (long)h == 2 ? 3 : 0;}
int nvmlDeviceGetTotalEccErrors(void *h, int type, int counter, unsigned long long *n) {*n = type * 10 + counter; return (long)h == 2 ? 3 : 0;}
"""


def test_the_machine_is_read(tmp_path: Path) -> None:
    seen = hardware.look(tmp_path)
    assert seen.cores > 0 and seen.cpu_seconds > 0
    assert 0 < seen.memory_available_bytes <= seen.memory_bytes
    assert 0 < seen.disk_free_bytes <= seen.disk_bytes


def test_idle_and_waiting_are_not_busy(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text(STAT)
    assert hardware.busy_seconds(tmp_path / "stat") == pytest.approx(171 / os.sysconf("SC_CLK_TCK"))
    assert hardware.busy_seconds(tmp_path / "none") == 0


def test_a_process_that_is_gone_holds_no_memory() -> None:
    assert hardware.resident_bytes(os.getpid()) > 10**6
    assert hardware.resident_bytes(2**22 + 1) == 0


def test_without_a_driver_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_opened", {})
    monkeypatch.setattr(hardware, "_NVML", "libno-such-driver.so.1")
    assert hardware.gpu_states() == ()


def test_gpus_tell_what_they_know(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the C interface of NVML, against a driver made for this test: what a card refuses to tell is None."""
    library = tmp_path / "libmade-up.so"
    compiler = [sys.executable, "-m", "ziglang", "cc"]
    made = subprocess.run(
        [*compiler, "-shared", "-nostdlib", "-O1", "-x", "c", "-", "-o", str(library)], input=DRIVER, text=True, check=False,
        capture_output=True, env=os.environ | {"ZIG_GLOBAL_CACHE_DIR": str(tmp_path), "ZIG_LOCAL_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    monkeypatch.setattr(hardware, "_opened", {})
    monkeypatch.setattr(hardware, "_NVML", str(library))
    assert hardware.gpu_states() == (
        hardware.GpuState(0, "Made-up", 0.25, 20_000_000_000, 80_000_000_000, 61, 312.5, 10),
        hardware.GpuState(1, "Made-up", 0.5, 40_000_000_000, 80_000_000_000, 62, None, None),
    )
