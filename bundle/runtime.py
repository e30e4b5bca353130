"""The carried runtime, RUNTIME.TGZ: a bare Python and openssl for machines that have none, in at most 60 MB.

It lies on a stick twice, so uv is not in it: that lies among the wheels, once.

CPython and the libraries it needs are compiled from Debian's source packages by `zig cc` against glibc 2.28 (RHEL 8,
Kylin V10, openEuler), each library as an archive that is linked into the module using it. So nothing in the runtime
needs a path: it runs wherever it is unpacked, read-only too. Two gates stand at the end: no file may ask for a newer
glibc or for a library that is not carried, and the result must run from where it was never meant to be.

Each step leaves a stamp of all that went into it: a build that was cut off goes on, an unchanged one is not made again.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import tarfile
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cmp_to_key, partial
from pathlib import Path
from typing import Any

from bundle import archive
from bundle.errors import InputError, IntegrityError, MissingPartError, NotFoundError, UsageError
from bundle.manifest import sha256
from bundle.words import _, tell

Json = dict[str, Any]

PYTHON = "3.11"
GLIBC = (2, 28)
TARGET = "x86_64-linux-gnu.2.28"
LIMIT_BYTES = 60_000_000
MOMENT = 315_532_800  # 1980-01-01: the one time of everything that is compiled and packed
IMPORTS = "import bz2, ctypes, ensurepip, hashlib, lzma, multiprocessing, pyexpat, sqlite3, ssl, venv, zlib"

# The libraries of glibc itself, and what GCC's C code needs: every glibc machine has them.
_OF_THE_HOST = re.compile(r"(lib(c|m|dl|pthread|rt|util|resolv|gcc_s)|ld-linux-x86-64)\.so\.\d+")
_SYMBOL = re.compile(r"Name: GLIBC_(\S+)")
_NEEDED = re.compile(r"\(NEEDED\).*\[(.+)\]")

_E_MACHINE = {"x86_64": 62, "aarch64": 183}

# `zig cc` refuses __DATE__ unless told; the paths of this machine must not get into the files.
_COMPILE = f"-target {TARGET} -O2 -g0 -fPIC -fno-sanitize=undefined -Wno-date-time -ffile-prefix-map=$work=/build"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_PROGRAMS = ("apt-get", "dpkg", "dpkg-source", "make", "patch", "perl", "readelf", "tclsh")


_EXPAT = "-DHAVE_GETRANDOM -DXML_NS -DXML_DTD -DXML_CONTEXT_BYTES=1024 -DBYTEORDER=1234 -Iexpat/lib"


@dataclass(frozen=True)
class Part:
    """One of Debian's source packages and the commands that compile it; `{stage}` is where libraries are put together."""

    name: str
    commands: tuple[str, ...]
    patches: str = "."
    """Which of Debian's patches are applied: those whose name holds this pattern."""
    environment: tuple[tuple[str, str], ...] = ()


