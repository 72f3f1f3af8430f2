"""Each number of the evaluation against brute force or simulation, and what the whole leaves and refuses."""

from __future__ import annotations

import dataclasses
import json
import math
import warnings

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch import nn

from gan import data, evaluation
from gan.autoencoder import Autoencoder
from gan.data import Dataset, Modes
from gan.evaluation import latent, likelihood
from gan.model import Frame, Model
from gan.recipes import Recipe


def made(generator, dataset, **fields):
    """A model without a training: what a checkpoint would hold."""
    recipe = Recipe(**{"data": dataset.name, "latent": 2, **fields})
    return Model(recipe, Frame.of(dataset, "none"), generator, generator, None, 0)


def small(rng, *, n=60, d=3, image_shape=None, **known):
    parts = [rng.random((n, d)).astype(np.float32) for _ in range(3)]
    return Dataset("small", *parts, image_shape=image_shape, **known)


def linear(d):
    """z to d features, weights fixed."""
    layer = nn.Linear(2, d)
    with torch.no_grad():
        layer.weight.copy_(torch.linspace(-1, 1, 2 * d).view(d, 2))
        layer.bias.fill_(0.5)
    return layer


# ── Parzen ──────────────────────────────────────────────────────────────────────────────────


def log_densities(x, y, sigma):
    squares = ((x[:, None].astype(float) - y[None].astype(float)) ** 2).sum(2)
    norm = y.shape[1] / 2 * math.log(2 * math.pi * sigma**2)
    return logsumexp(-squares / (2 * sigma**2), axis=1) - math.log(len(y)) - norm


def test_parzen_is_goodfellows_protocol_by_hand(rng):
    found = small(rng, n=1300, d=4, image_shape=(2, 2))
    samples = rng.random((200, 4)).astype(np.float32)
    grid = np.logspace(-1, 0, 10)
    by_grid = [log_densities(found.validation[:1000], samples, sigma).mean() for sigma in grid]
    sigma = grid[int(np.argmax(by_grid))]
    expected = log_densities(found.test, samples, sigma)
    score = evaluation.score("mine", samples, found)
    assert score.bandwidth == pytest.approx(sigma, rel=1e-12)
    assert score.value == pytest.approx(expected.mean(), abs=1e-9)
    assert score.standard_error == pytest.approx(expected.std(ddof=1) / math.sqrt(len(expected)), rel=1e-9)
    assert (score.n, score.m) == (1300, 200)


def test_parzen_never_reads_training_rows_or_later_validation_rows(rng):
    found = small(rng, n=1300, d=2)
    samples = rng.random((100, 2)).astype(np.float32)
    spoiled = found.validation.copy()
    spoiled[1000:] += 7
    other = dataclasses.replace(found, train=found.train + 5, validation=spoiled)
    assert evaluation.score("a", samples, found) == evaluation.score("a", samples, other)


def test_data_in_units_of_their_own_take_the_fine_search(rng):
    found = small(rng, n=300, d=2)
    thousandfold = Dataset("scaled", *(1000 * part for part in (found.train, found.validation, found.test)))
    samples = rng.random((100, 2)).astype(np.float32)
    one, other = evaluation.score("a", samples, found), evaluation.score("a", 1000 * samples, thousandfold)
    assert other.bandwidth == pytest.approx(1000 * one.bandwidth, rel=1e-6)
    assert other.value == pytest.approx(one.value - 2 * math.log(1000), abs=1e-4)


