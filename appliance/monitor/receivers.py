"""Where alerts go: a syslog, a file, a web address in the local network. None is used unless the settings name it.

An alert carries names and numbers of ours, never a text. A receiver outside the local network is refused, redirections are not followed and
proxies not asked.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import appliance
from appliance.errors import ApplianceError, HardwareError, PolicyError, SettingsError
from appliance.log import log
from appliance.monitor.alerts import Alert
from appliance.reasons import reason
from appliance.settings import AlertsSettings
from appliance.words import _

__all__ = ["Courier", "receivers", "try_out"]

Receiver = Callable[[Alert], None]
_TIMEOUT_S = 5.0
_TRIES_S = (0.0, 2.0, 10.0)  # the waits before each try
_WAITING = 100
_DAEMON = 3 * 8  # RFC 5424, 6.2.1: facility times 8 and severity
_SEVERITY = {"critical": 2, "warning": 4}
_RESOLVED = 5  # notice


def receivers(settings: AlertsSettings) -> dict[str, Receiver]:
    """Return what the settings name: each takes an alert or raises an `ApplianceError`.

    Raises `SettingsError` for an address that is none.
    """
    found: dict[str, Receiver] = {}
    if settings.syslog:
        found["syslog"] = _to_socket(settings.syslog) if settings.syslog.startswith("/") else _to_host(settings.syslog)
    if settings.file:
        found["file"] = _to_file(settings.file)
    if settings.webhook:
        found["webhook"] = _to_web(settings.webhook, settings.webhook_ca)
    return found


def try_out(settings: AlertsSettings, project: str) -> list[dict[str, Any]]:
    """Send each receiver that the settings name an alert that says it is a trial; return how each took it.

    Raises `SettingsError` when none is named.
    """
    named = receivers(settings)
    if not named:
        raise SettingsError(
            _("no receiver of alerts is named; set `alerts.syslog`, `alerts.file` or `alerts.webhook` in `skerry.toml`")
        )
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    trial = Alert("Trial", "warning", "firing", _("this is a trial; nothing is wrong"), 0.0, 0.0, now, None, project)
    return [{"receiver": name} | _tried(receiver, trial) for name, receiver in named.items()]


def _tried(receiver: Receiver, alert: Alert) -> dict[str, Any]:
    try:
        receiver(alert)
    except ApplianceError as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, "error": None}


def _priority(alert: Alert) -> int:
    return _DAEMON + (_RESOLVED if alert.state == "resolved" else _SEVERITY[alert.severity])


def _line(alert: Alert) -> str:
    return f"{alert.name} {alert.state} project={alert.project} value={alert.value:g} limit={alert.limit:g}: {alert.summary}"


def _to_socket(path: str) -> Receiver:
    def send(alert: Alert) -> None:
        # As syslog(3) writes to the daemon on this machine, which adds the host itself.
        stamp = time.strftime("%b %e %H:%M:%S")
        message = f"<{_priority(alert)}>{stamp} skerry[{os.getpid()}]: {_line(alert)}"
        with _told("syslog"), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.settimeout(_TIMEOUT_S)
            line.connect(path)
            line.send(message.encode())

    return send


def _to_host(address: str) -> Receiver:
    host, _colon, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 2**16:
        raise SettingsError(_("`alerts.syslog` is `{value}`; write a socket (`/dev/log`) or HOST:PORT", value=address))

    def send(alert: Alert) -> None:
        # RFC 5424 over UDP (RFC 5426); no host name leaves the machine, a receiver knows the sender by its address.
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        message = f"<{_priority(alert)}>1 {stamp} - skerry {os.getpid()} {alert.name} - \ufeff{_line(alert)}"
        with _told("syslog"):
            family, where = _in_the_network(host, int(port), socket.SOCK_DGRAM)
            with socket.socket(family, socket.SOCK_DGRAM) as line:
                line.settimeout(_TIMEOUT_S)
                line.sendto(message.encode(), where)

    return send


def _to_file(path: Path) -> Receiver:
    def send(alert: Alert) -> None:
        with _told("file"), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"time": alert.ended or alert.began} | alert.as_dict(), ensure_ascii=False) + "\n")

    return send


def _to_web(address: str, ca: Path | None) -> Receiver:
    url = urlsplit(address)
    try:
        usable = url.scheme in ("http", "https") and bool(url.hostname) and not url.username and url.port != 0
        usable = usable and f"{url.path}{url.query}".isascii()
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(
            _("`alerts.webhook` is no address that can be used; write `http://HOST:PORT/PATH` or `https://...`")
        )

    def send(alert: Alert) -> None:
        body = json.dumps(_as_alertmanager(alert), ensure_ascii=False).encode()
        with _told("webhook"):
            connection = _connection(url, ca)
            try:
                target = (url.path or "/") + (f"?{url.query}" if url.query else "")
                headers = {"content-type": "application/json", "user-agent": f"skerry/{appliance.__version__}"}
                connection.request("POST", target, body, headers)
                status = connection.getresponse().status
            finally:
                connection.close()
            if not 200 <= status < 300:
                raise HardwareError(_("`{receiver}` answered {status}", receiver="webhook", status=status))

    return send


def _connection(url: SplitResult, ca: Path | None) -> http.client.HTTPConnection:
    host = url.hostname or ""
    port = url.port or (443 if url.scheme == "https" else 80)
    _family, where = _in_the_network(host, port, socket.SOCK_STREAM)
    if url.scheme == "http":
        connection = http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
    else:
        context = ssl.create_default_context(cafile=ca)
        connection = http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=context)
    # To the address that was looked at: asked again, a name may have another one.
    connection._create_connection = lambda _named, *rest: socket.create_connection(where, *rest)  # type: ignore[attr-defined]
    return connection


def _as_alertmanager(alert: Alert) -> Mapping[str, object]:
    """Return the body of Alertmanager's webhook, version 4 (prometheus.io/docs/alerting/latest/configuration, `webhook_config`): what takes that takes ours."""
    labels = {"alertname": alert.name, "severity": alert.severity, "project": alert.project, "service": "skerry"}
    notes = {"summary": alert.summary, "value": f"{alert.value:g}", "limit": f"{alert.limit:g}"}
    one = {
        "status": alert.state,
        "labels": labels,
        "annotations": notes,
        "startsAt": alert.began,
        "endsAt": alert.ended or "0001-01-01T00:00:00Z",
        "generatorURL": "",
        "fingerprint": f"{alert.project}/{alert.name}",
    }
    return {
        "version": "4",
        "groupKey": f"skerry/{alert.project}/{alert.name}",
        "truncatedAlerts": 0,
        "status": alert.state,
        "receiver": "skerry",
        "groupLabels": {"alertname": alert.name},
        "commonLabels": labels,
        "commonAnnotations": notes,
        "externalURL": "",
        "alerts": [one],
    }


