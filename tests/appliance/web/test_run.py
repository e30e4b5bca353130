"""The server of pages: it listens where it should, ends when asked, and waits for nobody for ever."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.errors import BusyError, MissingPartError, PolicyError, SettingsError
from appliance.web.listener import address, is_loopback, listen, tls_context
from appliance.web.run import require_private, require_templates

SERVER = """
from appliance.web import run
from appliance.web.listener import listen
run._READ_S = 0.2
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
with listen("127.0.0.1", 0) as listener:
    print(listener.getsockname()[1], flush=True)
    run.run(app, listener, None, 16)
"""


def test_it_drops_who_never_ends_a_request_and_ends_with_success() -> None:
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout and process.stderr
    port = int(process.stdout.readline())
    heads = [
        b"",
        b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab",
    ]
    for head in heads:
        with socket.create_connection(("127.0.0.1", port), 20) as slow:
            slow.sendall(head)
            assert slow.recv(100) == b""  # closed, without an answer
    with socket.create_connection(("127.0.0.1", port), 20) as quick:
        quick.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert quick.recv(100).startswith(b"HTTP/1.1 200")
    process.send_signal(signal.SIGTERM)
    _out, log = process.communicate(timeout=30)
    assert process.returncode == 0 and b'"stopped"' in log


def test_a_free_port_is_told(tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as one:
        assert address(one, None) == f"http://127.0.0.1:{one.getsockname()[1]}"
        with pytest.raises(BusyError, match="--port"):
            listen("127.0.0.1", one.getsockname()[1])
    with pytest.raises(SettingsError, match="--host"):
        listen("203.0.113.1", 0)  # RFC 5737: nobody's


def test_tls_needs_both_files_and_files_that_are_some(tmp_path: Path) -> None:
    assert tls_context(None, None) is None
    with pytest.raises(SettingsError, match="both"):
        tls_context(tmp_path / "a", None)
    for name in ("a", "b"):
        (tmp_path / name).write_text("no certificate")
    with pytest.raises(SettingsError, match="PEM"):
        tls_context(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("host, alone", [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("10.1.2.3", False), ("box", False)])  # fmt: skip
def test_passwords_cross_no_network_in_the_clear(host: str, alone: bool) -> None:
    assert is_loopback(host) == alone
    if alone:
        require_private(host, None)
    else:
        with pytest.raises(PolicyError, match="--tls-cert"):
            require_private(host, None)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_templates()
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingPartError, match=r"skerry\[label\]"):
        require_templates()
