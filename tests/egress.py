"""The egress rig: run a command under strace and list every attempt to leave this machine, DNS included.

`python tests/egress.py COMMAND...` runs the command in an environment that tempts it to talk (proxies, telemetry exporters,
a model hub), prints what it tried and exits with 1 if there was anything. strace sees the children too, and what C
libraries do behind Python's back; with `--seccomp-bpf` it stops only at the traced calls and costs little.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from appliance.selftest.watch import TEMPTING, parse

HOSTILE = TEMPTING  # the same temptation and the same reading of traces as `skerry selftest --airgap`


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