def test_a_bandwidth_at_the_edge_of_the_grid_is_told(rng):
    found = small(rng, n=50, d=4, image_shape=(2, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score = evaluation.score("far", found.validation + 9, found)
    assert "edge" in score.warnings[0] or "end" in score.warnings[0]


def test_the_controls_are_what_they_are_called(rng):
    found = small(rng, n=100, d=4, image_shape=(2, 2))
    torch.manual_seed(0)
    code = Autoencoder(4, 3, 2).eval()
    frame = Frame.of(found, "none", code)
    rows = dict(evaluation.controls(found, 40, frame=frame, seed=1))
    assert list(rows) == ["40 training rows", "40 reconstructions", "20 k-means centroids"]
    real = rows["40 training rows"]
    assert len(np.unique(real, axis=0)) == 40
    assert (real[:, None] == found.train[None]).all(2).any(1).all()
    with torch.no_grad():
        np.testing.assert_allclose(
            rows["40 reconstructions"], code(torch.from_numpy(real)).numpy(), atol=1e-6
        )
    again = dict(evaluation.controls(found, 40, frame=frame, seed=1))
    assert all((again[name] == rows[name]).all() for name in rows)
    assert list(dict(evaluation.controls(found, 1000))) == ["100 training rows", "20 k-means centroids"]


def test_centroids_are_better_than_the_rows_they_started_from(rng):
    train = rng.normal(size=(400, 2)).astype(np.float32)
    centres = likelihood._centroids(train, 20, np.random.default_rng(0))
    starts = train[np.random.default_rng(0).permutation(400)[:20]]
    to = lambda where: ((train[:, None] - where) ** 2).sum(2).min(1).mean()  # noqa: E731
    assert to(centres) < 0.8 * to(starts)


def test_the_trap_is_told_with_the_numbers(rng):
    found = small(rng, n=200, d=4, image_shape=(2, 2))
    middle = np.full((50, 4), 0.5, np.float32)  # one blurred image again and again
    scores = [evaluation.score("generated samples", middle, found)]
    scores += [evaluation.score(name, rows, found) for name, rows in evaluation.controls(found, 5)]
    assert scores[0].value > scores[1].value
    told = evaluation.tables.parzen(scores).text()
    assert f"The model scores {scores[0].value - scores[1].value:.3g} nats above real training data" in told
    assert "k-means centroids score above" in " ".join(told.split())


# ── modes ───────────────────────────────────────────────────────────────────────────────────


def test_coverage_by_brute_force(rng):
    centres = rng.normal(size=(5, 3)) * 3
    samples = centres[rng.integers(4, size=500)] + rng.normal(size=(500, 3)) * 0.3  # the fifth is never drawn
    found = evaluation.coverage(samples, Modes(centres, 0.2, radius=2.5))
    counts, inside = [0] * 5, [[] for _ in range(5)]
    for sample in samples:
        distances = [math.dist(sample, centre) for centre in centres]
        mode = int(np.argmin(distances))
        if distances[mode] <= 0.5:
            counts[mode] += 1
            inside[mode].append(sample)
    total = sum(counts)
    assert found.modes == sum(count > 0 for count in counts) == 4
    assert found.high_quality == pytest.approx(100 * total / 500)
    assert found.shares == pytest.approx([count / total for count in counts])
    expected = sum(count / total * math.log(count / total * 5) for count in counts if count)
    assert found.reverse_kl == pytest.approx(expected, abs=1e-12)
    variances = [np.var(part, axis=0, ddof=1).mean() for part in inside if len(part) > 1]
    assert found.spread == pytest.approx(math.sqrt(np.mean(variances)) / 0.2)
    assert (found.of, found.n) == (5, 500)
    assert found.reverse_kl_floor == evaluation.reverse_kl_floor(5, total), (
        "what lies off the modes counts nowhere"
    )


def test_the_edge_of_a_mode_belongs_to_it():
    modes = Modes(np.array([[0.0], [100.0]]), 1.0)
    found = evaluation.coverage(np.array([[3.0], [-3.0], [3.001]]), modes)
    assert found.high_quality == pytest.approx(200 / 3)


def test_nothing_covered_is_infinitely_far():
    found = evaluation.coverage(np.array([[50.0]]), Modes(np.array([[0.0], [100.0]]), 1.0))
    assert (found.modes, found.high_quality, found.reverse_kl, found.spread) == (0, 0.0, math.inf, 0.0)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((3, 2)), r"must have shape \(n, 1\)"),
        (np.zeros((0, 1)), r"must have shape"),
        (np.array([[math.nan]]), "must be finite"),
    ],
)
def test_coverage_refuses_what_it_cannot_count(samples, message):
    with pytest.raises(ValueError, match=message):
        evaluation.coverage(samples, Modes(np.zeros((1, 1)), 1.0))


