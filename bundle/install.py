"""From a stick to a release in use: check the machine, verify, fill a slot, prove it, turn to it.

A slot is filled at its final place, since an environment does not move; its file `COMPLETE` is written last, when all
else has reached the disk. A slot without it is nothing: the next installation removes it and starts over. What changes
the site comes after that, in `bundle.turn`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bundle import advice, tls, units
from bundle.errors import HardwareError, IntegrityError, MissingPartError, NotFoundError, PolicyError, UsageError
from bundle.manifest import MANIFEST, MODELS, PACKED, PROFILE, REQUIREMENTS, RUNTIME, WHEELS, files_below, parse, sha256
from bundle.preflight import FAIL, WARN, about, preflight
from bundle.sign import check, fingerprint, on_paper
from bundle.slots import (
    COMPLETE,
    Prefix,
    Programs,
    default_prefix,
    find_user,
    make_folder,
    profile,
    room_named,
    write_durably,
)
from bundle.trust import Keys, keep, trusted
from bundle.turn import Steps, check_doctor, command_of, skerry, turn
from bundle.verify import check_payload, read_parts, unpack
from bundle.words import _, tell

Json = dict[str, Any]

# Every package with a compiled part is imported once: a wheel for another machine shows itself here and not at work.
_IMPORTS = """
import importlib, importlib.metadata, sys
wanted = set()
for one in importlib.metadata.distributions():
    for file in one.files or ():
        if file.suffix == ".so" and ".libs" not in file.parts[0]:
            wanted.add(file.parts[0].split(".")[0])
for name in sorted(wanted):
    try:
        importlib.import_module(name)
    except ImportError as error:
        if (error.path or "").endswith(".so"):  # it is there and cannot be loaded; others only want a neighbour first
            raise
print(len(wanted))
"""

# The models that answer now must answer under the new release too; pointers and folders are only read.
_PREDICT = """
import json, pathlib, sys
home = pathlib.Path(sys.argv[1])
pointers = sorted(home.glob("projects/*/releases/[!.]*.json"))
if pointers:
    from appliance import engine
for pointer in pointers:
    model = engine.load(home / json.loads(pointer.read_text("utf-8"))["folder"])
    assert len(model.predict(["self-test"])) == 1
print(len(pointers))
"""

# A GPU that was asked for must be used by what computes on it.
_GPU = """
import importlib.util, sys
used = {}
if importlib.util.find_spec("torch"):
    import torch
    used["torch"] = torch.cuda.is_available()
if importlib.util.find_spec("onnxruntime"):
    import onnxruntime
    used["onnxruntime"] = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
if not used or not all(used.values()):
    sys.exit("not on the GPU: " + (", ".join(name for name in used if not used[name]) or "nothing here computes on one"))
"""

# The appliance's own key signs what leaves the machine; `status` shows its fingerprint.
_SIGNER = """
try:
    from appliance.keys import key_folder
    from appliance.settings import home_folder, load
    from appliance.signature import fingerprint, public_key
except ModuleNotFoundError:
    raise SystemExit
home = home_folder()
print(fingerprint(public_key(key_folder(home, load(home).store.key_folder))))
"""

# Base models are found through links, so that those which the site added lie beside them and stay. A name that the
# site has taken is left alone.
_LINK = """
import os, pathlib, sys
folder, models, *names = map(pathlib.Path, sys.argv[1:])
folder.mkdir(mode=0o700, parents=True, exist_ok=True)
for name in names:
    link = folder / name
    if not os.path.lexists(link):
        link.symlink_to(models / name)
