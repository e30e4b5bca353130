"""The services: hardened, and open to nobody but the networks that were asked for."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bundle import units
from bundle.errors import UsageError
from bundle.slots import Prefix

LIMIT = 2.0


def site(**changes: Any) -> dict[str, Any]:
    usual = {
        "home": "/var/lib/skerry", "keys": "/etc/skerry/keys", "tls": "/etc/skerry/tls", "user": "daemon", "lan": ["192.168.10.0/24"],
        "port": 8443, "gpu": False, "services": ["serve", "work"],
    }  # fmt: skip
    return usual | changes


@pytest.fixture
def written(tmp_path: Path) -> dict[str, Path]:
    """The units as files, their program a real one."""
    place = Prefix(tmp_path / "prefix")
    for program in (place.link / "venv" / "bin" / "skerry", place.path / "bin" / "label-studio"):
        program.parent.mkdir(parents=True)
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    made = units.units(place, site()) | units.units(place, site(services=["label-studio"]))
    for name, text in made.items():
        (tmp_path / name).write_text(text)
    return {name: tmp_path / name for name in made}


def analyze(*words: object) -> subprocess.CompletedProcess[str]:
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs `systemd-analyze`")
    return subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True, check=False)


def exposure(unit: Path) -> float:
    """Return what `systemd-analyze security` says, 0 (best) to 10."""
    said = analyze("security", "--offline=true", "--no-pager", unit).stdout
    return float(re.findall(r"Overall exposure level for \S+: ([0-9.]+)", said)[0])


@pytest.mark.parametrize("name", [units.SERVE, units.WORK, units.LABEL_STUDIO])
def test_each_service_is_hardened(written: dict[str, Path], name: str) -> None:
    assert exposure(written[name]) <= LIMIT


def test_the_limit_catches_a_service_that_is_not_hardened(written: dict[str, Path]) -> None:
    bare = written[units.SERVE]
    bare.write_text(
        "\n".join(
            line for line in bare.read_text().splitlines() if not re.match(r"(Protect|Restrict|SystemCall|IP)", line)
        )
    )
    assert exposure(bare) > LIMIT


def test_systemd_understands_every_line(written: dict[str, Path]) -> None:
    done = analyze("verify", "--man=no", "--recursive-errors=no", *written.values())
    assert done.returncode == 0, done.stderr
    assert "ignoring" not in done.stderr


def test_a_misspelt_line_is_noticed(written: dict[str, Path]) -> None:
    unit = written[units.WORK]
    unit.write_text(unit.read_text().replace("NoNewPrivileges=", "NoNewPriviledges="))
    assert "ignoring" in analyze("verify", "--man=no", "--recursive-errors=no", unit).stderr


def test_only_the_networks_asked_for_may_come() -> None:
    text = units.units(Prefix(Path("/opt/skerry")), site())[units.SERVE]
    assert "IPAddressDeny=any\n" in text
    assert "IPAddressAllow=localhost 192.168.10.0/24\n" in text
    assert "--host 0.0.0.0 --port 8443 --tls-cert /etc/skerry/tls/server.pem" in text


def test_without_a_network_the_server_stays_on_loopback() -> None:
    text = units.units(Prefix(Path("/opt/skerry")), site(lan=[]))[units.SERVE]
    assert "--host 127.0.0.1" in text
    assert "IPAddressAllow=localhost\n" in text


def test_the_worker_reaches_nobody() -> None:
    text = units.units(Prefix(Path("/opt/skerry")), site())[units.WORK]
    assert "PrivateNetwork=yes" in text
    assert "IPAddressAllow" not in text


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(UsageError, match=r"192\.168\.10\.7/24"):
        units.units(Prefix(Path("/opt/skerry")), site(lan=["192.168.10.7/24"]))


def test_only_the_services_of_the_profile_are_made() -> None:
    assert set(units.units(Prefix(Path("/opt/skerry")), site(services=["serve"]))) == {units.SERVE, units.WATCH}


def test_a_gpu_brings_its_devices_alone() -> None:
    text = units.units(Prefix(Path("/opt/skerry")), site(gpu=True))[units.WORK]
    assert "DevicePolicy=closed" in text and "DeviceAllow=char-nvidia rw" in text


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a `systemctl` was asked that only notes it: systemd itself does not run in a test."""
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path / "noted"}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path / "noted"


def test_an_addon_lets_the_services_of_the_appliance_alone(tmp_path: Path, noted: Path) -> None:
    (tmp_path / units.SERVE).touch()
    wanted = site(units=True, services=["label-studio"])
    assert units.stop(Prefix(tmp_path), wanted) == [units.LABEL_STUDIO]
    units.write(Prefix(tmp_path), wanted, tmp_path)
    units.remove(wanted, tmp_path)
    assert (tmp_path / units.SERVE).exists() and not (tmp_path / units.LABEL_STUDIO).exists()
    assert units.SERVE not in noted.read_text() and f"disable --now {units.LABEL_STUDIO}" in noted.read_text()


def test_installing_writes_units_and_removing_takes_them_away(tmp_path: Path, noted: Path) -> None:
    folder = tmp_path / "units"
    folder.mkdir()
    wanted = site(units=True)
    units.write(Prefix(tmp_path), wanted, folder)
    assert {path.name for path in folder.iterdir()} == {units.SERVE, units.WORK, units.WATCH}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o644}
    assert noted.read_text().splitlines() == ["daemon-reload", f"enable {units.WATCH} {units.WORK}"]
    units.remove(wanted, folder)
    assert list(folder.iterdir()) == []
    assert f"disable --now {units.WATCH} {units.SERVE} {units.WORK}" in noted.read_text()