@pytest.mark.parametrize(("modes", "n"), [(2, 1), (3, 4), (8, 50), (25, 30), (25, 2500)])
def test_the_floor_of_reverse_kl_by_simulation(modes, n, rng):
    shares = rng.multinomial(n, np.full(modes, 1 / modes), size=20_000) / n
    logs = np.log(np.where(shares > 0, shares * modes, 1.0))
    values = (shares * logs).sum(1)
    error = values.std() / math.sqrt(len(values))
    assert evaluation.reverse_kl_floor(modes, n) == pytest.approx(values.mean(), abs=4 * error + 1e-12)


def test_the_floor_is_nearly_millers_for_large_samples():
    assert evaluation.reverse_kl_floor(25, 2500) == pytest.approx(24 / 5000, rel=0.01)
    assert evaluation.reverse_kl_floor(8, 0) == math.inf


def test_true_samples_have_the_published_quality():
    ring = data.load("ring")
    found = evaluation.coverage(ring.test, ring.modes)
    assert found.modes == 8
    assert found.high_quality == pytest.approx(98.9, abs=0.3)  # 1 − exp(−9/2) in the plane
    assert found.spread == pytest.approx(0.974, abs=0.01)  # a Gaussian cut off at 3σ


# ── neighbours ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("d", [1, 2, 9])
def test_neighbours_by_brute_force(d, rng):
    train, held_out = rng.normal(size=(80, d)), rng.normal(size=(40, d))
    samples = np.concatenate([train[[3, 3, 60]], rng.normal(size=(30, d))])
    found = evaluation.neighbors(samples, train, held_out)
    distances = np.linalg.norm(samples[:, None] - train[None], axis=2)
    np.testing.assert_array_equal(found.rows, distances.argmin(1))
    np.testing.assert_allclose(found.distances, distances.min(1), atol=1e-12)
    assert found.copies == 3
    others = np.linalg.norm(held_out[:, None] - train[None], axis=2).min(1)
    pairs = [(a < b) + 0.5 * (a == b) for a in found.distances for b in others]
    assert found.closer == pytest.approx(np.mean(pairs), abs=1e-12)


def test_new_data_are_as_near_as_new_data_and_ties_count_half(rng):
    train, held_out, fresh = (rng.normal(size=(600, 3)) for _ in range(3))
    assert evaluation.neighbors(fresh, train, held_out).closer == pytest.approx(0.5, abs=0.05)
    assert evaluation.neighbors(held_out, train, held_out).closer == 0.5
    assert evaluation.neighbors(train, train, held_out).closer == 1.0
    assert "600 samples are copies" in evaluation.tables.memory(evaluation.neighbors(train, train, held_out))


# ── the latent space ────────────────────────────────────────────────────────────────────────


def test_ways_on_the_sphere(rng):
    first, last = rng.normal(size=(2, 4, 16))
    path = latent.ways(first, last, 9, on_sphere=True)
    np.testing.assert_allclose(path[:, 0], first, atol=1e-12)
    np.testing.assert_allclose(path[:, -1], last, atol=1e-12)
    a, b = np.linalg.norm(first, axis=1), np.linalg.norm(last, axis=1)
    np.testing.assert_allclose(np.linalg.norm(path[:, 4], axis=1), np.sqrt(a * b))
    units = path / np.linalg.norm(path, axis=2, keepdims=True)
    steps = np.arccos((units[:, 1:] * units[:, :-1]).sum(2))
    np.testing.assert_allclose(steps, steps[:, :1] * np.ones(8), atol=1e-9)


@pytest.mark.parametrize(
    ("first", "last"),
    [([1.0, 0.0], [-2.0, 0.0]), ([1.0, 0.0], [3.0, 0.0]), ([0.0, 0.0], [0.0, 4.0])],
    ids=["opposite", "same", "zero"],
)
def test_ways_that_have_no_circle_are_straight(first, last):
    first, last = np.array([first]), np.array([last])
    for on_sphere in (True, False):
        path = latent.ways(first, last, 3, on_sphere=on_sphere)
        np.testing.assert_allclose(path[:, 1], (first + last) / 2)


