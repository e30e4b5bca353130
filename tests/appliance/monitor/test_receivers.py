"""Alerts reach a syslog, a file and a web address on real sockets, and nothing outside the local network."""

from __future__ import annotations

import http.server
import json
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import HardwareError, PolicyError, SettingsError
from appliance.monitor.alerts import Alert
from appliance.monitor.receivers import Courier, receivers, try_out
from appliance.settings import AlertsSettings
from tests.appliance.serve.test_run import certificate

FIRING = Alert("DiskFull", "critical", "firing", "96 % 的磁盘已用", 0.96, 0.95, "2026-01-01T00:00:00Z", None)
RESOLVED = Alert(
    "DiskFull", "critical", "resolved", "it is over", 0.5, 0.95, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"
)


class Receiving(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted; answers with the status of its path."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.got.append((self.path, json.loads(body)))  # type: ignore[attr-defined]
        self.send_response(int(self.path.rsplit("/", 1)[1]))
        self.send_header("location", "http://localhost:9/elsewhere")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiving)
    server.got = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def got(server: Any) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = server.got
    return found


def test_none_is_used_unless_it_is_named() -> None:
    assert receivers(AlertsSettings()) == {}


@pytest.mark.parametrize(("alert", "priority"), [(FIRING, 26), (RESOLVED, 29)])
def test_a_syslog_host_gets_rfc_5424(alert: Alert, priority: int) -> None:
    """Facility daemon (3): 3 * 8 + 2 critical, + 5 notice for what is over; a byte order mark before UTF-8 (RFC 5424, 6.4)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        line.bind(("127.0.0.1", 0))
        line.settimeout(5)
        receivers(AlertsSettings(syslog=f"localhost:{line.getsockname()[1]}"))["syslog"](alert)
        message = line.recv(2048).decode()
    assert re.fullmatch(
        rf"<{priority}>1 \d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ - skerry \d+ DiskFull - \ufeffDiskFull {alert.state} .*: {alert.summary}",
        message,
    )
    assert socket.gethostname() not in message


def test_the_syslog_of_this_machine_gets_a_line(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(path))
        line.settimeout(5)
        receivers(AlertsSettings(syslog=str(path)))["syslog"](FIRING)
        assert re.match(rb"<26>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d skerry\[\d+\]: DiskFull firing ", line.recv(2048))


def test_a_file_gets_a_line_each(tmp_path: Path) -> None:
    send = receivers(AlertsSettings(file=tmp_path / "alerts.jsonl"))["file"]
    send(FIRING)
    send(RESOLVED)
    lines = [json.loads(line) for line in (tmp_path / "alerts.jsonl").read_text("utf-8").splitlines()]
    assert [(line["name"], line["state"], line["time"]) for line in lines] == [
        ("DiskFull", "firing", "2026-01-01T00:00:00Z"), ("DiskFull", "resolved", "2026-01-01T01:00:00Z"),
    ]  # fmt: skip


def test_a_web_address_gets_what_alertmanager_would_post(web: http.server.ThreadingHTTPServer) -> None:
    send = receivers(AlertsSettings(webhook=f"http://127.0.0.1:{web.server_port}/hook/200"))["webhook"]
    send(FIRING)
    send(RESOLVED)
    (path, first), (_path, second) = got(web)
    assert path == "/hook/200"
    assert (first["version"], first["status"], second["status"]) == ("4", "firing", "resolved")
    assert first["alerts"][0]["labels"] == {
        "alertname": "DiskFull",
        "severity": "critical",
        "project": "main",
        "service": "skerry",
    }
    assert first["alerts"][0]["annotations"]["summary"] == FIRING.summary
    assert (first["alerts"][0]["endsAt"], second["alerts"][0]["endsAt"]) == (
        "0001-01-01T00:00:00Z",
        "2026-01-01T01:00:00Z",
    )


def test_the_address_that_was_looked_at_is_the_one_that_is_asked(
    web: http.server.ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that gives another address the second time sends nothing outside."""
    asked: list[str] = []

    def look_up(host: str, port: int, **_options: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    send = receivers(AlertsSettings(webhook=f"http://alerts.lan:{web.server_port}/hook/200"))["webhook"]
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **options: (
            look_up(host, *rest, **options) if host == "alerts.lan" else real(host, *rest, **options)
        ),
    )
    send(FIRING)
    assert asked == ["alerts.lan"]
    assert len(got(web)) == 1


@pytest.mark.parametrize("status", [302, 404, 500])
def test_another_answer_is_a_failure_and_no_redirection_is_followed(
    web: http.server.ThreadingHTTPServer, status: int
) -> None:
    send = receivers(AlertsSettings(webhook=f"http://127.0.0.1:{web.server_port}/{status}"))["webhook"]
    with pytest.raises(HardwareError, match=str(status)):
        send(FIRING)
    assert len(got(web)) == 1