"""

# Paths stand in the command's script and in units, where these mean something.
_PLAIN = re.compile(r"[^\s\"'$`\\%;&|<>(){}*?\[\]#!]+")
_COMMAND = """\
#!/bin/sh
# Whatever release is in use. Root becomes the site's user.
{defaults}
export {names} PYTHONDONTWRITEBYTECODE=1
{become}exec {program} "$@"
"""
_BECOME = """\
if [ "$(id -u)" = 0 ]; then exec setpriv --reuid={user} --regid={user} --clear-groups {program} "$@"; fi
"""


def install(
    source: Path,
    prefix: Path | None = None,
    vendor_key: Path | None = None,
    second: Path | None = None,
    sm2: Path | None = None,
    home: Path | None = None,
    keys: Path | None = None,
    user: str | None = None,
    lan: Sequence[str] = (),
    names: Sequence[str] = (),
    port: int | None = None,
    gpu: bool | None = None,
    services: bool | None = None,
    allow_serial: int | None = None,
    runtime: Path | None = None,
) -> Json:
    """Install the stick, staging folder or unpacked payload `source` and turn to it; given again it goes on after a cut.

    `vendor_key` is the trusted public key (at the first time; then the one kept in the prefix), `second` and `sm2` are
    others whose signatures are demanded from now on. `lan` are the networks
    that may ask the server, `names` what its certificate says beside the machine's name; `services` decides over systemd units (default: root on a machine that systemd started);
    `user` is who they run as. What is not given stays as it was. `allow_serial` is an older serial that the operator typed.

    Raises `HardwareError` for a machine that cannot take it, `IntegrityError` for bytes that were not signed,
    `PolicyError` for an older serial, `InputError` for a release that does not pass its checks: then the old one is in use.
    """
    place, steps = Prefix(prefix or default_prefix()), Steps()
    if about(source).get(advice.ADVISES):
        return advice.renew(source, place, trusted(place.path, vendor_key, second, sm2))
    _check_options(lan, port, [place.path, home, keys])
    with steps("preflight", _("looked at this machine")):
        _require_machine(source, place, home, port, bool(gpu), runtime)
    with room_named(place.path), place.locked() as lock:
        given = {
            "home": home,
            "keys": keys,
            "user": user,
            "lan": list(lan) or None,
            "names": list(names) or None,
            "port": port,
            "gpu": gpu,
        }
        trust = trusted(place.path, vendor_key, second, sm2)
        with steps("verify", _("checked every file against the vendor's signature")):
            payload, trust = _verified(source, place, trust, allow_serial)
            carried = runtime or next(
                (path for path in [place.staging / RUNTIME] if payload != source and path.is_file()), None
            )
        if payload != source:  # the list of parts knows less than the payload
            _require_machine(payload, place, home, port, bool(gpu), carried)
        _require_kind(place, profile(payload))
        site = _site(place, profile(payload), given, services)
        programs = Programs(Path(site["home"]), Path(site["keys"]) if site["keys"] else None, site["user"], lock)
        slot = _slot(place, payload)
        if not (slot / COMPLETE).is_file():
            _fill(place, slot, payload, carried, site["gpu"], programs, steps)
        _prepare_site(place, slot, site, programs, steps)
        signer = [slot / "venv" / "bin" / "python", "-I", "-c", _SIGNER]
        site["appliance"] = programs.run(signer, _("cannot make the appliance's key")).strip() or None
        keep(place, trust)
        state = turn(place, slot, site, programs, "install", steps)
        _tidy(place, state)
    return {
        "ok": True,
        "version": profile(slot)["version"],
        "serial": state["serial"],
        "slot": str(slot),
        "command": str(command_of(place, profile(slot))),
        "previous": state["previous"],
        "vendor": on_paper(fingerprint(place.vendor_key)),
        "installed_bytes": _bytes_below(slot),
        "seconds": steps.seconds,
    }


# -- before anything is written ----------------------------------------------------------------------------------------


def _check_options(lan: Sequence[str], port: int | None, folders: Sequence[Path | None]) -> None:
    for one in lan:
        units.network(one)
    if port is not None and not 0 < port < 65536:
        raise UsageError(_("`--port {port}`: a port is a number from 1 to 65535", port=port))
    for path in filter(None, folders):
        if not _PLAIN.fullmatch(str(path)):
            raise UsageError(
                _(
                    "`{path}` has a space or a sign that scripts and services take otherwise; name another folder",
                    path=path,
                )
            )


def _require_machine(
    source: Path, place: Prefix, home: Path | None, port: int | None, gpu: bool, runtime: Path | None
) -> None:
    report = preflight(source, place.path, home, port, gpu, runtime)
    if (source / PROFILE).is_file():  # the last look: told once
        for check in report["checks"]:
            if check["level"] == WARN:
                tell(f"{WARN}  {check['name']}: {check['text']}")
    faults = [check["text"] for check in report["checks"] if check["level"] == FAIL]
    if faults:
        raise HardwareError(_("this machine cannot take it:\n{faults}", faults="\n".join(faults)))


def _verified(source: Path, place: Prefix, keys: Keys, allow_serial: int | None) -> tuple[Path, Keys]:
    """Return the payload's folder and the keys that signed it, once every byte was checked and its serial is admitted."""
    if (source / MANIFEST).is_file():
        signed = check(source / MANIFEST, keys.vendor, keys.second, keys.sm2)
        check_payload(
            source, parse(signed.decode("ascii", "replace"), MANIFEST).header, keys.vendor, keys.second, keys.sm2
        )
        payload = source
    else:
        payload, keys = _unpacked(source, place, keys)
    _require_serial(place, profile(payload), allow_serial)
    return payload, keys


