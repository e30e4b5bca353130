"""The services of an installation: hardened systemd units where systemd runs, else the processes of the slots.

The server may talk to the networks that were asked for and to nothing else; the worker to nobody at all. Both run as a
user of their own and write to the home alone. `systemd-analyze security` gives each at most 2.0 (systemd.exec(5)).
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bundle.errors import BusyError, HardwareError, UsageError
from bundle.slots import Prefix, write_durably
from bundle.words import _, tell

Json = dict[str, Any]
FOLDER = Path("/etc/systemd/system")
SERVE, WORK, WATCH = "skerry-serve.service", "skerry-work.service", "skerry-serve.path"
LABEL_STUDIO = "skerry-label-studio.service"
KNOWN = ("serve", "work", "label-studio")
_DRAIN_S = 60.0
_PROGRAMS = ("/venv/bin/skerry", "/venv/bin/label-studio")

_HARDENED = """\
User={user}
Group={group}
UMask=0077
Environment=SKERRY_HOME={home}
Environment=SKERRY_STORE__KEY_FOLDER={keys}
Environment=PYTHONDONTWRITEBYTECODE=1
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome={protect_home}
ReadWritePaths={writable}
PrivateTmp=yes
PrivateDevices={private_devices}
DevicePolicy=closed
PrivateMounts=yes
PrivateIPC=yes
ProtectHostname=yes
ProtectClock=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectProc=invisible
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
KeyringMode=private
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @mount @swap @reboot @raw-io @module @debug @cpu-emulation @obsolete
SystemCallErrorNumber=EPERM
IPAddressDeny=any
"""

_SERVE = """\
[Unit]
Description=Skerry: answers over REST
After=network.target
Wants=skerry-serve.path

[Service]
ExecStart={command} serve --host {host} --port {port}{tls}
Restart=on-failure
RestartSec=5
TimeoutStopSec=45
LimitNOFILE=4096
{hardened}PrivateUsers=yes
MemoryDenyWriteExecute=yes
IPAddressAllow={allowed}

[Install]
WantedBy=multi-user.target
"""

_WORK = """\
[Unit]
Description=Skerry: runs queued jobs

[Service]
ExecStart={command} work
Restart=on-failure
RestartSec=5
TimeoutStopSec=45
{hardened}PrivateUsers=yes
PrivateNetwork=yes

[Install]
WantedBy=multi-user.target
"""

# It speaks no TLS: whoever shall come from elsewhere comes through a proxy on this machine that does.
_LABEL_STUDIO = """\
[Unit]
Description=Skerry: Label Studio
After=network.target

[Service]
ExecStart={addon} start --no-browser --internal-host 127.0.0.1 --port {port}
Restart=on-failure
RestartSec=5
TimeoutStopSec=45
{hardened}PrivateUsers=yes
IPAddressAllow=localhost

[Install]
WantedBy=multi-user.target
"""

# The server refuses to start before something was promoted: it is started when the first release appears. A path unit
# would start again what an operator has stopped (systemd.path(5)), so the two stop and start together.
_WATCH = """\
[Unit]
Description=Skerry: starts the server when there is a release
PartOf=skerry-serve.service

