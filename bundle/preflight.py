"""One page that says whether this machine can take the bundle: PASS, WARN or FAIL, and why. Nothing is written.

What cannot work is FAIL; what works with a loss, or needs a hand, is WARN. Facts are read from `/proc`, `/sys` and the
C library; only `nvidia-smi` and `openssl` are run, and no socket is opened.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundle import advice
from bundle.errors import IntegrityError, NotFoundError
from bundle.manifest import MANIFEST, PARTS, PROFILE, REPORTS, RUNTIME, SECOND_COPY, parse
from bundle.slots import Prefix, default_prefix
from bundle.words import _

Json = dict[str, Any]
PASS, WARN, FAIL = "PASS", "WARN", "FAIL"

_ROOM = 2.2  # the new slot beside the old one, its payload while it is unpacked, and a little more
_HOME_BYTES = 1 << 30
_OLDEST_PYTHON = (3, 9)
# psABI for x86-64, levels: numpy's wheels ask for v2; v3 (AVX2) is what the arithmetic was measured on
_V2 = {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"}
_V3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}
# SQLite's write-ahead log needs shared memory, which these have not (sqlite.org/wal.html)
_REMOTE = {
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "ceph",
    "glusterfs",
    "lustre",
    "afs",
    "fuse.sshfs",
    "fuse.glusterfs",
}
_TRAIN_BYTES, _SERVE_BYTES = 6 << 30, 1 << 30
_LONG_S = 15 * 365 * 86400
_ADVISORIES = "advisories"  # where `about` has the report
_SELINUX = Path("/sys/fs/selinux/enforce")


@dataclass(frozen=True)
class Wanted:
    """What is about to be installed and where: `about` is the bundle's `profile.json`, or what its list of parts says."""

    about: Mapping[str, Any]
    prefix: Path
    home: Path
    port: int
    gpu: bool
    runtime: bool


def preflight(
    source: Path | None = None,
    prefix: Path | None = None,
    home: Path | None = None,
    port: int | None = None,
    gpu: bool = False,
    runtime: Path | None = None,
) -> Json:
    """Return `ok` and `checks`, each with `name`, `level` and `text`. `source` is the stick, staging folder or payload, if any.

    Raises `NotFoundError` when `source` is none of them.
    """
    place = Prefix(prefix or default_prefix())
    state = place.state()
    usual = Path("/var/lib/skerry") if os.geteuid() == 0 else Path("~/.skerry").expanduser()
    wanted = Wanted(
        about(source) if source else _installed(place),
        place.path,
        (home or Path(state.get("home", usual))).absolute(),
        port or int(state.get("port", 8080)),
        gpu,
        bool(runtime or (source and (source / RUNTIME).is_file())),
    )
    checks = [row for check in _CHECKS for row in check(wanted)]
    return {"ok": all(row["level"] != FAIL for row in checks), "checks": checks}


def _installed(place: Prefix) -> Json:
    slot = place.current()
    known = advice.in_place(place, slot) if slot else None
    return {_ADVISORIES: known} if known else {}


def about(source: Path) -> Json:
    """Return what a payload's `profile.json`, or a stick's list of parts, says: read before anything was verified.

    Raises `NotFoundError` where there is neither, `IntegrityError` where they cannot be read.
    """
    if (source / PROFILE).is_file():
        return _of_payload(source)
    folders = [source / at for at in ("", SECOND_COPY, "VOLUME1", f"VOLUME1/{SECOND_COPY}")]
    there = [folder / PARTS for folder in folders if (folder / PARTS).is_file()]
    for path in there:  # a scratched list has a second copy
        with suppress(IntegrityError, ValueError, OSError):
            return dict(parse(path.read_text("ascii"), PARTS).header)
    if there:
        raise IntegrityError(_("what `{path}` says of itself cannot be read; ask for it once more", path=source))
    raise NotFoundError(_("`{path}` is no stick, no staging folder and no payload", path=source))


def _of_payload(payload: Path) -> Json:
    report = payload / REPORTS / advice.REPORT
    known = {_ADVISORIES: advice.read(report)} if report.is_file() else {}
    try:
        listed = (payload / MANIFEST).is_file()
        header = parse((payload / MANIFEST).read_text("ascii"), MANIFEST).header if listed else {}
        return {**header, **json.loads((payload / PROFILE).read_bytes()), **known}
    except (ValueError, TypeError):
        raise IntegrityError(
            _("what `{path}` says of itself cannot be read; ask for it once more", path=payload)
        ) from None


