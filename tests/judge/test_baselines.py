"""The optax baselines: they learn what they can express, by every metric, and their tuning is by seed."""

import dataclasses

import numpy as np
import pytest

from azero_jax.judge import baseline_training
from azero_jax.judge.baseline_models import linear_model, two_layer_net
from azero_jax.judge.baseline_training import Hyperparameters
from azero_jax.judge.baselines import evaluate_baseline, sample_hyperparameters, tune_baseline
from azero_jax.language.roles import Metric
from azero_jax.tasks import make_tasks

GOOD = Hyperparameters("adam", 16, 0.03, 1e-5, 1.0)


def tasks_of(metric, label):
    generator = np.random.default_rng(0)
    x = generator.normal(size=(2, 1200, 4))
    y = label(x)
    return make_tasks(x[:, :1000], y[:, :1000], x[:, 1000:], y[:, 1000:], metric)


LINEAR = tasks_of(Metric.ACCURACY, lambda x: x @ [1.0, -2.0, 0.5, 0.0] > 0)
XOR = tasks_of(Metric.ACCURACY, lambda x: x[..., 0] * x[..., 1] > 0)
REGRESSION = tasks_of(Metric.RMS_ERROR, lambda x: x @ [1.0, -2.0, 0.5, 0.0] + 0.3)
QUADRANTS = tasks_of(Metric.MULTICLASS_ACCURACY, lambda x: (x[..., 0] > 0) * 2 + (x[..., 1] > 0))


@pytest.mark.parametrize("baseline", [linear_model(), two_layer_net(16)], ids=lambda baseline: baseline.name)
@pytest.mark.parametrize(("tasks", "floor"), [(LINEAR, 0.95), (REGRESSION, 0.8), (QUADRANTS, 0.9)])
def test_a_baseline_learns(baseline, tasks, floor):
    fitness = evaluate_baseline(baseline, tasks, GOOD, epochs=3)
    assert fitness.shape == (2,)
    assert fitness.min() > floor


def test_a_baseline_learns_with_momentum():
    momentum = Hyperparameters("momentum", 16, 0.05, 1e-5, 1.0)
    assert evaluate_baseline(linear_model(), LINEAR, momentum, epochs=3).min() > 0.95


def test_only_the_net_learns_what_is_not_linear():
    assert evaluate_baseline(linear_model(), XOR, GOOD, epochs=5).max() < 0.65
    assert evaluate_baseline(two_layer_net(16), XOR, GOOD, epochs=5).min() > 0.85


def test_a_training_that_diverges_has_fitness_zero():
    wild = Hyperparameters("momentum", 16, 1e6, 0.0, 1.0)
    assert (evaluate_baseline(two_layer_net(), REGRESSION, wild, epochs=2) < 0.01).all()


def test_tuning_finds_good_hyperparameters_and_shows_progress():
    calls = []
    turns = (("adam", 16), ("momentum", 4))
    tuned = tune_baseline(linear_model(), LINEAR, trials=12, turns=turns, progress=lambda *call: calls.append(call))
    assert tuned.fitness > 0.95
    assert [call[1:] for call in calls] == [(1, 2), (2, 2)]
    again = evaluate_baseline(linear_model(), LINEAR, tuned.hyperparameters)
    np.testing.assert_allclose(again.mean(), tuned.fitness, atol=0.01)


def test_successive_halving_finds_good_hyperparameters_too():
    tuned = tune_baseline(linear_model(), LINEAR, trials=8, rounds=2, turns=(("adam", 16),))
    assert tuned.fitness > 0.95
    again = evaluate_baseline(linear_model(), LINEAR, tuned.hyperparameters)
    np.testing.assert_allclose(again.mean(), tuned.fitness, atol=0.01)  # judged on all examples


def test_the_seed_decides_what_is_tried():
    assert sample_hyperparameters(9, 1) == sample_hyperparameters(9, 1)
    assert sample_hyperparameters(9, 1) != sample_hyperparameters(9, 2)
    assert {(h.optimizer, h.batch_size) for h in sample_hyperparameters(6)} == {
        (optimizer, size) for optimizer in ("adam", "momentum") for size in (4, 16, 64)
    }