[Path]
PathExistsGlob={home}/projects/main/releases/*.json
Unit=skerry-serve.service

[Install]
WantedBy=multi-user.target
"""


def units(place: Prefix, site: Mapping[str, Any]) -> dict[str, str]:
    """Return the text of each unit by its name. `site` is what `state.json` says of home, keys, user, networks and port.

    Raises `UsageError` for a network that is none.
    """
    home, gpu = Path(site["home"]), bool(site.get("gpu"))
    hardened = _HARDENED.format(
        user=site["user"],
        group=site["user"],
        home=home,
        keys=site["keys"],
        writable=home,
        protect_home="read-only" if _at_home(home, place.path) else "yes",
        private_devices="no" if gpu else "yes",
    )
    if gpu:  # the driver's device nodes
        hardened += "DeviceAllow=char-nvidia rw\nDeviceAllow=char-nvidia-uvm rw\n"
    networks = [str(network(one)) for one in site["lan"]]
    words = {
        "command": place.link / "venv" / "bin" / "skerry",
        "addon": place.command.with_name("label-studio"),
        "hardened": hardened,
        "home": home,
        "host": "0.0.0.0" if networks else "127.0.0.1",  # noqa: S104 - IPAddressAllow names who may come
        "port": site["port"],
        "tls": f" --tls-cert {site['tls']}/server.pem --tls-key {site['tls']}/server.key" if site.get("tls") else "",
        "allowed": " ".join(["localhost", *networks]),
    }
    made = {SERVE: _SERVE, WATCH: _WATCH} if "serve" in site["services"] else {}
    made |= {WORK: _WORK} if "work" in site["services"] else {}
    made |= {LABEL_STUDIO: _LABEL_STUDIO} if "label-studio" in site["services"] else {}
    return {name: text.format(**words) for name, text in made.items()}


def _ours(site: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the units that this prefix may have: an add-on lets the appliance's alone."""
    return (LABEL_STUDIO,) if "label-studio" in site.get("services", ()) else (WATCH, SERVE, WORK)


def network(text: str) -> Any:
    """Read a network, as `192.168.10.0/24`. Raises `UsageError` for what is none."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise UsageError(_("`{text}` is no network; give one as `192.168.10.0/24`", text=text)) from error


def _at_home(*paths: Path) -> bool:
    return any(Path(top) in path.parents for path in paths for top in ("/home", "/root", "/run/user"))


def write(place: Prefix, site: Mapping[str, Any], folder: Path = FOLDER) -> list[str]:
    """Write the units into `folder`, tell systemd, and have them start with the machine. Returns their names."""
    made = units(place, site)
    for name, text in made.items():
        write_durably(folder / name, text.encode(), 0o644)
    _systemctl("daemon-reload")
    _systemctl("enable", *[name for name in made if not (name == SERVE and WATCH in made)])
    return list(made)


def remove(site: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Stop the services and take their units away."""
    names = [name for name in _ours(site) if (folder / name).exists()]
    if site.get("units") and names:
        _systemctl("disable", "--now", *names)
        for name in names:
            (folder / name).unlink()
        _systemctl("daemon-reload")


def systemd_runs() -> bool:
    """Tell whether systemd started this machine (sd_booted(3)) and this is root."""
    return os.geteuid() == 0 and Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def stop(place: Prefix, site: Mapping[str, Any]) -> list[str]:
    """Let the server finish its requests and the jobs stop behind their last checkpoint. Returns what was stopped.

    Both end on SIGTERM: the server drains, a job goes on later. Without systemd the processes are found by the slot in
    their command line. Raises `BusyError` when one is still there after a minute.
    """
    if site.get("units"):
        names = [name for name in _ours(site) if _systemctl("is-active", name, needed=False)]
        if names:
            _systemctl("stop", *names)
        return names
    stopped = dict(_processes(place))
    for number in stopped:
        os.kill(number, signal.SIGTERM)
    until = time.monotonic() + _DRAIN_S
    while any(number in stopped for number, _verb in _processes(place)):
        if time.monotonic() > until:
            raise BusyError(
                _("`{names}` did not end within {s:.0f} s; end it, then try again", names=stopped, s=_DRAIN_S)
            )
        time.sleep(0.1)
    if stopped:
        tell(_("stopped: {names}; start them again", names=", ".join(stopped.values())))
    return list(stopped.values())


def start(site: Mapping[str, Any]) -> None:
    """Start the services; without systemd that is up to the operator. Raises `HardwareError` when one does not stay up."""
    if not site.get("units"):
        return
    names = [WATCH] if "serve" in site["services"] else []
    names += [WORK] if "work" in site["services"] else []
    names += [LABEL_STUDIO] if "label-studio" in site["services"] else []
    _systemctl("reset-failed", *names, needed=False)
    _systemctl("start", *names)
    time.sleep(2)  # a service that dies at its start is dead by then
    for name in names:
        if not _systemctl("is-active", name, needed=False):
            raise HardwareError(_("`{name}` does not stay up; see `journalctl -u {name}`", name=name))


def _processes(place: Prefix) -> Iterator[tuple[int, str]]:
    # `python .../releases/VERSION/venv/bin/skerry VERB`; proc(5): words end with a zero byte
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = [os.fsdecode(word) for word in path.read_bytes().split(b"\0")]
        except OSError:
            continue
        scripts = [number for number, word in enumerate(words[:3]) if word.endswith(_PROGRAMS)]
        if scripts and words[scripts[0]].startswith((f"{place.releases}/", f"{place.link}/")):
            yield int(path.parent.name), f"{Path(words[scripts[0]]).name} {words[scripts[0] + 1]}"


def _systemctl(*words: str, needed: bool = True) -> bool:
    done = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    if needed and done.returncode:
        raise HardwareError(
            _("`systemctl {words}` failed: {said}", words=" ".join(words), said=done.stderr.strip() or done.returncode)
        )
    return done.returncode == 0