def test_https_is_checked_against_the_named_certificate(web: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    web.socket = context.wrap_socket(web.socket, server_side=True)
    address = f"https://127.0.0.1:{web.server_port}/200"
    receivers(AlertsSettings(webhook=address, webhook_ca=cert))["webhook"](FIRING)
    assert len(got(web)) == 1
    with pytest.raises(HardwareError):
        receivers(AlertsSettings(webhook=address))["webhook"](FIRING)
    assert len(got(web)) == 1


@pytest.mark.parametrize(
    "settings", [AlertsSettings(webhook="ftp://10.0.0.1/"), AlertsSettings(webhook="http://user:word@10.0.0.1/"), AlertsSettings(syslog="loghost"), AlertsSettings(webhook="http://10.0.0.1:99999/"), AlertsSettings(webhook="http://10.0.0.1/告警"), AlertsSettings(syslog="10.0.0.1:99999"), AlertsSettings(syslog="10.0.0.1:²")]
)  # fmt: skip
def test_an_address_that_is_none_is_refused_at_the_start(settings: AlertsSettings) -> None:
    with pytest.raises(SettingsError):
        receivers(settings)


@pytest.mark.parametrize("settings", [AlertsSettings(webhook="http://8.8.8.8/"), AlertsSettings(syslog="8.8.8.8:514"), AlertsSettings(webhook="https://[2001:4860:4860::8888]/")])  # fmt: skip
def test_nothing_goes_outside_the_local_network(
    settings: AlertsSettings, monkeypatch: pytest.MonkeyPatch, attempts: list[str]
) -> None:
    """The address is judged before anything is sent."""
    monkeypatch.setattr(socket, "getaddrinfo", numeric)
    (send,) = receivers(settings).values()
    with pytest.raises(PolicyError, match="local network"):
        send(FIRING)
    assert attempts == []


def numeric(host: str, port: int, **options: Any) -> list[Any]:
    """Return an address as it stands, since the guard of the tests forbids even the look-up."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return [(family, options["type"], 0, "", (host, port))]


def test_a_dead_receiver_is_counted_and_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    """Nobody listens on the web address; the file gets both alerts all the same."""
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    named = receivers(AlertsSettings(webhook=f"http://127.0.0.1:{port}/", file=tmp_path / "alerts"))
    failed: list[str] = []
    courier = Courier(named, failed.append, waits_s=(0.0, 0.01))
    courier.send(FIRING)
    courier.send(RESOLVED)
    courier.stop()
    assert failed == ["webhook", "webhook"]
    assert len((tmp_path / "alerts").read_text("utf-8").splitlines()) == 2


def test_a_line_that_is_full_counts_and_does_not_block() -> None:
    release, failed = threading.Event(), []

    def slow(_alert: Alert) -> None:
        release.wait(10)

    courier = Courier({"slow": slow}, failed.append)
    for _ in range(105):
        courier.send(FIRING)
    assert 3 <= len(failed) <= 5
    release.set()
    courier.stop()


def test_a_trial_reaches_every_receiver_and_tells_how_each_took_it(tmp_path: Path) -> None:
    settings = AlertsSettings(file=tmp_path / "alerts", syslog=str(tmp_path / "nobody"))
    first, second = try_out(settings, "main")
    assert (first["receiver"], first["ok"], second["receiver"], second["ok"]) == ("syslog", False, "file", True)
    assert "there is no such file" in first["error"]
    assert json.loads((tmp_path / "alerts").read_text("utf-8"))["name"] == "Trial"


def test_a_trial_needs_a_receiver() -> None:
    with pytest.raises(SettingsError, match=r"alerts\.syslog"):
        try_out(AlertsSettings(), "main")


@pytest.mark.parametrize("settings", [AlertsSettings(webhook="http://a..b/x"), AlertsSettings(syslog="a..b:514")])
def test_a_name_that_is_none_ends_no_courier(
    settings: AlertsSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alert that such a receiver cannot take is counted, and the next alerts still reach the others."""

    def no_name(host: str, *_arguments: object, **_options: object) -> None:
        host.encode("idna")  # as the real one begins

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    failed: list[str] = []
    file = AlertsSettings(file=tmp_path / "alerts.jsonl")
    courier = Courier(receivers(settings) | receivers(file), failed.append, (0.0,))
    courier.send(FIRING)
    courier.send(RESOLVED)
    courier.stop()
    assert len(failed) == 2
    assert len((tmp_path / "alerts.jsonl").read_text("utf-8").splitlines()) == 2
