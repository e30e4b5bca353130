"""Where a server of Skerry listens: the socket, TLS, and a library's log records as our lines."""

from __future__ import annotations

import errno
import ipaddress
import logging
import resource
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from appliance.errors import ApplianceError, BusyError, SettingsError
from appliance.log import log
from appliance.reasons import reason
from appliance.words import _

if TYPE_CHECKING:
    import ssl

__all__ = ["address", "is_loopback", "listen", "log_like_us", "raise_file_limit", "tls_context", "uvicorn_options"]


def listen(host: str, port: int) -> socket.socket:
    """Open the socket. Raises `BusyError` when the port is taken, `SettingsError` for an address that cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        kind: Callable[[str], ApplianceError] = BusyError if error.errno == errno.EADDRINUSE else SettingsError
        raise kind(
            _(
                "cannot listen on `{host}` port {port}: {error}; choose another with `--host` and `--port`",
                host=host,
                port=port,
                error=reason(error),
            )
        ) from error


def address(listener: socket.socket, context: ssl.SSLContext | None) -> str:
    """Return the URL at which an open socket answers."""
    host, port = listener.getsockname()[:2]
    return f"{'https' if context else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def tls_context(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Return the TLS settings of a certificate and its key (PEM), None where neither is given. Raises `SettingsError` when they cannot be used."""
    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise SettingsError(_("TLS needs both `--tls-cert` and `--tls-key`"))
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # BCP 195 (RFC 9325) forbids what came before
    try:
        context.load_cert_chain(cert, key, password=lambda: b"")
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            _(
                "cannot use the certificate `{cert}` with the key `{key}`: {error}; both are PEM files, the key without a password",
                cert=cert,
                key=key,
                error=reason(error),
            )
        ) from error
    return context


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def raise_file_limit(wanted: int) -> None:
    """Let this process open so many files, as far as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def uvicorn_options(context: ssl.SSLContext | None) -> dict[str, Any]:
    """Return what is the same for every server of ours: no access log, no trust in a proxy's headers, no word of the library's name and version."""
    return {
        "loop": "uvloop",
        "ws": "none",
        "interface": "asgi3",
        "log_config": None,
        "log_level": "warning",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "ssl_context_factory": (lambda _config, _default: context) if context else None,
    }


class _Lines(logging.Handler):
    """A library's log records as our lines: the place and the kind of error, never its text, which could quote a request."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log("library", place=f"{record.name}:{record.lineno}", level=record.levelname, error=error)


def log_like_us(name: str) -> None:
    """Turn what the library `name` logs into lines of ours."""
    logger = logging.getLogger(name)
    logger.handlers, logger.propagate = [_Lines()], False
