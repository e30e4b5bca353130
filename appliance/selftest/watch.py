"""Watch a command from outside: in a network namespace with nothing but loopback, under strace, every attempt to leave counted.

A network namespace of its own has no interface but a loopback that is down (network_namespaces(7)); strace sees the children too,
and what C libraries do behind Python's back; with `--seccomp-bpf` it stops at the traced calls alone and costs little.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from appliance.words import _

__all__ = ["PLANTED", "TEMPTING", "Watch", "Watched", "parse", "watch"]

# 192.0.2.0/24 and `.invalid` belong to nobody (RFC 5737, RFC 6761): a leak ends nowhere.
TEMPTING = {
    **dict.fromkeys(
        ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), "http://192.0.2.1:3128"
    ),
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://192.0.2.2:4318",
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_SDK_DISABLED": "false",
    "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
    "HF_ENDPOINT": "http://hub.invalid",
    "HF_HUB_OFFLINE": "0",
    "TRANSFORMERS_OFFLINE": "0",
    "DO_NOT_TRACK": "0",
    "ORT_DISABLE_TELEMETRY": "0",
}
# What the positive control tries: a connection, and a question to a name server.
PLANTED = ("connect AF_INET 192.0.2.9:443", "sendto AF_INET 192.0.2.53:53")
# -s 0: the log holds addresses and no payload
_STRACE = ("strace", "-f", "-qq", "-s", "0", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-o")
_LOCAL = {"AF_UNIX", "AF_LOCAL", "AF_NETLINK", "AF_UNSPEC"}
_ADDRESS = re.compile(
    r"sa_family=(?P<family>AF_\w+)(?:, sin6?_port=htons\((?P<port>\d+)\))?"
    r'(?:[^}]*?(?:inet_addr\(|inet_pton\(AF_INET6, )"(?P<host>[^"]+)")?'
)
_CALL = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg)\(")
_GET_FLAGS, _SET_FLAGS, _UP = 0x8913, 0x8914, 1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP: netdevice(7)
_IFREQ = "16sH22x"  # struct ifreq: the name, the flags, the rest of its 40 bytes


@dataclass(frozen=True, slots=True)
class Watched:
    """How a command ended; `attempts` lists what tried to leave, None where nothing counted them."""

    code: int
    output: str
    errors: str
    seconds: float
    attempts: list[str] | None


@dataclass(frozen=True, slots=True)
class Watch:
    """How commands are run: `namespace` is what puts them into one, `traced` tells that strace counts; `faults` say what is missing."""

    namespace: tuple[str, ...] = ()
    traced: bool = False
    faults: tuple[str, ...] = ()

    def run(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], timeout_s: float = 3600
    ) -> Watched:
        """Run a command in `folder`, which also takes the trace. What it left running is ended with it."""
        trace = folder / "trace"
        trace.unlink(missing_ok=True)
        traced = (*_STRACE, str(trace)) if self.traced else ()
        up = (*self.namespace, sys.executable, "-m", "appliance.selftest.watch") if self.namespace else ()
        begin = time.monotonic()
        code, output, errors = _run([*up, *traced, *command], folder, environment, timeout_s)
        seconds = time.monotonic() - begin
        attempts = list(parse(trace.read_text("utf-8", "replace"))) if trace.exists() else None
        return Watched(code, output, errors, seconds, attempts)


def watch(airgap: bool) -> Watch:
    """Return how this machine can watch: for `airgap` in a namespace and under strace, and what it lacks for that."""
    if not airgap:
        return Watch()
    faults = []
    namespace: tuple[str, ...] = ("unshare", "-n") if os.geteuid() == 0 else ("unshare", "-Urn")
    if not shutil.which("unshare") or subprocess.run([*namespace, "true"], capture_output=True).returncode:
        namespace = ()
        faults.append(
            _("no network namespace can be had (`unshare`, of util-linux); run it as root, or allow user namespaces")
        )
    traced = shutil.which("strace") is not None
    if not traced:
        faults.append(
            _("`strace` is not installed, so attempts to leave were not counted; install it from the system's packages")
        )
    return Watch(namespace, traced, tuple(faults))


def parse(trace: str) -> Iterator[str]:
    """Yield `call family host:port` for each address in an strace log that is not on this machine; port 53 counts anywhere."""
    for line in trace.splitlines():
        call = _CALL.search(line)
        for found in _ADDRESS.finditer(line) if call else ():
            if found["family"] not in _LOCAL and not (_loopback(found["host"]) and found["port"] != "53"):
                yield f"{call[1]} {found['family']} {found['host']}:{found['port']}"  # type: ignore[index]


def _loopback(host: str | None) -> bool:
    if host is None:
        return False
    address = ipaddress.ip_address(host)
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _run(command: list[str], folder: Path, environment: Mapping[str, str], timeout_s: float) -> tuple[int, str, str]:
    with subprocess.Popen(
        command, cwd=folder, env=dict(environment), text=True, errors="replace",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    ) as child:  # fmt: skip
        try:
            output, errors = child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            output, errors = "", _("still not done after {seconds} s", seconds=timeout_s)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    return child.returncode, output, errors


def raise_loopback() -> None:
    """Set the flag that brings `lo` up in this process's network namespace; `ip link set lo up` without the program `ip`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _GET_FLAGS, struct.pack(_IFREQ, b"lo", 0))
        flags = struct.unpack(_IFREQ, answer)[1]
        fcntl.ioctl(any_socket, _SET_FLAGS, struct.pack(_IFREQ, b"lo", flags | _UP))


def plant() -> None:
    """Try what must be counted: the positive control. Exits with 1 when something got out."""
    left = False
    for kind, address in ((socket.SOCK_STREAM, ("192.0.2.9", 443)), (socket.SOCK_DGRAM, ("192.0.2.53", 53))):
        with socket.socket(socket.AF_INET, kind) as planted:
            planted.settimeout(1)
            try:
                planted.connect(address) if kind == socket.SOCK_STREAM else planted.sendto(b"?", address)
                left = True
            except OSError:
                continue
    sys.exit(1 if left else 0)


def main() -> None:
    """With `--plant` be the positive control; else bring loopback up and become the command."""
    if sys.argv[1:] == ["--plant"]:
        plant()
    raise_loopback()
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - a list, no shell


if __name__ == "__main__":
    main()