PARTS = (
    Part("zlib", ("./configure --static --prefix={stage}", "make install")),
    Part(
        "bzip2",
        (
            "make libbz2.a CC=cc AR=ar RANLIB=ranlib",
            "install -D -t {stage}/lib libbz2.a",
            "install -D -t {stage}/include bzlib.h",
        ),
    ),
    Part(
        "xz-utils",
        (
            "./configure --prefix={stage} --disable-shared --disable-xz --disable-xzdec --disable-lzmadec"
            " --disable-lzmainfo --disable-scripts --disable-doc --disable-nls",
            "make {jobs} install",
        ),
    ),
    Part(
        "libffi",
        (
            # Memory that is writable and then executable is refused by SELinux; the table that avoids it needs a file.
            "./configure --prefix={stage} --disable-shared --disable-docs --disable-exec-static-tramp"
            " --disable-multi-os-directory",
            "make {jobs} install",
        ),
        patches="CVE",
    ),
    Part(
        "expat",
        (
            # Debian's archive has no configure script; these are the macros that it would find.
            "touch expat/lib/expat_config.h",
            *(f"cc {_EXPAT} -c expat/lib/{name}.c" for name in ("xmlparse", "xmlrole", "xmltok")),
            "ar rcs libexpat.a xmlparse.o xmlrole.o xmltok.o",
            "install -D -t {stage}/lib libexpat.a",
            "install -D -t {stage}/include expat/lib/expat.h expat/lib/expat_external.h",
        ),
    ),
    Part(
        "sqlite3",
        (
            "./configure --prefix={stage} --disable-shared --disable-tcl --disable-readline",
            "make sqlite3.c",
            "cc -DSQLITE_ENABLE_FTS5 -DSQLITE_ENABLE_RTREE -DSQLITE_ENABLE_MATH_FUNCTIONS"
            " -DSQLITE_ENABLE_COLUMN_METADATA -DSQLITE_ENABLE_DBSTAT_VTAB -DSQLITE_MAX_VARIABLE_NUMBER=250000"
            " -DHAVE_USLEEP -c sqlite3.c",
            "ar rcs libsqlite3.a sqlite3.o",
            "install -D -t {stage}/lib libsqlite3.a",
            "install -D -t {stage}/include sqlite3.h",
        ),
    ),
    Part(
        "openssl",
        (
            # These folders stand in the library: ones that only root can make, so that nothing a user plants is read.
            "perl Configure linux-x86_64 no-shared no-module no-dso no-engine no-tests enable-ec_nistp_64_gcc_128"
            " --prefix=/opt/skerry/runtime --libdir=lib --openssldir=/etc/skerry/ssl",
            "make {jobs} build_sw",
            "install -D -t {stage}/lib libcrypto.a libssl.a",
            "cp -r include/openssl {stage}/include/",
            "install -D -s -t {stage}/bin apps/openssl",
        ),
    ),
    Part(
        "python3.11",
        (
            "sed -i 's/^        self.add_multiarch_paths()$//' setup.py",
            # A repair of Debian's uses Python's inner headers, as a module that is built into the program may.
            "sed -i '1i #define Py_BUILD_CORE_MODULE 1' Modules/pyexpat.c",
            "./configure --prefix=/opt/skerry/runtime --with-openssl={stage} --with-system-expat --with-system-ffi"
            " --disable-test-modules --without-static-libpython --with-ensurepip=no",
            "make {jobs}",
        ),
        # Debian's layout (dist-packages, /usr/local, no ensurepip) stays out, its repairs come in.
        patches=r"CVE|gh-\d+|deadlock|crash|dereference",
        environment=(
            ("CPPFLAGS", "-I{stage}/include"),
            ("LDFLAGS", "-L{stage}/lib -s"),
            ("LIBS", "-lpthread -ldl"),
            ("OPT", "-DNDEBUG -fwrapv -O2 -Wall"),
        ),
    ),
)

# What a Python without these libraries, or without a screen, cannot build or use.
_DISABLED = "_crypt _curses _curses_panel _dbm _gdbm _tkinter _uuid nis ossaudiodev readline"
_LEFT_OUT = {"test", "tests", "idlelib", "lib2to3", "pydoc_data", "tkinter", "turtledemo", "turtle.py", "__pycache__"}


def carry(out: Path, conda_env: Path | None = None, sources: Path | None = None, cache: Path | None = None) -> Json:
    """The verb `runtime`: make RUNTIME.TGZ, or pack a conda environment in its place; return it with size and SHA-256."""
    made = pack_conda(conda_env, out) if conda_env else runtime(out, sources=sources, work=cache)
    return {"runtime": str(made), "bytes": made.stat().st_size, "sha256": sha256(made)}