@pytest.mark.parametrize("prior", ["normal", "uniform"])
def test_an_interpolation_starts_and_ends_at_samples(prior, rng):
    found = small(rng)
    model = made(linear(3), found, prior=prior)
    paths = evaluation.interpolate(model, rows=4, steps=5, rng=7)
    assert paths.shape == (4, 5, 3)
    ends = model.sample(8, rng=7)
    np.testing.assert_allclose(paths[:, 0], ends[:4], atol=1e-6)
    np.testing.assert_allclose(paths[:, -1], ends[4:], atol=1e-6)
    # the network is linear: a straight way in noise is one in samples
    straight = np.allclose(paths[:, 2], (ends[:4] + ends[4:]) / 2, atol=1e-5)
    assert straight == (prior == "uniform")


# ── the whole ───────────────────────────────────────────────────────────────────────────────


def test_an_evaluation_repeats_and_is_made_of_its_parts(rng):
    found = small(rng, n=100, modes=Modes(np.eye(3), 0.2))
    model = made(linear(3), found)
    one, same = (evaluation.evaluate(model, found, samples=300, seed=4) for _ in range(2))
    other = evaluation.evaluate(model, found, samples=300, seed=5, parts=["modes"])
    assert one.to_dict()["parzen"] == same.to_dict()["parzen"]
    np.testing.assert_array_equal(one.samples, model.sample(300, rng=[4, 2]))
    assert not np.array_equal(one.samples, other.samples)
    assert one.parzen[0] == evaluation.score("generated samples", one.samples, found)
    assert one.coverage["generated samples"] == evaluation.coverage(one.samples, found.modes)
    assert one.coverage["true samples"] == evaluation.coverage(found.test, found.modes)
    assert one.neighbors.closer == evaluation.neighbors(one.samples, found.train, found.test).closer
    assert (one.report.n, one.report.m) == (100, 100)
    np.testing.assert_array_equal(one.report.x, found.test)
    assert one.left_out == ()
    assert (other.report, other.parzen, other.neighbors) == (None, None, None)
    assert json.loads(json.dumps(one.to_dict()))["modes"]["generated samples"]["of"] == 3
    for part in ("Mode coverage", "Parzen log-likelihood", "Nearest training rows", "energy"):
        assert part in one.text()


@pytest.mark.parametrize(
    ("d", "shape"),
    [(1, None), (2, None), (5, None), (4, (2, 2)), (12, (2, 2, 3))],
    ids=["line", "plane", "points", "images", "color"],
)
def test_every_kind_of_data_has_its_page(d, shape, rng):
    found = small(rng, d=d, image_shape=shape)
    judged = evaluation.evaluate(
        made(linear(d), found), found, samples=60, parts=["neighbors", "interpolation"]
    )
    page = judged.html(introduction="<b>", words=["a & b"])
    assert page.count("<figure>") == 2
    assert "could not be drawn" not in page
    assert "&lt;b&gt;" in page
    assert "<script" not in page


def test_what_does_not_apply_is_left_out_and_told_only_where_asked_for(rng):
    found = small(rng)
    model = made(linear(3), found)
    asked = evaluation.evaluate(model, found, samples=20, parts=["modes", "neighbors"])
    assert asked.left_out == (("modes", "the modes of small are not known"),)
    assert "modes: left out, because the modes of small are not known." in asked.text()
    unasked = evaluation.evaluate(model, found, samples=50)
    assert (unasked.left_out, unasked.coverage) == ((), None)


def test_refusals(rng):
    found = small(rng)
    with pytest.raises(ValueError, match="unknown part 'mode'; did you mean 'modes'"):
        evaluation.evaluate(made(linear(3), found), found, parts=["mode"])
    with pytest.raises(ValueError, match="must have the 3 features .* has 2"):
        evaluation.evaluate(made(linear(3), found), small(rng, d=2))
    broken = linear(3)
    with torch.no_grad():
        broken.bias.fill_(math.nan)
    with pytest.raises(ValueError, match="NaN or infinite samples"):
        evaluation.evaluate(made(broken, found), found)
