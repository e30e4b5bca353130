"""The page that shows the interface: pinned files of our own, and no way to anywhere else."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from appliance.serve import describe

STATIC = Path(describe.__file__).parent / "static"


def test_the_files_are_the_pinned_ones() -> None:
    listed = dict(reversed(line.split()) for line in (STATIC / "SHA256SUMS").read_text().splitlines() if line[0] != "#")
    ours = {"SHA256SUMS", "start.js"}
    assert set(listed) == {path.name for path in STATIC.iterdir()} - ours
    for name, digest in listed.items():
        assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest, name


def test_the_licence_stands_beside_them() -> None:
    assert "Apache License" in (STATIC / "LICENSE.swagger-ui").read_text()
    assert "SmartBear" in (STATIC / "NOTICE.swagger-ui").read_text()


def test_the_page_names_no_other_host() -> None:
    script = (STATIC / "start.js").read_text()
    assert "//" not in re.sub(r"^//.*$", "", script, flags=re.MULTILINE)
    assert "validatorUrl: null" in script
    assert "//" not in describe.PAGE
    for name in re.findall(r'(?:src|href)="docs/static/([^"]+)"', describe.PAGE):
        assert (STATIC / name).exists()


def test_the_policy_lets_the_page_reach_its_own_server_only() -> None:
    sources = {part for rule in describe.CONTENT_POLICY.split(";") for part in rule.split()[1:]}
    assert sources == {"'none'", "'self'", "data:"}
    assert "script-src 'self';" in describe.CONTENT_POLICY
