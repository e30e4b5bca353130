"""The egress rig: run a command under strace and list every attempt to leave this machine, DNS included.

`python tests/egress.py COMMAND...` runs the command in an environment that tempts it to talk (proxies, telemetry exporters,
a model hub), prints what it tried and exits with 1 if there was anything. strace sees the children too, and what C
libraries do behind Python's back; with `--seccomp-bpf` it stops only at the traced calls and costs little.
"""

from __future__ import annotations

import ipaddress
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

# 192.0.2.0/24 and `.invalid` belong to nobody (RFC 5737, RFC 6761): a leak ends nowhere.
HOSTILE = {
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
_LOCAL = {"AF_UNIX", "AF_LOCAL", "AF_NETLINK", "AF_UNSPEC"}
_ADDRESS = re.compile(
    r"sa_family=(?P<family>AF_\w+)(?:, sin6?_port=htons\((?P<port>\d+)\))?"
    r'(?:[^}]*?(?:inet_addr\(|inet_pton\(AF_INET6, )"(?P<host>[^"]+)")?'
)
_CALL = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg)\(")


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
    return (mapped or address).is_loopback


def sealed(command: list[str]) -> list[str]:
    """Wrap a command so that it runs in a network namespace of its own in which only loopback exists."""
    own = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    return [*own, "sh", "-c", 'ip link set lo up && exec "$@"', "sealed", *command]


def watch(
    command: list[str],
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float = 600,
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run a command under strace; return how it ended and its attempts to leave this machine.

    `environment` is added to the current one without proxy exceptions.
    """
    # ONNX Runtime is silent where `CI` is set: the watched command must not be told
    inherited = {key: value for key, value in os.environ.items() if key.lower() not in ("no_proxy", "ci")}
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace"
        # -s 0: the log holds addresses and no payload
        strace = ["strace", "-f", "-qq", "-s", "0", "--seccomp-bpf", "-e", "trace=connect,sendto,sendmsg,sendmmsg"]
        done = subprocess.run(
            [*strace, "-o", str(trace), *command],
            env={key: value for key, value in (inherited | dict(environment or {})).items() if key != "CI"},
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        return done, list(parse(trace.read_text()))


def main() -> None:
    """Watch the command on the command line in the hostile environment."""
    done, attempts = watch(sys.argv[1:], environment=HOSTILE)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    for attempt in attempts:
        print(f"tried to leave: {attempt}", file=sys.stderr)
    sys.exit(1 if attempts else done.returncode)


if __name__ == "__main__":
    main()
