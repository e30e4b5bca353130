"""A disk whose power can be cut: ext4 on a loop device, shut down at once and mounted again.

The shutdown writes nothing more, not even the journal (ext4's EXT4_GOING_FLAGS_NOLOGFLUSH, fs/ext4/ioctl.c), so that
what was not fsynced is gone. `commit=600` keeps ext4 from writing the journal by itself meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2


class Disk:
    """One file system in a file, mounted at `path`."""

    def __init__(self, folder: Path, size_bytes: int = 1 << 28) -> None:
        missing = [name for name in ("mkfs.ext4", "mount", "umount") if not shutil.which(name)]
        if missing or os.geteuid() != 0:
            pytest.skip(f"needs root and {', '.join(missing) or 'its rights'}")
        self.image, self.path = folder / "disk.img", folder / "disk"
        self.path.mkdir()
        with self.image.open("wb") as file:
            file.truncate(size_bytes)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)

    def mount(self) -> None:
        """Mount it. Skips where loop devices cannot be had."""
        options = ["-o", "loop,commit=600"]
        if subprocess.run(["mount", *options, self.image, self.path], capture_output=True, check=False).returncode:
            pytest.skip("needs loop devices and ext4")

    def unmount(self) -> None:
        """Unmount it, once nobody holds it any longer."""
        for _attempt in range(100):
            if subprocess.run(["umount", self.path], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise AssertionError(f"{self.path} stays busy")

    def close(self) -> None:
        """Unmount it if it is mounted."""
        if os.path.ismount(self.path):
            self.unmount()

    def keep(self, copy: Path) -> None:
        """Copy the whole disk, as it is now, to `copy`."""
        self.unmount()
        subprocess.run(["cp", "--sparse=always", self.image, copy], check=True)
        self.mount()

    def restore(self, copy: Path) -> None:
        """Put the disk back to what `copy` holds."""
        self.close()
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