def test_the_first_examples_are_as_good_as_tasks_that_have_no_others():
    few = evaluate_baseline(two_layer_net(), LINEAR, GOOD, examples=102, epochs=2)
    alone = evaluate_baseline(two_layer_net(), LINEAR.limit(102, 200), GOOD, epochs=2)
    np.testing.assert_allclose(few, alone, atol=0.005)  # one of the examples to judge by
    assert few.mean() < evaluate_baseline(two_layer_net(), LINEAR, GOOD, epochs=2).mean()


@pytest.mark.parametrize(("examples", "batch_size"), [(100, 64), (100, 16), (64, 64), (10, 64)])
def test_every_example_is_seen_once_an_epoch(monkeypatch, examples, batch_size):
    seen = []
    train = baseline_training._train_epoch
    monkeypatch.setattr(baseline_training, "_train_epoch", lambda *call: seen.append(np.array(call[2])) or train(*call))
    evaluate_baseline(
        linear_model(), LINEAR, dataclasses.replace(GOOD, batch_size=batch_size), examples=examples, epochs=2
    )
    assert [batches.shape[0] for batches in seen] == [2, 2]
    for rows in (task for batches in seen for task in batches):
        assert sorted(rows[rows >= 0].tolist()) == list(range(examples))
        last = -(-examples // batch_size)
        assert (rows[:last, 0] >= 0).all()


@pytest.mark.parametrize("metric", [Metric.ACCURACY, Metric.RMS_ERROR, Metric.MULTICLASS_ACCURACY])
def test_what_fills_a_batch_does_not_count(metric):
    generator = np.random.default_rng(0)
    outputs = generator.normal(size=(5, 3)).astype(np.float32)
    labels = np.eye(3)[[0, 1, 2, 0, 1]] if metric.is_one_hot else np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    whole = baseline_training._loss(metric, outputs[:3], labels[:3], np.ones(3, bool))
    filled = baseline_training._loss(metric, outputs, labels, np.arange(5) < 3)
    np.testing.assert_allclose(filled, whole, rtol=1e-6)


@pytest.mark.parametrize(("cached", "chunk"), [(60, 2), (80, 3), (10, 1)])  # weights; a net has 25
def test_trainings_that_do_not_fit_side_by_side_follow_one_another(monkeypatch, cached, chunk):
    tuned = tune_baseline(two_layer_net(), LINEAR, trials=5, turns=(("adam", 16),))
    chunks = []
    train = baseline_training._train_chunk
    monkeypatch.setattr(baseline_training, "_train_chunk", lambda *call: chunks.append(call[-2]) or train(*call))
    monkeypatch.setattr(baseline_training, "_CACHED_WEIGHTS", cached)
    again = tune_baseline(two_layer_net(), LINEAR, trials=5, turns=(("adam", 16),))
    assert again.hyperparameters == tuned.hyperparameters
    np.testing.assert_allclose(again.fitness, tuned.fitness, atol=0.005)
    assert {len(runs) for runs in chunks} == {chunk}
    assert np.unique(np.concatenate(chunks)).tolist() == list(range(10))
    assert sum(map(len, chunks)) < 10 + chunk


def test_numbers_of_examples_and_epochs_share_a_compilation():
    evaluate_baseline(linear_model(), LINEAR, GOOD)
    before = baseline_training._train_epoch._cache_size()
    for examples, epochs in ((16, 1), (100, 2), (np.int64(1000), 3)):
        evaluate_baseline(linear_model(), LINEAR, GOOD, examples=examples, epochs=epochs)
    assert baseline_training._train_epoch._cache_size() == before


def test_bad_numbers():
    with pytest.raises(ValueError, match="examples is 1001; allowed is 1 to 1000"):
        evaluate_baseline(linear_model(), LINEAR, GOOD, examples=1001)
    with pytest.raises(ValueError, match="trials"):
        sample_hyperparameters(0)
    with pytest.raises(ValueError, match="epochs"):
        evaluate_baseline(linear_model(), LINEAR, GOOD, epochs=0)