def runtime(out: Path, python: str = PYTHON, sources: Path | None = None, work: Path | None = None) -> Path:
    """Compile the runtime and write it to `out`.

    `sources` is a folder of Debian's source packages, for a machine without apt; `work` is kept for the next time.
    Raises `UsageError` for another Python, `MissingPartError` for a program that is not here, `InputError` for a source
    that does not compile, `IntegrityError` for a file that fails a gate.
    """
    if python != PYTHON:
        raise UsageError(_("the runtime is Python {known}, not `{asked}`", known=PYTHON, asked=python))
    work = (work or _cache()).resolve()
    work.mkdir(parents=True, exist_ok=True)
    zig = _zig()
    _require(_PROGRAMS[2:] if sources else _PROGRAMS)
    found = _sources(sources or _fetch(work / "sources"))
    _write_tools(work / "tools", zig)
    digest = f"{_version(zig, 'version')} {_COMPILE}"
    for part in PARTS:
        source = found[part.name]
        digest = _step(work, part.name, f"{digest} {part} {sha256(source)}", partial(_compile, part, source, work))
    tree = work / "tree"
    _assemble(work, tree, {"zig": _version(zig, "version")}, found)
    check_libraries(tree)
    check_runs(tree)
    return pack(tree, out)


def pack(tree: Path, out: Path) -> Path:
    """Write the files of `tree` as RUNTIME.TGZ: the same files are the same bytes. Raises `InputError` above 60 MB."""
    with out.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        archive.write(tree, packed, MOMENT)  # type: ignore[arg-type]
    if out.stat().st_size > LIMIT_BYTES:
        raise InputError(
            _(
                "`{out}` has {size} bytes; a runtime has at most {limit}",
                out=out,
                size=out.stat().st_size,
                limit=LIMIT_BYTES,
            )
        )
    return out


def pack_conda(prefix: Path, out: Path) -> Path:
    """Pack a site's own conda environment in the runtime's place; `bin/conda-unpack` must run once at its final place.

    Raises `NotFoundError` where `prefix` is no environment with a Python, `InputError` for what conda-pack cannot move
    (an editable installation), `IntegrityError` for a file that asks for a newer glibc than the wheels do.
    """
    prefix = prefix.resolve()
    if not (prefix / "conda-meta").is_dir() or not (prefix / "bin" / "python3").exists():
        raise NotFoundError(_("`{prefix}` is no conda environment with a `bin/python3`", prefix=prefix))
    _refuse_editable(prefix)
    with tempfile.TemporaryDirectory(dir=out.resolve().parent) as scratch:
        tree = Path(scratch) / "tree"
        _conda_pack(prefix, tree)
        check_libraries(tree)
        return _write_with_links(tree, out)


def _refuse_editable(prefix: Path) -> None:
    # conda-pack sees the installations of pip only; what leads out of the environment in another way is as editable.
    for path in [
        *prefix.glob("lib/python3*/site-packages/*.egg-link"),
        *prefix.glob("lib/python3*/site-packages/*.pth"),
    ]:
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("/") and not Path(line).is_relative_to(prefix):
                raise InputError(
                    _("`{path}` leads to `{place}`: install that package without `-e`", path=path, place=line)
                )


def _conda_pack(prefix: Path, tree: Path) -> None:
    try:
        import conda_pack
    except ImportError:
        raise MissingPartError(_("conda-pack is not installed; run `pip install conda-pack`")) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an emptied package cache: it then looks for the prefix itself
            conda_pack.pack(prefix=str(prefix), output=str(tree), format="no-archive")
    except conda_pack.CondaPackException as error:
        raise InputError(_("conda-pack refuses `{prefix}`: {reason}", prefix=prefix, reason=error)) from error
    for stray in tree.glob("tmp*"):  # conda-pack leaves its temporary file in a folder
        if not (prefix / stray.name).exists():
            stray.unlink()


def check_libraries(tree: Path) -> None:
    """The gate: raise `IntegrityError` naming the file that asks for a glibc newer than 2.28 or for a library not carried.

    Versions are read by `readelf -V` (the ELF "version needs" section), libraries by `readelf -d` (DT_NEEDED).
    """
    files = [path for path in sorted(tree.rglob("*")) if path.is_file() and not path.is_symlink()]
    carried = {path.name for path in tree.rglob("*") if ".so" in path.name}
    for path in filter(_is_elf, files):
        text = _run(("readelf", "-V", "-d", "-W", str(path)))
        newest = max(map(_glibc, _SYMBOL.findall(text)), default=(0,))
        if newest > GLIBC:
            raise IntegrityError(
                _(
                    "`{path}` asks for GLIBC_{newest}; the oldest target has {known}",
                    path=path.relative_to(tree),
                    newest=".".join(map(str, newest)),
                    known=".".join(map(str, GLIBC)),
                )
            )
        for library in _NEEDED.findall(text):
            if library not in carried and not _OF_THE_HOST.fullmatch(library):
                raise IntegrityError(
                    _("`{path}` needs `{library}`, which is not carried", path=path.relative_to(tree), library=library)
                )


