"""Profiles: the shipped ones hold together, and a wrong one is named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from bundle.errors import NotFoundError, UsageError
from bundle.profile import ROOT, for_target, load, shipped

GOOD = 'python = "3.11"\nplatform = "linux-x86_64"\nglibc = "2.28"\n'


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_profile_names_what_exists(name: str) -> None:
    """Its locks are there, its extras are declared, its models are pinned, and Python is one that Skerry runs on."""
    profile = load(name)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    known = tomllib.loads((ROOT / "bundle" / "models.toml").read_text("utf-8"))
    assert profile.name == name
    assert profile.lock_file(profile.lock).is_file() and profile.lock_file(profile.tools).is_file()
    assert set(profile.extras) <= set(project["optional-dependencies"])
    assert {*profile.models, *profile.nlp_models} <= set(known)


def test_the_four_profiles_are_shipped() -> None:
    assert shipped() == ["appliance-cpu", "appliance-cuda", "label-studio", "serve-cpu"]


def test_a_profile_is_read_from_a_path(tmp_path: Path) -> None:
    path = tmp_path / "ward7.toml"
    path.write_text(GOOD + '[[additions]]\nname = "x"\nsource = "y"\n')
    profile = load(str(path))
    assert (profile.name, profile.machine, profile.file) == ("ward7", "x86_64", path)
    assert profile.additions[0].name == "x"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('glibc = "musl"', "glibc"),
        ('platform = "win32"', "platform"),
        ('python = "2.7"', "python"),
        ('models = "minilm"', "models"),
        ("narrow = 1", "narrow"),
        ('colour = "red"', "colour"),
        ("[[additions]]\nplace = 1", "place"),
        ("= = =", "cannot read"),
    ],
)
def test_a_wrong_profile_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "p.toml"
    key = line.split(" = ")[0]
    path.write_text("".join(one for one in GOOD.splitlines(keepends=True) if not one.startswith(key)) + line)
    with pytest.raises(UsageError, match=said):
        load(str(path))


def test_a_profile_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(NotFoundError, match="serve-cpu"):
        load("nowhere")


def test_a_lock_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(GOOD + 'lock = "mine.txt"')
    with pytest.raises(NotFoundError, match=r"mine\.txt"):
        load(str(tmp_path / "p.toml")).lock_file("mine.txt")


def test_a_profile_serves_another_platform_or_variant() -> None:
    cuda = load("appliance-cuda")
    older = for_target(cuda, variant="cu126")
    assert cuda.accelerator["variant"] == "cu130" and older.accelerator["variant"] == "cu126"
    assert older.packages == ("torch==2.13.0+cu126",)
    assert for_target(load("serve-cpu"), platform="linux-aarch64").machine == "aarch64"
    with pytest.raises(UsageError, match="cu126"):
        for_target(cuda, variant="rocm")
    with pytest.raises(UsageError, match="linux-aarch64"):
        for_target(cuda, platform="win32")


def test_the_variants_of_the_gpu_profile_leave_no_card_between_them() -> None:
    """From Maxwell (5.0) on, every compute capability that NVIDIA made has a variant."""
    variants = load("appliance-cuda").accelerator["variants"].values()
    ranges = sorted([float(one) for one in variant["compute_capability"]] for variant in variants)
    for made in (5.0, 5.2, 6.0, 6.1, 7.0, 7.5, 8.0, 8.6, 8.9, 9.0, 10.0, 12.0, 12.1):
        assert sum(low <= made <= high for low, high in ranges) == 1, made
