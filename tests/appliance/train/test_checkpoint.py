"""Checkpoints are there whole or not at all, and are believed only when their bytes fit."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from appliance.train import checkpoint


def write(folder: Path, step: int, best: int | None = None) -> Path:
    with checkpoint.writing(folder, f"checkpoint-{step}") as temporary:
        (temporary / "trainer_state.json").write_text(json.dumps({"best_global_step": best}))
        (temporary / "model.safetensors").write_bytes(bytes([step % 256]) * 64)
    return folder / f"checkpoint-{step}"


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_what_was_written_is_intact(tmp_path: Path) -> None:
    assert checkpoint.intact(write(tmp_path, 10))


@pytest.mark.parametrize("file", ["model.safetensors", "trainer_state.json", "hashes.json"])
def test_a_flipped_bit_is_noticed(tmp_path: Path, file: str) -> None:
    folder = write(tmp_path, 10)
    flip(folder / file)
    assert not checkpoint.intact(folder)


def test_a_missing_and_a_further_file_are_noticed(tmp_path: Path) -> None:
    folder = write(tmp_path, 10)
    (folder / "extra").write_text("x")
    assert not checkpoint.intact(folder)
    (folder / "extra").unlink()
    (folder / "model.safetensors").unlink()
    assert not checkpoint.intact(folder)
    assert not checkpoint.intact(tmp_path / "nothing")


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), checkpoint.writing(tmp_path, "checkpoint-1") as temporary:
        (temporary / "half").write_text("x")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".partial-dead").mkdir()
    write(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]


def test_a_damaged_checkpoint_is_written_again(tmp_path: Path) -> None:
    flip(write(tmp_path, 5) / "model.safetensors")
    assert checkpoint.intact(write(tmp_path, 5))


def test_the_newest_is_by_step_not_by_name(tmp_path: Path) -> None:
    for step in (9, 100, 20):
        write(tmp_path, step)
    assert checkpoint.newest(tmp_path) == tmp_path / "checkpoint-100"
    assert checkpoint.newest(tmp_path / "none") is None


def test_a_damaged_newest_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 10)
    flip(write(tmp_path, 20) / "model.safetensors")
    assert checkpoint.newest(tmp_path) == tmp_path / "checkpoint-10"


def test_a_checkpoint_whose_best_is_damaged_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 5)
    flip(write(tmp_path, 10, best=10) / "model.safetensors")
    write(tmp_path, 20, best=10)
    assert checkpoint.newest(tmp_path) == tmp_path / "checkpoint-5"


def test_prune_keeps_two_and_the_best_that_each_names(tmp_path: Path) -> None:
    """The one before the newest is the fall-back, and needs its own best to be worth anything."""
    for step, best in ((10, 10), (20, 10), (30, 10), (40, 40)):
        write(tmp_path, step, best)
    checkpoint.prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-30", "checkpoint-40"]


def test_random_generators_go_on_where_they_were(tmp_path: Path) -> None:
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    random.gauss(0, 1)  # leaves a second value waiting
    np.random.standard_normal()
    torch.randn(3)
    checkpoint.save_random(tmp_path)

    def draw() -> list[object]:
        return [
            random.gauss(0, 1),
            random.random(),
            np.random.standard_normal(2).tolist(),
            torch.randn(2).tolist(),
            torch.rand(3).tolist(),
        ]

    first = draw()
    random.seed(9)
    np.random.seed(9)
    torch.manual_seed(9)
    checkpoint.load_random(tmp_path)
    assert draw() == first


def test_an_optimizer_comes_back_to_the_bit(tmp_path: Path) -> None:
    """Two steps in a row equal one step, save, load, one step."""

    def steps(interrupted: bool) -> torch.Tensor:
        torch.manual_seed(0)
        layer = torch.nn.Linear(4, 3)
        optimizer = torch.optim.AdamW(
            [{"params": [layer.weight], "weight_decay": 0.1}, {"params": [layer.bias]}], lr=0.1 / 3
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 3))
        for step in range(2):
            if step and interrupted:
                checkpoint.save_optimizer(tmp_path, optimizer.state_dict(), schedule.state_dict(), {"scale": 2.0})
                optimizer = torch.optim.AdamW([{"params": [layer.weight]}, {"params": [layer.bias]}], lr=1.0)
                schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (step + 3))
                state, scheduler, scaler = checkpoint.load_optimizer(tmp_path)
                optimizer.load_state_dict(state)
                schedule.load_state_dict(scheduler)
                assert scaler == {"scale": 2.0}
            layer(torch.ones(2, 4)).square().sum().backward()
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        return layer.weight.detach().clone()

    assert torch.equal(steps(False), steps(True))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".json", ".safetensors"]