def check_machine(packed: Path, machine: str) -> None:
    """Raise `UsageError` for a RUNTIME.TGZ whose programs are for another machine than `machine` (`x86_64`, `aarch64`).

    A program's header says so in its field `e_machine` (System V ABI, "ELF Header"; numbers: its processor supplements).
    """
    with tarfile.open(packed, "r|gz") as stream:
        for member in stream:
            content = stream.extractfile(member) if member.isreg() and member.name.startswith("bin/") else None
            head = content.read(20) if content else b""
            if head.startswith(b"\x7fELF") and int.from_bytes(head[18:20], "little") != _E_MACHINE[machine]:
                raise UsageError(
                    _(
                        "`{path}` is no runtime for {machine}; leave `--runtime` out, or make one there",
                        path=packed,
                        machine=machine,
                    )
                )


def check_runs(tree: Path) -> None:
    """The other gate: raise `IntegrityError` unless the programs run from `tree` and Python has every module we need."""
    python = str(tree / "bin" / "python3")
    for command in (
        (python, "-I", "-B", "-c", IMPORTS),
        (str(tree / "bin" / "openssl"), "version"),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={"LC_ALL": "C.UTF-8"})
        if done.returncode:
            raise IntegrityError(
                _(
                    "`{command}` fails in the runtime: {reason}",
                    command=" ".join(command[:2]),
                    reason=done.stderr.strip(),
                )
            )


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _glibc(version: str) -> tuple[int, ...]:
    # `GLIBC_PRIVATE` and `GLIBC_ABI_DT_RELR` bind to one glibc or to a new one: newer than any number.
    numbers = version.split(".")
    return tuple(map(int, numbers)) if all(one.isdigit() for one in numbers) else (99,)


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "skerry" / "runtime"


def _require(programs: Iterable[str]) -> None:
    for program in programs:
        if not shutil.which(program):
            raise MissingPartError(
                _("`{program}` is not on this machine; the runtime is compiled with it", program=program)
            )


def _zig() -> Path:
    found = importlib.util.find_spec("ziglang")
    program = Path(found.origin).parent / "zig" if found and found.origin else Path(shutil.which("zig") or "")
    if not program.is_file():
        raise MissingPartError(_("no `zig` to compile with; run `pip install 'skerry[bundle]'`"))
    return program


def _version(program: Path, option: str) -> str:
    return _run((str(program), option)).strip()


def _run(command: Sequence[str], **options: Any) -> str:
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        raise InputError(
            _("`{command}` failed: {reason}", command=" ".join(command), reason=done.stderr.strip()[-1000:])
        )
    return done.stdout


def _step(work: Path, name: str, inputs: str, action: Callable[[], None]) -> str:
    """Run `action` unless its stamp says that it ended well on the same inputs; return what the next step depends on."""
    digest = hashlib.sha256(inputs.encode()).hexdigest()
    stamp = work / f"{name}.done"
    if not stamp.exists() or stamp.read_text() != digest:
        tell(_("compiling {name}", name=name))
        action()
        stamp.write_text(digest)
    return digest


def _write_tools(folder: Path, zig: Path) -> None:
    # Under the names that every configure script asks for, so that no path of this machine is written into the result.
    folder.mkdir(exist_ok=True)
    for name, command in (("cc", f"cc {_COMPILE}"), ("ar", "ar"), ("ranlib", "ranlib")):
        (folder / name).write_text(f'#!/bin/sh\nwork={shlex.quote(str(folder.parent))}\nexec "{zig}" {command} "$@"\n')
        (folder / name).chmod(0o755)


