"""Variables that make libraries call out, dropped before the libraries are imported."""

import os

__all__ = ["SILENT", "clean"]

_DROPPED_PREFIXES = ("OTEL_", "HF_", "HUGGINGFACE_", "FASTAPI_", "UVICORN_", "DBOS_")
_DROPPED_NAMES = ("WEB_CONCURRENCY", "FORWARDED_ALLOW_IPS", "SSLKEYLOGFILE")
# ONNX Runtime 1.29 and later send usage events on Linux unless told not to before they are loaded (microsoft/onnxruntime#27379).
SILENT = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "OTEL_SDK_DISABLED": "true",
    "TRANSFORMERS_OFFLINE": "1",
}


def clean() -> None:
    """Drop the variables that make libraries send telemetry, use a proxy or ask a model hub, and tell the libraries to be offline."""
    for name in list(os.environ):
        upper = name.upper()
        if upper.startswith(_DROPPED_PREFIXES) or upper.endswith("_PROXY") or upper in _DROPPED_NAMES:
            del os.environ[name]
    os.environ |= SILENT