def _unpacked(source: Path, place: Prefix, keys: Keys) -> tuple[Path, Keys]:
    if source.absolute() != place.staging:
        from bundle.receive import receive

        receive(source, place.staging, keys.vendor, keys.second, keys.sm2, discard=True)
    listing, signer = read_parts(place.staging, keys.vendor, keys.second, keys.sm2)
    base = next((slot for slot in place.slots() if sha256(slot / MANIFEST) == listing.header.get("base")), None)
    payload = unpack(place.staging, keys.vendor, base, keys.second, keys.sm2)
    return payload, replace(keys, vendor=signer)


def _require_serial(place: Prefix, about: Mapping[str, Any], allowed: int | None) -> None:
    highest = place.highest_serial()
    if about["serial"] < highest and allowed != about["serial"]:
        raise PolicyError(
            _(
                "serial {serial} is older than {highest}, which was in use here; `--allow-serial {serial}` takes it all the same",
                serial=about["serial"],
                highest=highest,
            )
        )


def _require_kind(place: Prefix, about: Mapping[str, Any]) -> None:
    """An add-on and the appliance do not take turns in one prefix: each would switch the other off."""
    current = place.current()
    if current and profile(current).get("own", True) != about.get("own", True):
        raise PolicyError(
            _(
                "`{prefix}` holds `{there}`; give `{name}` folders of its own, as `--prefix /opt/{name} --home /var/lib/{name}`",
                prefix=place.path,
                there=profile(current).get("profile"),
                name=about.get("profile"),
            )
        )


def _site(place: Prefix, about: Mapping[str, Any], given: Mapping[str, Any], services: bool | None) -> Json:
    """Return where the site's things lie: what was given, else what it was, else the defaults of root or a user."""
    root = os.geteuid() == 0
    usual: Json = {
        "home": "/var/lib/skerry" if root else str(Path("~/.skerry").expanduser()),
        "keys": "/etc/skerry/keys" if root else "",
        "lan": [],
        "names": [],
        "port": 8080,
        "gpu": False,
        "user": None,
    }
    was = {name: value for name, value in place.state().items() if name in usual}
    now = {name: str(value.absolute()) if isinstance(value, Path) else value for name, value in given.items()}
    site = usual | was | {name: value for name, value in now.items() if value is not None}
    site["units"] = units.systemd_runs() if services is None else services
    site["services"] = [name for name in about.get("services", ()) if name in units.KNOWN]
    if site["units"] and site["user"] is None:
        site["user"] = "skerry"
    folder = Path(site["keys"]).parent if site["keys"] else Path("~/.config/skerry").expanduser()
    site["tls"] = str(folder / "tls")
    return site


# -- the slot ----------------------------------------------------------------------------------------------------------


def _slot(place: Prefix, payload: Path) -> Path:
    """Return the slot of this payload: `VERSION`, or `VERSION-SERIAL` where another build of that version lies."""
    about = profile(payload)
    usual = place.releases / about["version"]
    same = not (usual / COMPLETE).is_file() or sha256(usual / MANIFEST) == sha256(payload / MANIFEST)
    return usual if same else place.releases / f"{about['version']}-{about['serial']}"


def _fill(
    place: Prefix, slot: Path, payload: Path, runtime: Path | None, gpu: bool, programs: Programs, steps: Steps
) -> None:
    place.remove(slot)
    make_folder(slot, 0o755)
    try:
        with steps("files", _("laid the payload's files into `{slot}`", slot=slot)):
            _copy_files(payload, slot, payload == place.staging.with_name("staging-payload"))
        with steps("python", _("made the environment")):
            python = _python(slot, runtime, place.current(), programs)
            programs.run(
                [python, "-I", "-m", "venv", "--without-pip", slot / "venv"],
                _("cannot make the environment"),
                as_user=False,
            )
        with steps("wheels", _("installed the wheels")):
            _install_wheels(slot, programs)
        with steps("compile", _("compiled them")):
            _compile(slot, programs)
        if profile(slot).get("packed"):
            with steps("models", _("unpacked the base models")):
                _unpack_models(slot, programs)
        with steps("selftest", _("tried the new release by itself")):
            self_test(slot, programs, gpu)
        with steps("flush", _("everything has reached the disk")):
            os.sync()
            write_durably(slot / COMPLETE, f"{sha256(slot / MANIFEST)}\n".encode(), 0o644)
    except Exception:
        place.remove(slot)
        raise