def _environment(work: Path) -> dict[str, str]:
    return {
        "PATH": f"{work / 'tools'}:{os.environ['PATH']}",
        "CC": "cc",
        "AR": "ar",
        "RANLIB": "ranlib",
        "PKG_CONFIG_LIBDIR": str(work / "stage" / "lib" / "pkgconfig"),
        "ZIG_GLOBAL_CACHE_DIR": str(work / "zig"),
        "ZIG_LOCAL_CACHE_DIR": str(work / "zig"),
        "SOURCE_DATE_EPOCH": str(MOMENT),
        "LC_ALL": "C",
        "TZ": "UTC",
    }


def _compile(part: Part, source: Path, work: Path) -> None:
    """Unpack one source package anew, apply its patches, run its commands; their output goes to `PART.log`."""
    tree, stage = work / part.name, work / "stage"
    shutil.rmtree(tree, ignore_errors=True)
    _run(("dpkg-source", "--no-check", "--no-copy", "--skip-patches", "-x", str(source), str(tree)))
    for patch in _patches(tree, part.patches):
        _run(("patch", "-p1", "--no-backup-if-mismatch", "-i", str(patch)), cwd=tree)
    if part.name.startswith("python"):
        (tree / "Modules" / "Setup.local").write_text("*disabled*\n" + "\n".join(_DISABLED.split()) + "\n")
    places = {"stage": stage, "jobs": f"-j{os.cpu_count() or 1}"}
    environment = _environment(work) | {name: value.format(**places) for name, value in part.environment}
    with (work / f"{part.name}.log").open("wb") as log:
        for command in part.commands:
            words = shlex.split(command.format(**places))
            if subprocess.run(words, cwd=tree, env=environment, stdout=log, stderr=log, check=False).returncode:
                raise InputError(_("`{command}` failed; `{log}` says why", command=command, log=log.name))


def _patches(tree: Path, pattern: str) -> Iterator[Path]:
    series = tree / "debian" / "patches" / "series"
    for line in series.read_text().splitlines() if series.exists() else ():
        name = line.partition("#")[0].split(" -")[0].strip()
        if name and re.search(pattern, name):
            yield series.parent / name


