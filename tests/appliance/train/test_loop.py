"""Fine-tuning: the order of the data, when to stop, and the same weights after any kill."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import warnings
from itertools import count
from pathlib import Path

import pytest
from safetensors.torch import save

from appliance import jobs
from appliance.errors import IntegrityError
from appliance.settings import TrainSettings
from appliance.train import checkpoint
from appliance.train.classify import read_lesson
from appliance.train.loop import order_of, should_stop
from appliance.train.train import Trained, train_rows
from tests.fakes import tiny_base, tiny_records

ROOT = Path(__file__).resolve().parents[3]
SETTINGS = TrainSettings(
    epochs=3, batch_rows=8, learning_rate=3e-3, checkpoint_steps=7, precision="fp32", threads=1, patience=3, base="tiny"
)
REFIT = SETTINGS.model_copy(update={"refit": True})
LESSON = read_lesson(tiny_records(90, languages=("en", "zh")), seed=0)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_base(tmp_path_factory.mktemp("bases") / "tiny")


def here(base: Path, scratch: Path, settings: TrainSettings = SETTINGS) -> tuple[Trained, str]:
    """Train in this process; return that and the hash of the weights."""
    trained = train_rows(LESSON, base, settings, scratch)
    return trained, hashlib.sha256(save(trained.network.state_dict())).hexdigest()


def killed(
    base: Path, scratch: Path, settings: TrainSettings = REFIT, at_step: int = 0, at_rename: int = 0
) -> list[int]:
    """Train in a process of its own that gets SIGKILL when it tells of step `at_step`, or before its rename `at_rename`: the steps it told of."""
    steps = scratch.with_suffix(".steps")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on: fork beside idle threads of numpy
        child = os.fork()
    if not child:
        try:
            _die(steps, at_step, at_rename)
            here(base, scratch, settings)
        finally:
            os._exit(1)
    _pid, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    return [int(line) for line in steps.read_text().split()] if steps.exists() else []


def _die(steps: Path, at_step: int, at_rename: int) -> None:
    rename, renames = Path.rename, count(1)

    def report(step: str, done: int, _total: int | None, _numbers: dict[str, float]) -> None:
        if step == "train":
            with steps.open("a") as file:
                file.write(f"{done}\n")
            if done == at_step:
                os.kill(os.getpid(), signal.SIGKILL)

    def counted(path: Path, target: Path) -> Path:
        if next(renames) == at_rename:
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(path, target)

    jobs.reporter.set(report)
    Path.rename = counted  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def straight(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, str]:
    """A run that nothing disturbs: 3 epochs of 11 steps (81 rows, the last batch short), then the refit on all 90 rows."""
    return here(base, tmp_path_factory.mktemp("straight"), REFIT)


def test_every_row_comes_once_an_epoch_and_the_short_batch_last() -> None:
    lengths = [random.Random(0).randrange(3, 60) for _ in range(203)]
    order = order_of(lengths, 8, seed=0, epoch=0)
    assert sorted(order) == list(range(203))
    assert order == order_of(lengths, 8, seed=0, epoch=0)
    assert order != order_of(lengths, 8, seed=0, epoch=1) != order_of(lengths, 8, seed=1, epoch=0)


def test_batches_hold_rows_of_like_length_and_do_not_begin_with_the_long_ones() -> None:
    source = random.Random(0)
    lengths = [source.randrange(3, 200) for _ in range(6400)]

    def padded(order: list[int]) -> int:
        return sum(32 * max(lengths[row] for row in order[start : start + 32]) for start in range(0, 6400, 32))

    order = order_of(lengths, 32, seed=0, epoch=0)
    assert padded(order) < 1.05 * sum(lengths) < padded(list(range(6400))) / 1.5
    longest = [max(lengths[row] for row in order[start : start + 32]) for start in range(0, 6400, 32)]
    assert abs(sum(longest[:100]) - sum(longest[100:])) < 0.2 * sum(longest)


@pytest.mark.parametrize(
    ("scores", "patience", "stop"),
    [
        ([], 1, False),
        ([0.5], 1, False),
        ([0.5, 0.4], 1, True),
        ([0.5, 0.5], 1, True),  # no better is not better
        ([0.5, 0.4], 2, False),
        ([0.5, 0.4, 0.6], 2, False),
        ([0.4, 0.6, 0.5, 0.6], 2, True),
    ],
)
def test_patience_counts_evaluations_since_the_best(scores: list[float], patience: int, stop: bool) -> None:
    assert should_stop(scores, patience) is stop


def test_fine_tuning_learns_and_keeps_its_best_weights(straight: tuple[Trained, str]) -> None:
    trained, _weights = straight
    assert trained.tuned and trained.tuned.steps == 33 and trained.tuned.resumed_step == 0
    scores = {int(item["step"]): item["macro_f1"] for item in trained.tuned.evaluations}
    assert list(scores) == [11, 22, 33]
    assert trained.tuned.best_step == max(scores, key=lambda step: (scores[step], -step))
    assert trained.metrics["macro_f1"] == scores[trained.tuned.best_step] >= trained.probe.metrics["macro_f1"]


def test_checkpoints_hold_safetensors_and_json_only(base: Path, tmp_path: Path) -> None:
    here(base, tmp_path, SETTINGS.model_copy(update={"epochs": 1.0}))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len([path for path in files if path.parent.name.startswith("checkpoint-")]) >= 6
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    for path in files:
        if path.suffix == ".json":
            json.loads(path.read_bytes())


def test_a_run_killed_at_random_steps_ends_with_the_same_weights(
    base: Path, straight: tuple[Trained, str], tmp_path: Path
) -> None:
    """Three kills at random steps, each going on from the last checkpoint before it; the end in a fresh interpreter."""
    kills = sorted(random.Random().sample(range(1, 34), 3))
    for kill in kills:
        assert killed(base, tmp_path, at_step=kill)[-1] == kill
    code = (
        "import sys; from pathlib import Path; from tests.appliance.train.test_loop import REFIT, here\n"
        "trained, weights = here(Path(sys.argv[1]), Path(sys.argv[2]), REFIT); print(trained.tuned.resumed_step, weights)"
    )
    command = [sys.executable, "-c", code, str(base), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert result.returncode == 0, result.stderr
    resumed, weights = result.stdout.split()
    assert int(resumed) in {0, *range(7, 34, 7), 11, 22, 33}
    assert kills[-1] - 7 <= int(resumed) <= kills[-1]
    assert weights == straight[1], f"kills at {kills}"


def test_bf16_goes_on_to_the_same_weights_too(base: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"precision": "bf16", "epochs": 1.0})
    killed(base, tmp_path / "killed", settings, at_step=9)
    trained, weights = here(base, tmp_path / "killed", settings)
    assert trained.tuned and trained.tuned.resumed_step == 7
    assert weights == here(base, tmp_path / "straight", settings)[1]


def test_a_run_killed_while_it_writes_ends_with_the_same_weights(
    base: Path, straight: tuple[Trained, str], tmp_path: Path
) -> None:
    """Killed before a random rename: of the embeddings, a probe, any checkpoint of fine-tuning or of the refit."""
    kill = random.Random().randrange(1, 12)
    killed(base, tmp_path, at_rename=kill)
    assert here(base, tmp_path, REFIT)[1] == straight[1], f"killed at rename {kill}"


def test_a_damaged_checkpoint_is_passed_over_and_the_weights_are_the_same(
    base: Path, straight: tuple[Trained, str], tmp_path: Path
) -> None:
    killed(base, tmp_path, at_step=18)
    newest = checkpoint.newest(tmp_path / "full")
    assert newest and newest.name == "checkpoint-14"
    content = bytearray((newest / "optimizer.safetensors").read_bytes())
    content[-1] ^= 1
    (newest / "optimizer.safetensors").write_bytes(content)
    trained, weights = here(base, tmp_path, REFIT)
    assert trained.tuned and trained.tuned.resumed_step == 11
    assert weights == straight[1]


def test_a_run_that_had_ended_is_not_trained_again(base: Path, tmp_path: Path) -> None:
    """Killed between the end of training and the writing of the model."""
    first, weights = here(base, tmp_path)
    again, same = here(base, tmp_path)
    assert first.tuned and again.tuned
    assert (again.tuned.resumed_step, again.tuned.steps, same) == (first.tuned.steps, first.tuned.steps, weights)


def test_an_early_stop_is_final_after_a_kill_too(base: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"learning_rate": 1e-9, "patience": 1, "epochs": 9.0})
    first, weights = here(base, tmp_path, settings)
    again, same = here(base, tmp_path, settings)
    assert first.tuned and again.tuned and first.tuned.steps == again.tuned.steps < 99
    assert weights == same


def test_rows_in_another_order_are_refused(base: Path, tmp_path: Path) -> None:
    here(base, tmp_path, SETTINGS.model_copy(update={"epochs": 1.0}))
    with pytest.raises(IntegrityError, match="another order"):
        here(base, tmp_path, SETTINGS.model_copy(update={"seed": 1}))


@pytest.mark.gpu
def test_a_gpu_learns_too(base: Path, tmp_path: Path) -> None:
    trained, _weights = here(base, tmp_path, SETTINGS.model_copy(update={"precision": "auto"}))
    assert trained.precision in {"bf16", "fp16"}
    assert trained.metrics["macro_f1"] >= trained.probe.metrics["macro_f1"]
    assert {value.device.type for value in trained.network.parameters()} == {"cpu"}