def _copy_files(payload: Path, slot: Path, ours: bool) -> None:
    """Lay the payload into the slot; a payload that was unpacked here is linked, since nobody else may write to it."""
    for name in files_below(payload):
        target = slot / name
        make_folder(target.parent, 0o755)
        if ours:
            os.link(payload / name, target)
        else:
            shutil.copyfile(payload / name, target)
        target.chmod(0o644)
    faults = {path: digest for path, digest in files_below(payload).items() if sha256(slot / path) != digest}
    if faults:
        raise IntegrityError(_("`{path}` changed while it was copied", path=min(faults)))


def _python(slot: Path, runtime: Path | None, before: Path | None, programs: Programs) -> Path:
    """Return the Python that the environment is made from: the carried one, that of the release before, else the host's.

    A delta leaves out a runtime that has not changed; its files are linked, since nobody writes to them.
    """
    wanted = profile(slot)["python"]
    if runtime:
        return _unpack_runtime(runtime, slot / "runtime", programs)
    kept = before / "runtime" if before else None
    if (
        before
        and kept
        and kept.is_dir()
        and not (kept / "bin" / "conda-unpack").exists()
        and profile(before)["python"] == wanted
    ):
        shutil.copytree(kept, slot / "runtime", symlinks=True, copy_function=os.link)
        return slot / "runtime" / "bin" / "python3"
    found = host_python(wanted)
    if not found:
        raise MissingPartError(
            _("no Python {version} here, and the bundle carries no `{name}`", version=wanted, name=RUNTIME)
        )
    return found


def _unpack_runtime(packed: Path, folder: Path, programs: Programs) -> Path:
    """Unpack RUNTIME.TGZ and return its Python. A site's own conda environment has links, and is told once where it lies.

    Only headers and bytes come from `tarfile`; regular files and links to within are made here, all else is refused.
    """
    make_folder(folder, 0o755)
    with tarfile.open(packed, "r|gz") as stream:
        for member in stream:
            target = folder / member.name
            content = stream.extractfile(member) if member.isreg() else None
            if not _leads_inside(folder, folder, member.name) or not (content or member.issym()):
                raise IntegrityError(_("`{name}` in `{path}` is no plain file", name=member.name, path=packed))
            make_folder(target.parent, 0o755)
            if content:
                with target.open("xb") as file:
                    shutil.copyfileobj(content, file)
                target.chmod(0o755 if member.mode & 0o100 else 0o644)
            elif _leads_inside(folder, target.parent, member.linkname):
                target.symlink_to(member.linkname)
            else:
                raise IntegrityError(_("`{name}` in `{path}` leads outside", name=member.name, path=packed))
    python, moved = folder / "bin" / "python3", folder / "bin" / "conda-unpack"
    if moved.is_file():
        programs.run([python, moved], _("cannot unpack `{path}`", path=packed), as_user=False)
    return python


def _leads_inside(top: Path, start: Path, name: str) -> bool:
    """Tell whether `name`, read from `start`, stays below `top`: relative, going up at its beginning only, and not too far."""
    steps = name.split("/")
    up = next((number for number, step in enumerate(steps) if step != ".."), len(steps))
    depth = len(start.resolve().relative_to(top.resolve()).parts)
    return up <= depth and not name.startswith("/") and ".." not in steps[up:] and "\0" not in name


def host_python(version: str) -> Path | None:
    """Return the host's Python of that version (`3.11`), or None."""
    names = [f"/usr/bin/python{version}", f"python{version}", "python3", sys.executable]
    ask = "import sys, venv; print(*sys.version_info[:2], sep='.'); print(sys.executable)"
    for name in filter(None, map(shutil.which, names)):
        done = subprocess.run([name, "-I", "-c", ask], capture_output=True, text=True, check=False)
        found, _newline, program = done.stdout.strip().partition("\n")
        if done.returncode == 0 and found == version:
            return Path(program)
    return None