def _in_the_network(host: str, port: int, kind: int) -> tuple[int, tuple[str, int]]:
    """Return the family and address of a host. Raises `PolicyError` unless every address of it is private, link-local or loopback (RFC 1918, 4193, 6890)."""
    found = socket.getaddrinfo(host, port, type=kind)
    for _family, _kind, _protocol, _name, where in found:
        if not ipaddress.ip_address(str(where[0]).partition("%")[0]).is_private:
            raise PolicyError(_("alerts go to the local network only, and `{host}` lies outside", host=host))
    return found[0][0], (str(found[0][4][0]), port)


@contextmanager
def _told(receiver: str) -> Iterator[None]:
    """Turn what a connection raises into an error of ours that names the receiver, not its address."""
    try:
        yield
    except (
        OSError,
        http.client.HTTPException,
        ValueError,
    ) as error:  # ValueError: a name that is none (IDNA), odd letters
        raise HardwareError(
            _(
                "`{receiver}` took no alert: {error}; see the section `alerts` of the settings",
                receiver=receiver,
                error=reason(error),
            )
        ) from error


class Courier(threading.Thread):
    """Brings alerts to the receivers in a thread of its own, each a few times, so that nobody waits for a dead one."""

    def __init__(
        self, named: Mapping[str, Receiver], failed: Callable[[str], None], waits_s: tuple[float, ...] = _TRIES_S
    ) -> None:
        """Take the receivers by name; `failed` is called with the name of one that took an alert in none of the tries."""
        super().__init__(name="alerts", daemon=True)
        self._named, self._failed, self._waits_s = named, failed, waits_s
        self._line: queue.Queue[Alert | None] = queue.Queue(_WAITING)
        self._over = threading.Event()
        self.start()

    def send(self, alert: Alert) -> None:
        """Put an alert into the line; one that finds no room counts as failed."""
        try:
            self._line.put_nowait(alert)
        except queue.Full:
            for name in self._named:
                self._failed(name)

    def stop(self, patience_s: float = 2 * _TIMEOUT_S) -> None:
        """Bring what waits, without waiting between tries, and end."""
        self._over.set()
        with suppress(queue.Full):  # a full line before a dead receiver is not waited for
            self._line.put(None, timeout=patience_s)
        self.join(patience_s)

    def run(self) -> None:
        """Bring alerts until `stop`."""
        while (alert := self._line.get()) is not None:
            for name, receiver in self._named.items():
                self._bring(name, receiver, alert)

    def _bring(self, name: str, receiver: Receiver, alert: Alert) -> None:
        for wait_s in self._waits_s:
            self._over.wait(wait_s)
            try:
                receiver(alert)
                return
            except ApplianceError as error:
                log("alert not taken", receiver=name, alert=alert.name, error=type(error).__name__)
        self._failed(name)