def _row(name: str, level: str, text: str) -> Json:
    return {"name": name, "level": level, "text": text}


# -- the machine -------------------------------------------------------------------------------------------------------


def _python(wanted: Wanted) -> Iterator[Json]:
    from bundle.install import host_python

    version = str(wanted.about.get("python", "3.11"))
    found = host_python(version)
    if wanted.runtime:
        yield _row("python", PASS, _("the bundle carries its own Python"))
    elif found:
        yield _row("python", PASS, _("Python {version}: `{path}`", version=version, path=found))
    else:
        yield _row("python", FAIL, _("no Python {version} here; take a bundle that carries one", version=version))
    if sys.version_info < _OLDEST_PYTHON:
        yield _row(
            "this python", FAIL, _("this program needs Python 3.9, here runs {now}", now=platform.python_version())
        )


def _libc(wanted: Wanted) -> Iterator[Json]:
    least = str(wanted.about.get("glibc", "2.28"))
    try:
        name, _space, found = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    except ValueError:
        name, found = "", ""
    if name != "glibc":
        yield _row("glibc", FAIL, _("no GNU C library; the wheels need {least}", least=least))
    else:
        enough = _numbers(found) >= _numbers(least)
        yield _row(
            "glibc", PASS if enough else FAIL, _("glibc {found}; the wheels need {least}", found=found, least=least)
        )


def _processor(wanted: Wanted) -> Iterator[Json]:
    machine = str(wanted.about.get("platform", f"linux-{platform.machine()}")).partition("-")[2]
    if machine != platform.machine():
        text = _("the bundle is for {machine}, this is {here}", machine=machine, here=platform.machine())
        yield _row("platform", FAIL, text)
        return
    yield _row("platform", PASS, f"linux-{machine}")
    if machine == "x86_64":
        flags = _flags()
        lacking = sorted((_V2 | _V3) - flags)
        level = FAIL if _V2 - flags else WARN if lacking else PASS
        missing = _("missing: {flags}", flags=" ".join(lacking)) if lacking else _("AVX2 is there")
        vnni = _("; int8 in hardware") if flags & {"avx512_vnni", "avx_vnni"} else _("; no VNNI: int8 takes 7 bits")
        yield _row("processor", level, missing + vnni)


def _flags() -> set[str]:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("flags"):
            return set(line.partition(":")[2].split())
    return set()


def _page_size(_wanted: Wanted) -> Iterator[Json]:
    size = os.sysconf("SC_PAGE_SIZE")
    yield _row(
        "page size", PASS if size == 4096 else WARN, _("{size} bytes; the wheels were tried with 4096", size=size)
    )


