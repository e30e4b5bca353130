"""The evidence of a self-test: `evidence.json`, signed, and the same as a page to read, English and Chinese, without a script."""

from __future__ import annotations

import hashlib
import html
import json
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from appliance import signature
from appliance.files import write_durably

__all__ = ["EVIDENCE", "tools", "write"]

EVIDENCE, SIGNATURE, SIGNER, PAGE = "evidence.json", "evidence.json.sig", "signer.pem", "evidence.html"
_LIBRARIES = (
    "cryptography", "dbos", "fastapi", "numpy", "onnx", "onnxruntime", "onnxruntime-gpu", "presidio-analyzer", "pyarrow", "spacy", "sqlalchemy",
    "tokenizers", "torch", "transformers", "uvicorn",
)  # fmt: skip
_STATES = {"passed": "passed / 通过", "failed": "FAILED / 失败", "absent": "absent / 未安装"}
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Skerry: evidence / 自检证据</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}table{{border-collapse:collapse;margin:1rem 0}}
td,th{{border:1px solid #bbb;padding:.3rem .7rem;text-align:left;vertical-align:top}}code{{overflow-wrap:anywhere}}</style>
<h1>Skerry: evidence of a self-test / 自检证据</h1>
<p><strong>{verdict}</strong></p>
{tables}
<h2>Check it / 核验</h2>
<p>Compare the fingerprint with the one that <code>skerry doctor</code> shows on the machine itself. /
请与该机器上 <code>skerry doctor</code> 显示的指纹比对。</p>
<pre>openssl dgst -sha384 -verify {signer} -signature {signature} {evidence}</pre>
<p>Make it anew / 重新生成: <code>skerry selftest --airgap</code></p>
</html>
"""


def write(folder: Path, evidence: dict[str, Any], key_folder: Path) -> dict[str, str]:
    """Write the evidence, its signature, the signer's public key and the page into `folder`; return `evidence`, its `sha256` and the `signer`."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = signature.public_key(key_folder)
    signer = signature.fingerprint(pem)
    content = (json.dumps(evidence | {"signer": signer}, ensure_ascii=False, indent=1) + "\n").encode()
    digest = hashlib.sha256(content).hexdigest()
    write_durably(folder / EVIDENCE, content)
    write_durably(folder / SIGNATURE, signature.sign(content, key_folder))
    write_durably(folder / SIGNER, pem)
    write_durably(folder / PAGE, _page(evidence, signer, digest).encode())
    return {"evidence": str(folder / EVIDENCE), "sha256": digest, "signer": signer}


def tools() -> dict[str, str]:
    """Return the versions of what the evidence rests on: system, programs, libraries."""
    libraries = {name: found for name in _LIBRARIES if (found := _version(name))}
    return {
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "python": platform.python_version(),
        "strace": _first_line("strace", "-V"),
        "unshare": _first_line("unshare", "--version"),
    } | libraries


def _first_line(*command: str) -> str:
    try:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return "-"
    return shown.split("\n")[0]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _page(evidence: dict[str, Any], signer: str, digest: str) -> str:
    verdict = "OK / 合格" if evidence["ok"] else "NOT OK / 不合格: " + "; ".join(evidence["faults"])
    stages = [
        (
            row["stage"],
            _STATES[row["state"]],
            row["seconds"],
            row["attempts"],
            row["reason"] or row["tried"] or row["details"],
        )
        for row in evidence["stages"]
    ]
    about = [
        ("product / 产品", f"{evidence['product']} {evidence['version']}"),
        ("made / 生成时间 (UTC)", evidence["made"]),
        ("without a network, watched / 断网并受监视", evidence["airgap"]),
        ("attempts to leave / 外联尝试次数", evidence["attempts"]),
        ("attempts planted as a control, counted / 植入的对照尝试, 计数", evidence["control"]),
        ("base model / 基础模型", _base(evidence["stages"])),
        ("SHA-256 of / 的哈希 evidence.json", digest),
        ("signed by, SHA-256 of the key / 签名密钥指纹", signer),
    ]
    tables = [
        _table(("", ""), about),
        "<h2>Stages / 阶段</h2>",
        _table(("stage / 阶段", "result / 结果", "seconds / 秒", "attempts / 尝试", "details / 详情"), stages),
        "<h2>Machine / 机器</h2>",
        _table(("", ""), list(evidence["hardware"].items())),
        "<h2>Versions / 版本</h2>",
        _table(("", ""), list(evidence["tools"].items())),
    ]
    return _PAGE.format(
        verdict=html.escape(verdict), tables="\n".join(tables), signer=SIGNER, signature=SIGNATURE, evidence=EVIDENCE
    )


def _base(stages: list[dict[str, Any]]) -> str:
    for row in stages:
        if "built_in_base" in row["details"]:
            names = ", ".join(row["details"]["bases"])
            return f"{names} (built in, random weights / 内置, 随机权重)" if row["details"]["built_in_base"] else names
    return "-"


def _table(head: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    top = "<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>" if any(head) else ""
    body = "".join("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{top}{body}</table>"


def _cell(value: Any) -> str:
    return html.escape(_plain(value)) or "-"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, bool):
        return "yes / 是" if value else "no / 否"
    return "" if value is None else str(value)
