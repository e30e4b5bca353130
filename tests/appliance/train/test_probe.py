"""The linear probe: what it fits, and that a killed run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from appliance import jobs
from appliance.engine import on_torch
from appliance.errors import Interrupted
from appliance.train import probe
from tests.fakes import tiny_base


def clouds(labels: int, rows: int = 60, seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Points of length 1 around one centre a label."""
    source = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(labels, 8))
    targets = [row % labels for row in range(rows)]
    points = centres[targets] + source.normal(size=(rows, 8)) * 0.6
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32), targets


@pytest.mark.parametrize("labels", [2, 3])
def test_the_head_gives_the_probabilities_of_logistic_regression(labels: int) -> None:
    features, targets = clouds(labels)
    weight, bias = probe.fit_head(features, targets, labels, 3.0)
    logits = features @ weight.T + bias
    ours = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    theirs = LogisticRegression(C=3.0, tol=1e-6).fit(features, targets).predict_proba(features)
    assert weight.shape == (labels, 8) and bias.shape == (labels,) and weight.dtype == np.float32
    assert np.allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("labels", [2, 3])
def test_starting_from_another_head_ends_at_the_same(labels: int) -> None:
    features, targets = clouds(labels)
    cold = probe.fit_head(features, targets, labels, 10.0)
    warm = probe.fit_head(features, targets, labels, 10.0, start=probe.fit_head(features, targets, labels, 1.0))
    assert np.allclose(cold[0], warm[0], atol=2e-2)


def test_the_strength_is_chosen_on_the_validation_rows() -> None:
    train, validation = clouds(3), clouds(3, seed=1)
    best = probe.choose_strength(*train, *validation, 3)
    scores = []
    for strength in probe.STRENGTHS:
        weight, bias = probe.fit_head(*train, 3, strength)
        scores.append(float(((validation[0] @ weight.T + bias).argmax(1) == validation[1]).mean()))
    assert best.strength in probe.STRENGTHS
    assert best.metrics["accuracy"] == pytest.approx(max(scores), abs=0.02)


def test_without_validation_rows_the_middle_strength_is_taken() -> None:
    features, targets = clouds(3)
    best = probe.choose_strength(features, targets, features[:0], [], 3)
    assert (best.strength, best.metrics) == (10.0, {})


def test_a_kept_probe_is_made_once(tmp_path: Path) -> None:
    features, targets = clouds(3)
    made = []

    def make() -> probe.Probe:
        made.append(1)
        return probe.Probe(3.0, probe.fit_head(features, targets, 3, 3.0), {"macro_f1": 1 / 3})

    first, second = probe.kept(tmp_path / "probe", make), probe.kept(tmp_path / "probe", make)
    assert len(made) == 1
    assert (first.strength, first.metrics) == (second.strength, second.metrics) == (3.0, {"macro_f1": 1 / 3})
    assert np.array_equal(first.head[0], second.head[0])


def test_a_kept_probe_is_what_was_made_whatever_its_order_in_memory(tmp_path: Path) -> None:
    weight = np.asfortranarray(np.arange(24, dtype=np.float32).reshape(3, 8))
    found = probe.kept(tmp_path / "probe", lambda: probe.Probe(1.0, (weight, np.zeros(3, np.float32)), {}))
    assert np.array_equal(found.head[0], weight)


def test_embedding_goes_on_after_the_chunks_that_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_CHUNK_ROWS", 70)
    network = on_torch.network(on_torch.load_encoder(tiny_base(tmp_path / "tiny")), 2)
    ids = [[2, 5 + row % 50, 9, 3] for row in range(200)]
    whole = probe.embed(network, ids, tmp_path / "whole")
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-5)

    done: list[int] = []

    def stop(_step: str, rows: int, _total: int | None, _numbers: dict[str, float]) -> None:
        done.append(rows)
        if rows > 140 and not (tmp_path / "stopped").exists():
            (tmp_path / "stopped").touch()
            raise Interrupted("stop")

    token = jobs.reporter.set(stop)
    try:
        with pytest.raises(Interrupted):
            probe.embed(network, ids, tmp_path / "cut")
        first = len(done)
        assert np.array_equal(probe.embed(network, ids, tmp_path / "cut"), whole)
        assert min(done[first:]) > 140, "the first two chunks are not embedded again"
    finally:
        jobs.reporter.reset(token)
