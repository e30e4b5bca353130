"""The egress rig sees what it must see: each test plants a leak, or none."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from tests import egress

PYTHON = sys.executable
needs_strace = pytest.mark.skipif(
    not shutil.which("strace"), reason="`strace` is not installed: apt-get install strace"
)
needs_namespace = pytest.mark.skipif(
    not (shutil.which("unshare") and shutil.which("ip")),
    reason="`unshare` or `ip` is not installed: apt-get install util-linux iproute2",
)

LOOPBACK = """
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).sendall(b"x")
one, other = socket.socketpair()
one.sendall(b"x")
"""
DATAGRAM = """
import socket
socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).connect(("2001:db8::1", 443))
"""


@needs_strace
def test_a_program_that_stays_at_home_leaves_no_trace() -> None:
    done, attempts = egress.watch([PYTHON, "-c", LOOPBACK])
    assert done.returncode == 0, done.stderr
    assert attempts == []


@needs_strace
def test_a_planted_request_is_seen() -> None:
    code = "import requests; requests.get('http://192.0.2.9/', timeout=0.2)"
    _done, attempts = egress.watch([PYTHON, "-c", code])
    assert attempts == ["connect AF_INET 192.0.2.9:80"]


@needs_strace
def test_a_planted_request_is_seen_through_a_hostile_proxy() -> None:
    code = "import requests; requests.get('http://telemetry.invalid/', timeout=0.2)"
    _done, attempts = egress.watch([PYTHON, "-c", code], environment=egress.HOSTILE)
    assert attempts == ["connect AF_INET 192.0.2.1:3128"]


@needs_strace
def test_a_name_look_up_is_seen() -> None:
    """A look-up counts even where the name server answers on loopback."""
    code = "import contextlib, socket\nwith contextlib.suppress(OSError): socket.getaddrinfo('telemetry.invalid', 80)"
    _done, attempts = egress.watch([PYTHON, "-c", code])
    assert attempts
    assert all(attempt.endswith(":53") for attempt in attempts)


@needs_strace
def test_a_child_and_ipv6_are_seen() -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {DATAGRAM!r}])"
    _done, attempts = egress.watch([PYTHON, "-c", code])
    assert attempts == ["connect AF_INET6 2001:db8::1:443"]


@needs_strace
@needs_namespace
def test_the_sealed_namespace_has_loopback_and_nothing_else() -> None:
    done, _attempts = egress.watch(egress.sealed([PYTHON, "-c", LOOPBACK]))
    assert done.returncode == 0, done.stderr
    done, attempts = egress.watch(egress.sealed([PYTHON, "-c", DATAGRAM]))
    assert "Network is unreachable" in done.stderr or "Cannot assign requested address" in done.stderr
    assert attempts == ["connect AF_INET6 2001:db8::1:443"]


@needs_strace
def test_the_rig_as_a_command_fails_on_a_leak() -> None:
    quiet = subprocess.run([PYTHON, egress.__file__, PYTHON, "-c", "print('at home')"], capture_output=True, text=True)
    assert (quiet.returncode, quiet.stdout) == (0, "at home\n")
    leaky = subprocess.run([PYTHON, egress.__file__, PYTHON, "-c", DATAGRAM], capture_output=True, text=True)
    assert leaky.returncode == 1
    assert "tried to leave: connect AF_INET6 2001:db8::1:443" in leaky.stderr


@pytest.mark.parametrize(
    ("line", "seen"),
    [
        ('7 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("10.0.0.1")}, 16) = 0', ["connect AF_INET 10.0.0.1:443"]),
        ('7 connect(3, {sa_family=AF_INET, sin_port=htons(443), sin_addr=inet_addr("127.0.0.9")}, 16) = 0', []),
        ('7 connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}, 28) = 0', []),
        ('7 connect(3, {sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), inet_pton(AF_INET6, "::ffff:127.0.0.1", &sin6_addr), sin6_scope_id=0}, 28) = 0', []),
        ('7 sendto(4, ""..., 9, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.53")}, 16) = 9', ["sendto AF_INET 127.0.0.53:53"]),
        ('7 connect(3, {sa_family=AF_UNIX, sun_path="/run/x"}, 110) = 0', []),
        ('7 sendto(3, [{nlmsg_len=20}], 20, 0, {sa_family=AF_NETLINK, nl_pid=0}, 12) = 20', []),
        ('7 connect(3, {sa_family=AF_VSOCK, svm_cid=0x2}, 16) = 0', ["connect AF_VSOCK None:None"]),
        (
            '7 sendmmsg(4, [{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}}}, '
            '{msg_hdr={msg_name={sa_family=AF_INET, sin_port=htons(9), sin_addr=inet_addr("10.0.0.3")}}}], 2, 0) = 2',
            ["sendmmsg AF_INET 10.0.0.2:53", "sendmmsg AF_INET 10.0.0.3:9"],
        ),
        ('7 +++ exited with 0 +++ sa_family=AF_INET', []),
    ],
)  # fmt: skip
def test_the_trace_is_read_right(line: str, seen: list[str]) -> None:
    assert list(egress.parse(line)) == seen
