"""In scikit-learn: a Parzen window as an estimator, scorers of generative models, distances of data sets."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.cluster import DBSCAN, AgglomerativeClustering
from sklearn.linear_model import LinearRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KernelDensity
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

import divergences as dv
from divergences.integrations import sklearn as sklearn_tools
from divergences.integrations.sklearn import ParzenDensity, divergence_scorer, pairwise_divergences


@pytest.fixture
def data(rng):
    return rng.normal(size=(120, 3)), rng.normal(size=(40, 3))


# ── the Parzen window ───────────────────────────────────────────────────────────────────────


def test_check_estimator_passes():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SkipTestWarning of checks that do not apply
        check_estimator(ParzenDensity())


@pytest.mark.parametrize("bandwidth", [0.1, 0.5, 2.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_values_are_those_of_kernel_density(data, rng, bandwidth, weighted):
    x, held_out = data
    weights = rng.uniform(0.5, 2.0, size=len(x)) if weighted else None
    ours = ParzenDensity(bandwidth).fit(x, sample_weight=weights)
    # in one leaf: between leaves the tree adds and takes off bounds, which costs far rows up to 4 digits
    theirs = KernelDensity(bandwidth=bandwidth, rtol=0, atol=0, leaf_size=500).fit(x, sample_weight=weights)
    np.testing.assert_allclose(ours.score_samples(held_out), theirs.score_samples(held_out), rtol=1e-10)
    squares = ((held_out[:, None] - x[None]) ** 2).sum(-1)
    shares = np.full(len(x), 1 / len(x)) if weights is None else weights / weights.sum()
    want = logsumexp(-squares / (2 * bandwidth**2), b=shares, axis=1)
    want -= 1.5 * np.log(2 * np.pi * bandwidth**2)
    np.testing.assert_allclose(ours.score_samples(held_out), want, rtol=1e-10)
    assert ours.score(held_out) == pytest.approx(theirs.score(held_out), rel=1e-10)


def test_parameters_clone_and_samples(data):
    x, _ = data
    density = ParzenDensity(bandwidth=0.3)
    assert density.get_params() == {"bandwidth": 0.3}
    copied = clone(density).set_params(bandwidth=0.7)
    assert (density.bandwidth, copied.bandwidth) == (0.3, 0.7)
    copied.fit(x)
    drawn = copied.sample(4000, random_state=0)
    assert drawn.shape == (4000, 3)
    assert (drawn == copied.sample(4000, random_state=0)).all()
    # a window adds its variance to that of the rows
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(x.T, ddof=0) + 0.49 * np.eye(3), atol=0.15)
    chosen = ParzenDensity("likelihood").fit(x)
    assert chosen.bandwidth_ == dv.Parzen.fit(x).bandwidth
    assert isinstance(chosen.window_, dv.Parzen)


@pytest.mark.parametrize(
    ("bandwidth", "said"), [(0.0, "bandwidth must be"), (-1, "bandwidth must be"), ("silverman", "bandwidth")]
)
def test_a_wrong_bandwidth_is_refused_in_fit(data, bandwidth, said):
    with pytest.raises(ValueError, match=said):
        ParzenDensity(bandwidth).fit(data[0])


def test_a_search_over_the_bandwidth_finds_what_kernel_density_finds(data):
    x, _ = data
    grid = {"bandwidth": np.geomspace(0.05, 2.0, 8)}
    found = [GridSearchCV(each, grid, cv=3).fit(x) for each in (ParzenDensity(), KernelDensity())]
    assert found[0].best_params_ == found[1].best_params_
    np.testing.assert_allclose(
        found[0].cv_results_["mean_test_score"], found[1].cv_results_["mean_test_score"], rtol=1e-6
    )
    pipeline = make_pipeline(StandardScaler(), ParzenDensity())
    search = GridSearchCV(pipeline, {"parzendensity__bandwidth": [0.1, 0.5, 5.0]}, cv=3).fit(x)
    assert search.best_params_ == {"parzendensity__bandwidth": 0.5}


# ── scorers ─────────────────────────────────────────────────────────────────────────────────


def test_a_scorer_chooses_the_generative_model_nearest_to_held_out_rows(rng):
    x = np.concatenate([rng.normal(-4, 1, size=(80, 1)), rng.normal(4, 1, size=(80, 1))])
    rng.shuffle(x)
    search = GridSearchCV(
        GaussianMixture(random_state=0), {"n_components": [1, 2]}, scoring=divergence_scorer("energy"), cv=3
    )
    assert search.fit(x).best_params_ == {"n_components": 2}
    search = GridSearchCV(
        KernelDensity(), {"bandwidth": [0.3, 30.0]}, scoring=divergence_scorer("wasserstein"), cv=3
    )
    assert search.fit(x).best_params_ == {"bandwidth": 0.3}


def test_the_value_is_the_metrics_with_its_sign(data):
    x, held_out = data
    model = KernelDensity(bandwidth=0.5).fit(x)
    drawn = model.sample(40, random_state=3)
    assert divergence_scorer("energy", random_state=3)(model, held_out) == -dv.energy(held_out, drawn)
    parzen = divergence_scorer("parzen_log_likelihood(bandwidth=0.5)", random_state=3)
    assert parzen(model, held_out) == dv.parzen_log_likelihood(held_out, drawn, bandwidth=0.5)
    many = divergence_scorer("frechet", n_samples=500, random_state=3)
    assert many(model, held_out) == -dv.frechet(held_out, model.sample(500, random_state=3))


def test_predictions_are_compared_with_targets_as_distributions(data):
    x, _ = data
    y = x @ [1.0, -1.0, 0.5]
    scorer = divergence_scorer("wasserstein", response="predict")
    fitted = LinearRegression().fit(x, y)
    assert scorer(fitted, x, y) == -dv.wasserstein(y, fitted.predict(x))
    assert len(cross_val_score(LinearRegression(), x, y, scoring=scorer, cv=3)) == 3
    scaled = StandardScaler().fit(x)
    assert divergence_scorer("energy", response="transform")(scaled, x, x) == -dv.energy(
        x, scaled.transform(x)
    )
    with pytest.raises(ValueError, match="y must be given"):
        scorer(fitted, x)


def test_scorers_that_cannot_be_are_refused(data):
    with pytest.raises(ValueError, match="response must be"):
        divergence_scorer("energy", response="predict_proba")
    model = KernelDensity().fit(data[0])
    with pytest.raises(ValueError, match="must have one value; precision_recall has 4"):
        divergence_scorer("precision_recall")(model, data[1])


# ── distances between data sets ─────────────────────────────────────────────────────────────


@pytest.fixture
def families(rng):
    """Nine data sets of three families, of different sizes."""
    return [rng.normal(3 * (k % 3), 1.0, size=(40 + 5 * k, 2)) for k in range(9)]


def test_data_sets_are_clustered_by_family(families):
    distances = pairwise_divergences(families)
    for i, x in enumerate(families):
        for j, y in enumerate(families):
            assert distances[i, j] == (0.0 if i == j else pytest.approx(dv.energy(x, y), rel=1e-12))
    assert (distances == distances.T).all()
    labels = AgglomerativeClustering(3, metric="precomputed", linkage="average").fit_predict(distances)
    assert len(set(labels)) == 3
    assert all(labels[k] == labels[k % 3] for k in range(9))
    by_density = DBSCAN(eps=0.5, min_samples=2, metric="precomputed").fit_predict(distances)
    assert len(set(by_density)) == 3
    assert all(by_density[k] == by_density[k % 3] for k in range(9))


def test_directed_metrics_are_made_symmetric_only_on_request(families):
    sets = families[:3]
    directed = pairwise_divergences(sets, metric="kl")
    assert directed[0, 1] == dv.kl(sets[0], sets[1]) != directed[1, 0] == dv.kl(sets[1], sets[0])
    mean = pairwise_divergences(sets, metric="kl", symmetrize="mean")
    np.testing.assert_allclose(mean, (directed + directed.T) / 2)
    assert (
        pairwise_divergences(sets, metric="kl", symmetrize="max") == np.maximum(directed, directed.T)
    ).all()


def test_two_lists_and_one_kernel_for_all_pairs(families):
    table = pairwise_divergences(families[:2], {"a": families[3], "b": families[4], "c": families[5]})
    assert table.shape == (2, 3)
    assert table[1, 2] == dv.energy(families[1], families[5])
    mmd = pairwise_divergences(families, metric="squared_mmd(estimator='biased')")
    pooled = np.concatenate(families)
    rows = np.linalg.norm(pooled[:, None] - pooled[None], axis=-1)[np.triu_indices(len(pooled), 1)]
    want = dv.squared_mmd(families[0], families[1], bandwidth=np.median(rows), estimator="biased")
    assert mmd[0, 1] == pytest.approx(want, rel=1e-9)


def test_what_cannot_be_clustered_is_refused(families):
    with pytest.raises(ValueError, match="must be a distance"):
        pairwise_divergences(families, metric="parzen_log_likelihood(bandwidth=1.0)")
    far = [families[0], families[0] + 1e6]
    with pytest.raises(ValueError, match="is inf, which cannot be clustered"):
        pairwise_divergences(far, metric="kl(estimator='histogram', bins=2)")
    with pytest.raises(ValueError, match="at least one data set"):
        pairwise_divergences([])
    with pytest.raises(ValueError, match="leave others out"):
        pairwise_divergences(far, far, symmetrize="mean")


def test_a_fitted_search_with_a_scorer_can_be_saved(data):
    search = GridSearchCV(GaussianMixture(random_state=0), {"n_components": [1, 2]},
                          scoring=divergence_scorer("energy"), cv=2)  # fmt: skip
    search.fit(data[0])
    again = pickle.loads(pickle.dumps(search))
    assert again.score(data[1]) == search.score(data[1])


@pytest.mark.parametrize("metric", ["wasserstein", "js", "tv", "energy", "sliced_wasserstein"])
def test_symmetric_metrics_are_computed_once_a_pair(monkeypatch, families, metric):
    asked = []
    value = sklearn_tools._value

    def counted(*given):
        asked.append(given)
        return value(*given)

    monkeypatch.setattr(sklearn_tools, "_value", counted)
    found = pairwise_divergences([rows[:20] for rows in families[:3]], metric=metric)
    assert len(asked) == 3
    np.testing.assert_array_equal(found, found.T)
