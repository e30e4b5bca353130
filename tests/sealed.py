"""A sealed machine: a Debian root of its own, loopback alone, sticks that nobody can write to; as root, in namespaces(7).

The root is an overlay, so that the debootstrap tree below it stays as it was. It is entered by pivot_root(2) and not by
chroot(2), since systemd makes user namespaces for its services, and the kernel forbids that in a chroot.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest

_PROGRAMS = ("unshare", "nsenter", "mount", "pivot_root", "ip")
_BOOT = """
set -e
init=$1 lower=$2 upper=$3
shift 3
ip link set lo up
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper/up,workdir=$upper/work" "$upper/root"
cd "$upper/root"
while [ $# -gt 0 ]; do
  mkdir -p ".$1"
  mount --bind "$2" ".$1"
  mount -o remount,ro,bind ".$1"
  shift 2
done
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
[ "$init" != systemd ] || mount -t cgroup2 none sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for one in null zero full random urandom tty; do touch dev/$one; mount --bind /dev/$one dev/$one; done
mkdir dev/shm dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
mkdir -p old
pivot_root . old
umount -l old
echo ready
case $init in
systemd) exec env -i container=other PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --log-target=journal --show-status=false ;;
*) exec sleep infinity ;;
esac
"""


class Sealed:
    """One machine. `mounts` are folders of this one that lie there read-only, by their path there."""

    def __init__(self, root: Path, folder: Path, mounts: Mapping[str, Path], systemd: bool = False) -> None:
        missing = [name for name in _PROGRAMS if not shutil.which(name)]
        if missing or os.geteuid() != 0:
            pytest.skip(f"needs root and {', '.join(missing) or 'its rights'}")
        self.folder, self.systemd = folder, systemd
        self.group = _control_group() if systemd else None
        for name in ("up", "work", "root"):
            (folder / name).mkdir(parents=True)
        pairs = [word for where, path in mounts.items() for word in (where, str(path))]
        spaces = ["-n", "-m", "-p", "-i", "-u", *(["-C"] if systemd else [])]
        joined = f"echo $$ > {self.group}/cgroup.procs; " if self.group else ""
        command = ["unshare", *spaces, "--fork", "--kill-child", "--propagation", "private", "sh", "-c", _BOOT, "boot"]
        self.outside = subprocess.Popen(
            ["sh", "-c", joined + 'exec "$@"', "sh", *command, "systemd" if systemd else "none", root, folder, *pairs],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.outside.stdout
        assert self.outside.stdout.readline() == "ready\n", "the sealed machine does not start"
        self.init = Path(f"/proc/{self.outside.pid}/task/{self.outside.pid}/children").read_text().strip()
        if systemd:
            self._wait_for_systemd()

    def _wait_for_systemd(self) -> None:
        until = time.monotonic() + 60
        while self.run("systemctl", "is-system-running", code=None).stdout.strip() not in ("running", "degraded"):
            assert time.monotonic() < until, "systemd does not come up"
            time.sleep(0.5)

    def command(self, *words: object) -> list[str]:
        """Return the command line that runs `words` there, as root."""
        spaces = ["-m", "-p", "-n", "-i", "-u", *(["-C"] if self.systemd else [])]
        enter = ["nsenter", "-t", self.init, *spaces, "--root", "--wd", "env", "-i"]
        return [*enter, "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", *map(str, words)]

    def run(self, *words: object, code: int | None = 0, seconds: float = 900) -> subprocess.CompletedProcess[str]:
        """Run a program there; any exit code but `code` fails (None: any will do)."""
        done = subprocess.run(
            self.command(*words), capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL
        )
        assert code is None or done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def close(self) -> None:
        """Switch it off and take its files away."""
        with suppress(ProcessLookupError):
            os.kill(int(self.init), signal.SIGKILL)
        self.outside.communicate()
        shutil.rmtree(self.folder)
        if self.group:
            for group in sorted(self.group.rglob("*/"), reverse=True):
                group.rmdir()
            self.group.rmdir()


def _control_group() -> Path:
    """Make a control group for systemd to rule in. Skips where there is no unified hierarchy (cgroups(7))."""
    lines = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    mounted = [Path(words[1]) for words in lines if words[2] == "cgroup2"]
    group = mounted[0] / f"skerry-{os.getpid()}" if mounted else None
    try:
        assert group
        group.mkdir()
    except (AssertionError, OSError):
        pytest.skip("needs a cgroup2 hierarchy that can be written to")
    return group