def _install_wheels(slot: Path, programs: Programs) -> None:
    # no address is known to either, and each wheel must have the digest that the signed list gives it
    offline = ["--no-index", "--find-links", slot / WHEELS, "--require-hashes", "-r", slot / REQUIREMENTS]
    with _scratch(slot) as scratch:
        uv = _uv(slot, scratch)
        python = slot / "venv" / "bin" / "python"
        if uv:
            cache = ["--cache-dir", scratch / "cache", "--link-mode", "hardlink"]
            command = [
                uv,
                "pip",
                "install",
                "--no-config",
                "--offline",
                "--quiet",
                "--python",
                python,
                *cache,
                *offline,
            ]
        else:
            command = [
                python,
                "-I",
                *_pip(slot),
                "--isolated",
                "install",
                "--no-cache-dir",
                "--no-compile",
                "--quiet",
                *offline,
            ]
        environment = {**programs.environment(), "TMPDIR": str(scratch)}
        programs.run(command, _("cannot install the wheels"), environment, as_user=False)


@contextmanager
def _scratch(slot: Path) -> Iterator[Path]:
    # inside the slot: `/tmp` may be small, or forbid programs
    scratch = slot / "scratch"
    scratch.mkdir(mode=0o700)
    yield scratch
    shutil.rmtree(scratch)


def _uv(slot: Path, scratch: Path) -> Path | None:
    """Return the carried `uv`: the runtime's, or the one out of its wheel."""
    beside = slot / "runtime" / "bin" / "uv"
    wheel = profile(slot).get("tools", {}).get("uv")
    if beside.is_file() or not wheel:
        return beside if beside.is_file() else None
    with zipfile.ZipFile(slot / wheel) as packed:
        name = next(name for name in packed.namelist() if name.endswith(".data/scripts/uv"))
        program = scratch / "uv"
        program.write_bytes(packed.read(name))
        program.chmod(0o700)
    runs = subprocess.run([program, "--version"], capture_output=True, check=False, env={})
    return program if runs.returncode == 0 else None


def _pip(slot: Path) -> list[str | Path]:
    # a wheel can be run as it is; `ensurepip` needs no network either
    wheel = profile(slot).get("tools", {}).get("pip")
    if wheel:
        return [slot / wheel / "pip"]
    subprocess.run([slot / "venv" / "bin" / "python", "-I", "-m", "ensurepip"], capture_output=True, check=True)
    return ["-m", "pip"]


def _compile(slot: Path, programs: Programs) -> None:
    # Nobody may write into the slot later on, so what is not compiled now is compiled at every start. A package may
    # carry files for another Python: those fail here and are not used.
    program = (
        "import compileall, re, sys\n"
        "for folder in sys.argv[2:]:\n"
        "    compileall.compile_dir(folder, rx=re.compile('/tests?/'), quiet=2, workers=int(sys.argv[1]))"
    )
    workers = 0 if os.access("/dev/shm", os.W_OK) else 1  # noqa: S108 - several talk there; 0 is one a core
    command = [
        slot / "venv" / "bin" / "python",
        "-I",
        "-c",
        program,
        workers,
        slot / "venv" / "lib",
        slot / "runtime" / "lib",
    ]
    programs.run(command, _("cannot compile"), as_user=False)


