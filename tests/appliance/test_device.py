"""What this machine has, seen from this process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance import device
from appliance.errors import HardwareError

MEMINFO = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n"


@pytest.fixture(autouse=True)
def _fresh() -> None:
    device.cpu.cache_clear()
    device.gpus.cache_clear()


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def test_without_a_quota_the_affinity_counts(tmp_path: Path) -> None:
    assert device.cores(write(tmp_path, cpu__max="max 100000")) == len(os.sched_getaffinity(0))


def test_a_quota_cuts_the_cores(tmp_path: Path) -> None:
    assert device.cores(write(tmp_path, cpu__max="50000 100000")) == 0.5


def test_a_quota_of_cgroup_v1_cuts_the_cores(tmp_path: Path) -> None:
    assert device.cores(write(tmp_path, cpu__cfs_quota_us="25000", cpu__cfs_period_us="100000")) == 0.25
    assert device.cores(write(tmp_path, cpu__cfs_quota_us="-1")) == len(os.sched_getaffinity(0))


def test_threads_are_what_is_wanted_else_whole_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.threads(3) == 3
    for cores, threads in ((0.5, 1), (1.9, 1), (4.0, 4)):
        monkeypatch.setattr(device, "cores", lambda cores=cores: cores)
        assert device.threads() == threads


def test_memory_is_read_in_bytes(tmp_path: Path) -> None:
    meminfo = write(tmp_path, meminfo=MEMINFO) / "meminfo"
    assert device.memory_bytes(tmp_path / "none", meminfo) == (16_000_000 * 1024, 8_000_000 * 1024)


def test_a_limit_cuts_the_memory_and_the_page_cache_gives_way(tmp_path: Path) -> None:
    meminfo = write(tmp_path, meminfo=MEMINFO) / "meminfo"
    group = write(
        tmp_path / "group",
        memory__max="1000000",
        memory__current="900000",
        memory__stat="anon 1\ninactive_file 300000\n",
    )
    assert device.memory_bytes(group, meminfo) == (1_000_000, 400_000)


def test_no_limit_in_either_version_is_no_limit(tmp_path: Path) -> None:
    meminfo = write(tmp_path, meminfo=MEMINFO) / "meminfo"
    total = 16_000_000 * 1024
    assert device.memory_bytes(write(tmp_path / "2", memory__max="max"), meminfo)[0] == total
    assert device.memory_bytes(write(tmp_path / "1", memory__limit_in_bytes=str(2**63 - 4096)), meminfo)[0] == total


def test_the_processor_is_read_from_either_family(tmp_path: Path) -> None:
    x86 = (
        write(tmp_path / "x", cpuinfo="processor : 0\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512_bf16\n")
        / "cpuinfo"
    )
    arm = write(tmp_path / "a", cpuinfo="processor : 0\nFeatures : asimd bf16\n") / "cpuinfo"
    assert device.cpu(x86) == ("AMD EPYC", frozenset({"fpu", "avx2", "avx512_bf16"}))
    assert device.cpu(arm) == ("unknown", frozenset({"asimd", "bf16"}))


@pytest.mark.parametrize(
    ("flags", "gpus", "chosen"),
    [
        ({"avx2"}, (), "fp32"),
        ({"avx2", "avx512f", "avx512_bf16"}, (), "bf16"),
        ({"amx_bf16"}, (), "bf16"),
        ({"avx2"}, (device.Gpu("A100", 1, 1, 8.0),), "bf16"),
        ({"avx512_bf16"}, (device.Gpu("T4", 1, 1, 7.5),), "fp16"),
    ],
)
def test_auto_precision_follows_the_hardware(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], gpus: tuple[device.Gpu, ...], chosen: str
) -> None:
    monkeypatch.setattr(device, "cpu", lambda: ("x", frozenset(flags)))
    monkeypatch.setattr(device, "gpus", lambda: gpus)
    assert device.precision("auto") == chosen


@pytest.mark.parametrize("wanted", ["fp32", "bf16", "fp16"])
def test_a_named_precision_is_kept(wanted: str) -> None:
    assert device.precision(wanted) == wanted


def test_gpus_are_read_from_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559, 81000, 9.0'\necho 'Broken, [N/A], [N/A], [N/A]'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert device.gpus() == (device.Gpu("NVIDIA H100 80GB HBM3", 81559 * 1024**2, 81000 * 1024**2, 9.0),)


@pytest.mark.parametrize("script", [None, "#!/bin/sh\nexit 9\n"])
def test_no_driver_means_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None) -> None:
    if script:
        (tmp_path / "nvidia-smi").write_text(script)
        (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert device.gpus() == ()


def test_too_much_memory_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "memory_bytes", lambda: (10**9, 5 * 10**8))
    device.require_memory(4 * 10**8, "this")
    with pytest.raises(HardwareError, match="this needs about 600 MB of memory and 500 MB are available"):
        device.require_memory(6 * 10**8, "this")


def test_the_description_is_plain_json() -> None:
    import json

    assert json.loads(json.dumps(device.describe()))["cores"] > 0