def _memory(wanted: Wanted) -> Iterator[Json]:
    there = int(re.findall(r"MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text())[0]) * 1024
    trains = "train" in wanted.about.get("extras", ())
    least = _TRAIN_BYTES if trains else _SERVE_BYTES
    level = PASS if there >= least else WARN if there >= least // 2 else FAIL
    yield _row("memory", level, _("{there}; wanted {least}", there=_size(there), least=_size(least)))


def _gpu(wanted: Wanted) -> Iterator[Json]:
    if not wanted.gpu:
        return
    asked = ["nvidia-smi", "--query-gpu=name,driver_version,compute_cap,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        yield _row("gpu", FAIL, _("a GPU was asked for, and `nvidia-smi` is not here or does not answer"))
        return
    devices = [
        [field.strip() for field in line.split(",")] for line in done.stdout.splitlines() if line.count(",") == 3
    ]
    if done.returncode or not devices:
        yield _row(
            "gpu", FAIL, _("a GPU was asked for, and `nvidia-smi` shows none: {said}", said=done.stdout.strip()[:200])
        )
    for name, driver, capability, _memory_mib in devices:
        level, text = _variant(wanted.about, driver, capability)
        yield _row(
            "gpu",
            level,
            _(
                "{name}, driver {driver}, compute capability {capability}: ",
                name=name,
                driver=driver,
                capability=capability,
            )
            + text,
        )


def _variant(about: Mapping[str, Any], driver: str, capability: str) -> tuple[str, str]:
    if "accelerator" not in about:
        return PASS, _("whether the bundle serves it is looked at when it is unpacked")
    carried, variants = about["accelerator"].get("variant"), about["accelerator"].get("variants", {})
    for name, variant in variants.items():
        low, high = map(_numbers, variant["compute_capability"])
        if low <= _numbers(capability) <= high:
            if name != carried:
                return FAIL, _("needs the variant {name}; this bundle carries {carried}", name=name, carried=carried)
            if _numbers(driver) < _numbers(variant["driver"]):
                return FAIL, _("the variant {name} needs driver {driver}", name=name, driver=variant["driver"])
            return PASS, _("variant {name}", name=name)
    if variants:
        return FAIL, _("no variant of this bundle is for it")
    return FAIL, _("this bundle does not use a GPU; take `appliance-cuda`")


# -- room and places ---------------------------------------------------------------------------------------------------


def _room(wanted: Wanted) -> Iterator[Json]:
    installed = int(wanted.about.get("installed_bytes", 0)) or 3 * int(wanted.about.get("payload-bytes", 0))
    if installed:
        free = shutil.disk_usage(_there(wanted.prefix)).free
        need = int(installed * _ROOM)
        text = _("{free} are free at `{path}`; wanted {need}", free=_size(free), path=wanted.prefix, need=_size(need))
        yield _row("room", PASS if free >= need else FAIL, text)
    free = shutil.disk_usage(_there(wanted.home)).free
    text = _("{free} are free at `{path}`; wanted {need}", free=_size(free), path=wanted.home, need=_size(_HOME_BYTES))
    yield _row("room for data", PASS if free >= _HOME_BYTES else WARN, text)


def _places(wanted: Wanted) -> Iterator[Json]:
    kind, options = _mount(wanted.home)
    local = kind not in _REMOTE
    text = _("`{path}` lies on {kind}", path=wanted.home, kind=kind)
    yield _row("home", PASS if local else FAIL, text if local else text + _("; the store needs a local file system"))
    kind, options = _mount(wanted.prefix)
    yield _row(
        "prefix",
        FAIL if "noexec" in options or not _writable(wanted.prefix) else PASS,
        _("programs may not run from `{path}` (noexec)", path=wanted.prefix)
        if "noexec" in options
        else _("`{path}` can be written", path=wanted.prefix)
        if _writable(wanted.prefix)
        else _("`{path}` cannot be written; be root, or name another `--prefix`", path=wanted.prefix),
    )
    noexec = "noexec" in _mount(Path("/tmp"))[1]  # noqa: S108 - looked at only
    yield _row(
        "temporary files", PASS, _("noexec; nothing is run from there") if noexec else _("programs may run from there")
    )


def _mount(path: Path) -> tuple[str, set[str]]:
    """Return the file system's type and the mount options of where `path` lies or would lie (proc(5), mountinfo)."""
    there = str(_there(path).resolve())
    best: tuple[str, str, set[str]] = ("", "?", set())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _dash, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        if (there == point or there.startswith(point.rstrip("/") + "/")) and len(point) >= len(best[0]):
            best = (point, right.split()[0], set(left.split()[5].split(",")))
    return best[1], best[2]


def _there(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _writable(path: Path) -> bool:
    return _there(path).is_dir() and os.access(_there(path), os.W_OK)


def _port(wanted: Wanted) -> Iterator[Json]:
    if "serve" not in wanted.about.get("services", ()):
        return
    if wanted.port in _listening():
        ours = (wanted.prefix / "current").exists()
        text = _("port {port} is taken", port=wanted.port)
        yield _row(
            "port",
            PASS if ours else FAIL,
            text + (_(", by the release in use") if ours else _("; choose another with `--port`")),
        )
    else:
        yield _row("port", PASS, _("port {port} is free", port=wanted.port))


def _listening() -> set[int]:
    # proc(5): local address and port in hexadecimal, state 0A is LISTEN
    found = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        rows = Path(name).read_text().splitlines()[1:] if Path(name).exists() else []
        found |= {int(row.split()[1].rpartition(":")[2], 16) for row in rows if row.split()[3] == "0A"}
    return found


def _advisories(wanted: Wanted) -> Iterator[Json]:
    if _ADVISORIES not in wanted.about:
        return
    known = advice.told(wanted.about[_ADVISORIES])
    text = _("asked on {asked}, {days} days ago", asked=known["asked"], days=known["days"])
    text = text if known["asked"] else _("nobody was asked about known vulnerabilities")
    if known["found"]:
        text += _("; known vulnerabilities: {found}", found=", ".join(known["found"]))
    if known["old"]:
        text += _("; have newer ones brought: `skerry-bundle advisories`")
    yield _row("advisories", WARN if known["old"] or known["found"] else PASS, text)


# -- the system --------------------------------------------------------------------------------------------------------


def _clock(wanted: Wanted) -> Iterator[Json]:
    built, now = str(wanted.about.get("built", "2026-01-01T00:00:00Z")), time.time()
    made = time.mktime(time.strptime(built[:10], "%Y-%m-%d"))
    level = PASS if made - 86400 <= now <= made + _LONG_S else WARN
    today = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    text = _("it is {today}", today=today)
    yield _row(
        "clock",
        level,
        text
        if level == PASS
        else text + _("; the bundle was made on {built}: set the clock, certificates hang on it", built=built),
    )


def _umask(_wanted: Wanted) -> Iterator[Json]:
    # of the shell that started this: the command itself takes 077; a container's first process has none (proc(5))
    parent = Path(f"/proc/{os.getppid()}/status")
    said = re.findall(r"^Umask:\s+(\d+)", parent.read_text() if parent.is_file() else "", re.MULTILINE)
    mask = int(said[0], 8) if said else 0o022
    text = _("{mask:03o}; modes are set by the installer", mask=mask)
    yield _row(
        "umask",
        WARN if mask & 0o022 != 0o022 else PASS,
        text if mask & 0o022 == 0o022 else text + _("; yours lets others write, take 022 or 077"),
    )


def _openssl(_wanted: Wanted) -> Iterator[Json]:
    program = shutil.which("openssl")
    if program:
        said = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout.strip()
        yield _row("openssl", PASS, said)
    else:
        text = _("not here; `VERIFY.SH` takes a digest on paper in its place, and P-384 is checked in plain Python")
        yield _row("openssl", WARN, text)


def _selinux(wanted: Wanted) -> Iterator[Json]:
    if not _SELINUX.exists() or _SELINUX.read_text().strip() != "1":
        yield _row("selinux", PASS, _("not enforcing"))
        return
    rules = [
        f"semanage fcontext -a -t bin_t '{wanted.prefix}/(bin|releases/[^/]+/(venv|runtime)/bin)(/.*)?'",
        f"semanage fcontext -a -t lib_t '{wanted.prefix}/releases/[^/]+/(venv|runtime)/lib(/.*)?'",
        f"semanage fcontext -a -t var_lib_t '{wanted.home}(/.*)?'",
        f"restorecon -R {wanted.prefix} {wanted.home}",
    ]
    yield _row(
        "selinux",
        WARN,
        _("enforcing; load these rules after the installation:") + "".join(f"\n    {rule}" for rule in rules),
    )


def _fapolicyd(wanted: Wanted) -> Iterator[Json]:
    if "fapolicyd" not in _running():
        yield _row("fapolicyd", PASS, _("not running"))
        return
    rules = [f"fapolicyd-cli --file add {wanted.prefix}/ --trust-file skerry", "fapolicyd-cli --update"]
    yield _row(
        "fapolicyd",
        WARN,
        _("running; before the installation trust the folder, and again after it:")
        + "".join(f"\n    {rule}" for rule in rules),
    )


def _running() -> set[str]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            found.add(path.read_text().strip())
        except OSError:
            continue  # it has just ended
    return found


def _services(_wanted: Wanted) -> Iterator[Json]:
    from bundle.units import systemd_runs

    root = os.geteuid() == 0
    if systemd_runs():
        yield _row("services", PASS, _("systemd starts them"))
    else:
        yield _row(
            "services",
            PASS,
            _("no systemd here: start `skerry serve` by other means")
            if root
            else _("not root: no services, start `skerry serve` yourself"),
        )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _size(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"


_CHECKS: list[Callable[[Wanted], Iterator[Json]]] = [
    _python, _libc, _processor, _page_size, _memory, _gpu, _room, _places, _port, _clock, _umask, _openssl, _advisories, _selinux, _fapolicyd, _services,
]  # fmt: skip
