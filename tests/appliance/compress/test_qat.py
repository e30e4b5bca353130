"""Training with the rounding in: the same rounding as numpy's, gradients through it, and a file that answers like the network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from appliance import engine
from appliance.compress import qat
from appliance.compress.student import Student, read
from appliance.engine import on_torch
from appliance.engine.plan import read_plan
from tests.fakes import tiny_model, tiny_records

TEXTS = [record.text for record in tiny_records(40, languages=("en", "zh"))]


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    return read(tiny_model(tmp_path_factory.mktemp("student")))


def logits(student: Student) -> np.ndarray:
    return on_torch.in_batches(on_torch.logits, student.network, student.ids(TEXTS))


def test_values_go_to_the_nearest_step_and_no_further_than_the_last() -> None:
    import torch

    values = torch.tensor([[-1.0, 0.26, 0.74, 9.0], [-9.0, 0.1, 0.2, 0.3]])
    found = qat._operator()(values, torch.tensor([0.5, 0.1]), torch.zeros(2), -2, 3)
    assert torch.allclose(found, torch.tensor([[-1.0, 0.5, 0.5, 1.5], [-0.2, 0.1, 0.2, 0.3]]))


def test_the_gradient_goes_straight_through_inside_the_range_and_stops_outside() -> None:
    import torch

    values = torch.tensor([-3.0, 0.26, 0.9, 40.0], requires_grad=True)
    found = qat._operator()(values, torch.tensor(0.5), torch.tensor(2.0), 0, 10)
    (found * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert values.grad is not None and values.grad.tolist() == [0.0, 2.0, 3.0, 0.0]


@pytest.mark.parametrize("bits", [8, 4])
def test_a_prepared_student_is_near_the_plain_one_and_learns(student: Student, bits: int) -> None:
    """The rounding is in its answers, and its table, matrices and head all get a gradient that lowers the loss."""
    import torch

    prepared = qat.prepare(student, student.ids(TEXTS), bits)
    assert 0 < np.abs(logits(prepared) - logits(student)).mean() < np.abs(logits(student)).mean() / 10
    targets = torch.tensor([number % 3 for number in range(len(TEXTS))])
    batch = [torch.from_numpy(part) for part in on_torch.pad(student.ids(TEXTS))]
    optimizer = torch.optim.Adam(prepared.network.parameters(), lr=1e-2)
    losses = []
    for _step in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(on_torch.logits(prepared.network, *batch), targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] * 0.95
    gradients = {name: value.grad for name, value in prepared.network.named_parameters()}
    assert all(gradient is not None and float(gradient.abs().sum()) > 0 for gradient in gradients.values())


def test_weights_can_be_loaded_after_an_answer(student: Student) -> None:
    """A judge asks between steps, and the best weights are put back: nothing that answering leaves behind may be in the way."""
    prepared = qat.prepare(student, student.ids(TEXTS))
    before = {name: value.clone() for name, value in prepared.network.state_dict().items()}
    told = logits(prepared)
    prepared.network.load_state_dict(before)
    assert np.array_equal(logits(prepared), told)


@pytest.mark.parametrize(("bits", "reduce_range"), [(4, True)])
def test_the_file_answers_like_the_network_that_rounded_in_torch(
    student: Student, tmp_path: Path, bits: int, reduce_range: bool
) -> None:
    prepared = qat.prepare(student, student.ids(TEXTS), bits, reduce_range)
    qat.write(prepared, tmp_path, bits)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.json", "model.onnx", "tokenizer.json"]
    assert read_plan(tmp_path) == replace(student.plan, format="onnx-int8-static", reduce_range=reduce_range)
    served = engine.load(tmp_path).logits(TEXTS)
    plain = np.abs(served - logits(student)).mean()
    assert np.abs(served - logits(prepared)).mean() < plain / 2  # positions are rounded in the file alone
    model = onnx.load(tmp_path / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    operators = [node.op_type for node in model.graph.node]
    assert operators.count("QuantizeLinear") <= 12 and operators.count("DequantizeLinear") >= 12 + 8
    assert max(item.dims[0] * item.dims[1] for item in model.graph.initializer if item.data_type == 1 and len(item.dims) == 2) < 4000  # fmt: skip