def _unpack_models(slot: Path, programs: Programs) -> None:
    """Unpack base models that travelled as wheels, with the new release's own code, to the bytes that were signed for.

    The signed `profile.json` has the one SHA-256 over all files of each. Raises `IntegrityError` for other bytes.
    """
    for name, digest in profile(slot)["packed"].items():
        with tempfile.TemporaryDirectory(prefix="skerry-") as folder:
            environment = programs.environment(Path(folder) / "home", Path(folder) / "keys")
            environment["SKERRY_BASES__FOLDER"] = str(slot / MODELS)
            command = [skerry(slot), "base", "fetch", name, "--wheelhouse", slot / MODELS / PACKED]
            programs.run(command, _("cannot unpack the base model `{name}`", name=name), environment, as_user=False)
        made = slot / MODELS / name
        files = sorted((path, one) for path, one in files_below(made).items() if path != "base.json")
        # as `appliance.base.folder` makes one digest of many
        if hashlib.sha256(json.dumps(files, separators=(",", ":")).encode()).hexdigest() != digest:
            raise IntegrityError(_("the base model `{name}` was not unpacked to what was signed", name=name))
        for path in (made, *made.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


def self_test(slot: Path, programs: Programs, gpu: bool = False) -> None:
    """Import all that is compiled, look for the GPU if one is wanted, run `skerry doctor` on an empty home, let the live models answer.

    Raises `InputError` for what does not work. The site's own home is only read.
    """
    python = slot / "venv" / "bin" / "python"
    programs.run([python, "-I", "-c", _IMPORTS], _("a library does not work on this machine"))
    if gpu:
        programs.run([python, "-I", "-c", _GPU], _("a GPU was asked for"))
    if not profile(slot).get("own", True):
        return
    with tempfile.TemporaryDirectory(prefix="skerry-") as folder:
        if programs.user:
            shutil.chown(folder, programs.user)
        tried = programs.environment(Path(folder) / "home", Path(folder) / "keys")
        tried["SKERRY_BASES__FOLDER"] = str(slot / MODELS)
        programs.run([skerry(slot), "init"], _("the new release cannot make a home"), tried)
        check_doctor(programs.run([skerry(slot), "doctor", "--json"], _("the new release does not work"), tried))
    programs.run([python, "-I", "-c", _PREDICT, programs.home], _("a live model does not answer"))


# -- the site ----------------------------------------------------------------------------------------------------------


def _prepare_site(place: Prefix, slot: Path, site: Mapping[str, Any], programs: Programs, steps: Steps) -> None:
    """Make what the site lacks: user, home, keys, links to the base models, certificate, command, units."""
    if site["units"] and site["user"] == "skerry":
        _make_user(site)
    for folder in filter(None, (site["home"], site["keys"])):
        make_folder(Path(folder).parent, 0o755)
        if not Path(folder).is_dir():
            Path(folder).mkdir(mode=0o700)
            if site["user"]:
                shutil.chown(folder, site["user"], find_user(site["user"]).pw_gid)
    _write_command(place, site, profile(slot))
    if profile(slot).get("models"):
        _link_models(place, slot, programs)
    if "serve" in site["services"] and tls.possible(slot):
        with steps("tls", _("the server has a certificate")):
            tls.certify(slot, Path(site["tls"]), programs, site["names"])
    if site["units"]:
        units.write(place, site)


def _make_user(site: Mapping[str, Any]) -> None:
    try:
        find_user(site["user"])
    except NotFoundError:
        command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin"]
        done = subprocess.run([*command, "--home-dir", site["home"], site["user"]], capture_output=True, check=False)
        if done.returncode:
            raise MissingPartError(_("cannot make the user `skerry`; make one, then give it by `--user`")) from None


def _write_command(place: Prefix, site: Mapping[str, Any], about: Mapping[str, Any]) -> None:
    command = command_of(place, about)
    defaults = {"SKERRY_HOME": site["home"], "SKERRY_STORE__KEY_FOLDER": site["keys"]}
    for name, value in about.get("environment", {}).items():
        defaults[name] = value.format(home=site["home"])
    lines = [f': "${{{name}:={value}}}"' for name, value in defaults.items()]
    words = {"defaults": "\n".join(lines), "names": " ".join(defaults), "user": site["user"]}
    words["program"] = place.link / "venv" / "bin" / command.name
    words["become"] = _BECOME.format(**words) if site["user"] not in (None, "root") else ""
    make_folder(command.parent, 0o755)
    write_durably(command, _COMMAND.format(**words).encode(), 0o755)


def _link_models(place: Prefix, slot: Path, programs: Programs) -> None:
    found = programs.home / "bases"
    python = slot / "venv" / "bin" / "python"
    names = profile(slot)["models"]
    programs.run([python, "-I", "-c", _LINK, found, place.link / MODELS, *names], _("cannot link the base models"))


def _tidy(place: Prefix, state: Mapping[str, Any]) -> None:
    """Remove the slots that neither serve nor are the way back, and what was unpacked."""
    current = place.current()
    for slot in place.releases.iterdir():
        if slot != current and slot.name != state["previous"]:
            place.remove(slot)
    for folder in (place.staging, place.staging.with_name("staging-payload")):
        shutil.rmtree(folder, ignore_errors=True)


def _bytes_below(folder: Path) -> int:
    """Return what the files below `folder` occupy, each once however many links it has."""
    found = {
        path.stat().st_ino: path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    return sum(found.values())