def _fetch(folder: Path) -> Path:
    """Fetch the source packages with the machine's own apt and Debian's keys, at most once a day."""
    if folder.exists() and time.time() - folder.stat().st_mtime < 86_400:
        return folder
    tell(_("fetching the source packages"))
    state = folder.with_name("apt")
    (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    archives = _archives()
    _run((*_apt(state, "all", archives), "-qq", "update"))
    each = [_apt(state, f"archive{number}", [line]) for number, line in enumerate(archives)]
    fresh = folder.with_name("sources.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for part in PARTS:
        _fetch_one(part.name, each, fresh)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
    return folder


def _archives() -> list[str]:
    """Return a line of `sources.list` for every archive of Debian's that this machine has its programs from."""
    signed = f" [signed-by={_KEYRING}]" if Path(_KEYRING).exists() else ""
    wanted = f"deb-src{signed} $(REPO_URI) $(RELEASE) $(COMPONENT)"
    lines = _run(("apt-get", "indextargets", "--format", wanted, "Created-By: Packages", "Origin: Debian")).splitlines()
    if not lines:
        raise NotFoundError(
            _("apt knows no archive of Debian's here; name a folder of source packages with `--sources`")
        )
    return sorted(set(lines))


def _apt(state: Path, name: str, archives: Iterable[str]) -> tuple[str, ...]:
    """Return `apt-get` with a state of its own, which sees these archives only."""
    listed = state / f"{name}.list"
    listed.write_text("".join(f"{line}\n" for line in archives))
    settings = {
        "Dir::Etc::sourcelist": listed,
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": state / "lists",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
    }
    return ("apt-get", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")))


def _fetch_one(name: str, archives: Iterable[tuple[str, ...]], folder: Path) -> None:
    """Fetch the newest version that an archive really serves, and say so where it names a newer one."""
    offers = []
    for apt in archives:
        listed = subprocess.run(
            ("apt-cache", *apt[1:], "showsrc", "--only-source", name), capture_output=True, text=True, check=False
        )
        offers += [(version, apt) for version in re.findall(r"^Version: (\S+)", listed.stdout, re.MULTILINE)]
    for version, apt in sorted(offers, key=cmp_to_key(_compare), reverse=True):
        source = ("-qq", "source", "--download-only", "--only-source", f"{name}={version}")
        done = subprocess.run((*apt, *source), cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        tell(_("`{name}` {version} is named by an archive that does not serve it", name=name, version=version))
    raise NotFoundError(
        _("no source package `{name}` can be fetched; `--sources` names a folder that has it", name=name)
    )


def _compare(one: tuple[str, object], other: tuple[str, object]) -> int:
    newer = subprocess.run(("dpkg", "--compare-versions", one[0], "gt", other[0]), check=False).returncode == 0
    return 1 if newer else -1


def _sources(folder: Path) -> dict[str, Path]:
    """Return the description (`.dsc`) of each part's source package."""
    found = {}
    for part in PARTS:
        candidates = sorted(folder.glob(f"{part.name}_*.dsc"))
        if len(candidates) != 1:
            raise NotFoundError(
                _(
                    "`{folder}` holds {count} source packages of `{name}`, not one",
                    folder=folder,
                    count=len(candidates),
                    name=part.name,
                )
            )
        found[part.name] = candidates[0]
    return found


def _assemble(work: Path, tree: Path, versions: Json, sources: dict[str, Path]) -> None:
    """Lay the runtime out: programs, library, modules, licences, and `runtime.json`, which says what it was made of."""
    shutil.rmtree(tree, ignore_errors=True)
    python, library = work / f"python{PYTHON}", tree / "lib" / f"python{PYTHON}"
    shutil.copytree(python / "Lib", library, ignore=lambda _folder, names: _LEFT_OUT & set(names))
    (library / "lib-dynload").mkdir()
    for module in python.glob("build/lib.*/*.so"):
        shutil.copy(module, library / "lib-dynload" / module.name)
    for data in python.glob("build/lib.*/_sysconfigdata_*.py"):
        (library / data.name).write_text(data.read_text().replace(str(work), "/build"))
    (tree / "bin").mkdir()
    for name, program in (("python3", python / "python"), ("openssl", work / "stage/bin/openssl")):
        shutil.copy(program, tree / "bin" / name)
        (tree / "bin" / name).chmod(0o755)
    _add_licences(work, tree / "licenses")
    about = {"format": "skerry-runtime-1", "python": PYTHON, "glibc": ".".join(map(str, GLIBC)), **versions}
    about["sources"] = [_described(name, source) for name, source in sources.items()]
    (tree / "runtime.json").write_text(json.dumps(about, indent=1) + "\n")


def _add_licences(work: Path, folder: Path) -> None:
    folder.mkdir()
    for part in PARTS:
        shutil.copy(work / part.name / "debian" / "copyright", folder / f"{part.name}.txt")


def _described(name: str, source: Path) -> Json:
    text = source.read_text("utf-8")
    version = re.search(r"^Version: (\S+)", text, re.MULTILINE)
    files = re.findall(r"^ ([0-9a-f]{64}) \d+ (\S+)", text, re.MULTILINE)
    return {"name": name, "version": version[1] if version else "", "files": {file: digest for digest, file in files}}


def _write_with_links(tree: Path, out: Path) -> Path:
    """Write a conda environment: its links stay links, as long as they stay inside."""
    names = sorted(path for path in tree.rglob("*") if path.is_symlink() or path.is_file())
    for path in names:
        if not path.resolve().is_relative_to(tree.resolve()):
            raise InputError(_("`{path}` is a link to outside the environment", path=path.relative_to(tree)))
    with (
        out.open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in names:
            tar.add(path, path.relative_to(tree).as_posix(), recursive=False, filter=_plain)
    return out


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname = MOMENT, 0, 0, "", ""
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member
