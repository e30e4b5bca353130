"""The prefix that holds the installed releases: its names, its state, the one switch, and how its programs are run.

A prefix::

    releases/VERSION/    a slot: the payload's files, `venv/`, and `COMPLETE`, written last
    current              a link to the slot in use: replacing it is the switch
    state.json           serials, history, where home and keys lie; outlives every slot
    vendor.pem           the key that a later bundle is checked with; `second.pem` and `sm2.pem` where those are trusted too
    bin/skerry           the command of whatever slot is in use
    staging/  .lock

Whatever is written here is written under a temporary name, fsynced, renamed, and its folder fsynced (rename(2) is
atomic; fsync(2) of the folder makes the name durable), so that a cut leaves the old or the new.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bundle import manifest
from bundle.errors import BusyError, HardwareError, InputError, IntegrityError, MissingPartError, NotFoundError
from bundle.words import _

Json = dict[str, Any]
COMPLETE = "COMPLETE"
_LOCK_WAIT_S = 10.0
_LOOK_S = 1.0  # how often a program that keeps its pipes open is looked after
_HISTORY_KEPT = 50
# as `appliance.environment` has them: libraries must not call out while they are tried (ONNX Runtime does when imported)
_SILENT = (
    "DO_NOT_TRACK",
    "HF_HUB_DISABLE_TELEMETRY",
    "HF_HUB_OFFLINE",
    "ORT_DISABLE_TELEMETRY",
    "TRANSFORMERS_OFFLINE",
)
_HANDED_ON = ("HOME", "PATH", "LANG", "LC_ALL", "LC_MESSAGES", "SKERRY_LANG")


def default_prefix() -> Path:
    """Return `/opt/skerry` for root, `~/.local/share/skerry` for anybody else."""
    return Path("/opt/skerry") if os.geteuid() == 0 else Path("~/.local/share/skerry").expanduser()


class Prefix:
    """The folder of installed releases. Only this class writes `current` and `state.json`."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.releases = self.path / "releases"
        self.link = self.path / "current"
        self.vendor_key, self.second_key, self.sm2_key = (
            self.path / name for name in ("vendor.pem", "second.pem", "sm2.pem")
        )
        self.staging = self.path / "staging"
        self.state_file = self.path / "state.json"
        self.command = self.path / "bin" / "skerry"

    def slots(self) -> list[Path]:
        """List the complete slots, by name."""
        return sorted(path.parent for path in self.releases.glob(f"[!.]*/{COMPLETE}"))

    def current(self) -> Path | None:
        """Return the slot in use. Raises `IntegrityError` when `current` leads anywhere but to a complete slot."""
        if not self.link.is_symlink():
            return None
        slot = self.path / self.link.readlink()
        if slot.parent != self.releases or not (slot / COMPLETE).is_file():
            raise IntegrityError(
                _("`{link}` does not lead to a complete slot; run `skerry-bundle rollback`", link=self.link)
            )
        return slot

    def switch(self, slot: Path | None) -> None:
        """Make `slot` the one in use, in one rename(2); `None` takes the link away."""
        if slot is None:
            self.link.unlink()
        else:
            temporary = self.path / ".current.new"
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(slot.relative_to(self.path))
            temporary.rename(self.link)
        fsync(self.path)

    def state(self) -> Json:
        """Read `state.json`; `{}` before the first installation. Raises `IntegrityError` when it cannot be read."""
        if not self.state_file.exists():
            return {}
        try:
            return dict(json.loads(self.state_file.read_bytes()))
        except ValueError as error:
            raise IntegrityError(
                _(
                    "`{path}` is damaged; put back a backup, or move it away and install with `--allow-serial`",
                    path=self.state_file,
                )
            ) from error

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Replace `state.json`, the newest 50 lines of history in it."""
        kept = {**state, "history": list(state.get("history", []))[-_HISTORY_KEPT:]}
        write_durably(self.state_file, json.dumps(kept, indent=1, sort_keys=True).encode() + b"\n", 0o644)

    def highest_serial(self) -> int:
        """Return the highest serial that was ever in use here; 0 before the first."""
        current = self.current()
        return max(int(self.state().get("serial", 0)), profile(current)["serial"] if current else 0)

    def remove(self, slot: Path) -> None:
        """Remove a slot that is not in use: first its mark, so that a cut leaves no half of it that looks whole."""
        if slot.exists():
            (slot / COMPLETE).unlink(missing_ok=True)
            fsync(slot)
            shutil.rmtree(slot)

    @contextmanager
    def locked(self) -> Iterator[int]:
        """Let one installation at a time in. Yields the lock's handle, for programs that must hold it too.

        A program that outlives a killed installer keeps the lock until it ends. Raises `BusyError` after 10 seconds.
        """
        make_folder(self.path, 0o755)
        handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(handle, self.path)
            yield handle
        finally:
            os.close(handle)


def _take(handle: int, where: Path) -> None:
    until = time.monotonic() + _LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise BusyError(
                    _("another installation is at work in `{path}`; try again later", path=where)
                ) from error
            time.sleep(0.1)


def profile(slot: Path) -> Json:
    """Read the `profile.json` of a slot or payload. Raises `InputError` when it is none."""
    path = slot / manifest.PROFILE
    try:
        content = dict(json.loads(path.read_bytes()))
        content["serial"] = int(content["serial"])
        content["version"], content["python"] = str(content["version"]), str(content["python"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(_("cannot read `{path}`; make the bundle again", path=path)) from error
    manifest.check_path(content["version"])
    return content


# -- files -------------------------------------------------------------------------------------------------------------


def fsync(path: Path) -> None:
    """Make a file's content, or the names in a folder, durable (fsync(2))."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path: Path, content: bytes, mode: int) -> None:
    """Replace a file so that a cut leaves the old content or the new. `mode` is its mode, whatever the umask."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    fsync(path.parent)


def make_folder(path: Path, mode: int) -> None:
    """Make a folder and what lies above it; `mode` is the mode of the folders made here, whatever the umask."""
    if not path.is_dir():
        make_folder(path.parent, mode)
        path.mkdir(exist_ok=True)
        path.chmod(mode)
        fsync(path.parent)


@contextmanager
def room_named(where: Path) -> Iterator[None]:
    """Turn a full disk, and any other refusal of the system, into an error that says what to do next."""
    try:
        yield
    except OSError as error:
        raise HardwareError(
            _(
                "cannot write below `{path}`: {reason}; free some room or check its owner, then give the same command again",
                path=where,
                reason=error.strerror or type(error).__name__,
            )
        ) from error


# -- programs ----------------------------------------------------------------------------------------------------------


class Programs:
    """How the programs of a slot are run: as which user, with which home and keys, holding which lock."""

    def __init__(self, home: Path, keys: Path | None, user: str | None, lock: int) -> None:
        self.home, self.keys, self.user, self.lock = home, keys, user, lock

    def environment(self, home: Path | None = None, keys: Path | None = None) -> dict[str, str]:
        """Return the few variables that a program gets; `home` and `keys` other than the site's are for tries."""
        kept = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
        kept |= {**dict.fromkeys(_SILENT, "1"), "OTEL_SDK_DISABLED": "true"}
        kept |= {"SKERRY_HOME": str(home or self.home), "PYTHONDONTWRITEBYTECODE": "1"}
        if self.user:
            kept["HOME"] = find_user(self.user).pw_dir
        folder = keys or self.keys
        return kept | ({"SKERRY_STORE__KEY_FOLDER": str(folder)} if folder else {})

    def run(
        self,
        command: Sequence[object],
        what: str,
        environment: Mapping[str, str] | None = None,
        as_user: bool = True,
    ) -> str:
        """Run a program to its end and return its output. `what` is the sentence for when it fails.

        As the site's user its files are private (umask 077); else they are the slot's, which everybody may read (022).

        Raises `InputError` with the last lines of what it said, `MissingPartError` when it is not there.
        """
        words = [str(word) for word in command]
        try:
            done = _to_its_end(
                words,
                env=dict(environment or self.environment()),
                pass_fds=[self.lock],
                umask=0o077 if as_user else 0o022,
                **(_identity(self.user) if as_user and self.user else {}),
            )
        except (FileNotFoundError, PermissionError) as error:
            raise MissingPartError(
                _("{what}: `{command}`: {said}", what=what, command=words[0], said=error.strerror)
            ) from error
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip() or f"{done.returncode}").splitlines()[-3:]
            shown = words[: words.index("-c")] if "-c" in words else words[:4]
            raise InputError(
                _("{what}: `{command}`: {said}", what=what, command=shlex.join(shown), said="\n".join(said))
            )
        return done.stdout


def _to_its_end(command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    # Whoever kills a program (the kernel does, for want of memory) leaves its workers behind: they would hold the pipes
    # and the lock for ever, so they go with it.
    pipes: Json = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, cwd="/", start_new_session=True, **pipes, **options) as running:
        try:
            while True:
                with suppress(subprocess.TimeoutExpired):
                    said, complained = running.communicate(timeout=_LOOK_S)
                    return subprocess.CompletedProcess(command, running.returncode, said, complained)
                if running.poll() is not None:
                    _end_session(running)
        except BaseException:
            _end_session(running)
            raise


def _end_session(running: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGKILL)


def _identity(user: str) -> Json:
    # subprocess takes these from Python 3.9 on
    entry = find_user(user)
    if entry.pw_uid == os.geteuid():
        return {}
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def find_user(user: str) -> pwd.struct_passwd:
    """Return the account called `user`. Raises `NotFoundError`."""
    try:
        return pwd.getpwnam(user)
    except KeyError as error:
        raise NotFoundError(
            _("there is no user `{user}`; make it with `useradd --system {user}`", user=user)
        ) from error
