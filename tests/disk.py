"""A disk whose power can be cut: ext4 on a loop device, shut down at once and mounted again.

The shutdown writes nothing more, not even the journal (ext4's EXT4_GOING_FLAGS_NOLOGFLUSH, fs/ext4/ioctl.c), so that
what was not fsynced is gone. `commit=600` keeps ext4 from writing the journal by itself meanwhile.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2
_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS, unshare(2)


class Disk:
    """One file system in a file, mounted at `path`."""

    def __init__(self, folder: Path, size_bytes: int = 1 << 28) -> None:
        missing = [name for name in ("mkfs.ext4", "mount", "umount", "losetup") if not shutil.which(name)]
        if missing or os.geteuid() != 0:
            pytest.skip(f"needs root and {', '.join(missing) or 'its rights'}")
        _leave_mounts_of_others()
        self.image, self.path = folder / "disk.img", folder / "disk"
        self.path.mkdir(parents=True)
        with self.image.open("wb") as file:
            file.truncate(size_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)

    def mount(self) -> None:
        """Mount it. Skips where loop devices cannot be had."""
        options = ["-o", "loop,commit=600"]
        if subprocess.run(["mount", *options, self.image, self.path], capture_output=True, check=False).returncode:
            pytest.skip("needs loop devices and ext4")

    def unmount(self) -> None:
        """Unmount it if it is mounted, once nobody holds it any longer: a program's own mount namespace may outlive it for a moment."""
        until = time.monotonic() + 20
        while (
            self.path.is_mount() and subprocess.run(["umount", self.path], capture_output=True, check=False).returncode
        ):
            assert time.monotonic() < until, f"{self.path} stays busy"
            time.sleep(0.05)
        while subprocess.run(["losetup", "-j", self.image], capture_output=True, check=True).stdout:
            assert time.monotonic() < until, f"{self.image} stays busy"
            time.sleep(0.05)

    def keep(self, copy: Path) -> None:
        """Copy the whole disk, as it is now, to `copy`."""
        self.unmount()
        subprocess.run(["cp", "--sparse=always", self.image, copy], check=True)
        self.mount()

    def restore(self, copy: Path) -> None:
        """Put the disk back to what `copy` holds."""
        self.unmount()
        subprocess.run(["cp", "--sparse=always", copy, self.image], check=True)
        self.mount()

    def cut(self, running: subprocess.Popen[bytes]) -> None:
        """Cut the power under a program, which must take whatever it started with it, and start the machine again."""
        handle = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.ioctl(handle, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(handle)
        running.kill()
        running.wait()
        self.unmount()
        self.mount()


def _leave_mounts_of_others() -> None:
    # Whoever makes a mount namespace meanwhile gets a copy of every mount that he sees, and so would keep the disk alive.
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS):
        pytest.skip(f"needs a mount namespace of its own: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
