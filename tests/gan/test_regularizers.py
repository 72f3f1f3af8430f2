"""Constraints on the critic against closed forms, finite differences and the papers' formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from gan import regularizers
from gan.regularizers import (
    DRAGAN,
    R1,
    R1R2,
    R2,
    Clip,
    GradientPenalty,
    LeCam,
    Regularizer,
    SpectralNorm,
    input_gradients,
    parse,
)

REAL = torch.tensor([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
FAKE = torch.tensor([[-1.0, 1.0], [2.0, 2.0], [0.5, 0.0]], dtype=torch.float64)
SLOPE = torch.tensor([3.0, 4.0], dtype=torch.float64)  # of length 5


def linear(x):
    return x @ SLOPE


@pytest.mark.parametrize("centre", [0.0, 1.0])
@pytest.mark.parametrize("count", [1, 3])
def test_the_penalty_at_both_is_the_sum_of_those_at_each(centre, count):
    fake = FAKE.repeat(count, 1)
    real, generated, both = (
        GradientPenalty(0.3, at=where, centre=centre).penalty(bowl, REAL, fake, step=0, progress=0.0)
        for where in ("real", "fake", "both")
    )
    torch.testing.assert_close(both, real + generated)


def test_a_look_at_a_lecam_penalty_moves_nothing():
    lecam = LeCam(0.3)
    critic = nn.Linear(2, 1).double()
    lecam.penalty(critic, REAL, FAKE, step=0, progress=0.0)
    kept = lecam.state_dict()["anchors"].clone()
    first, second = (lecam.term(critic, 2 * REAL, FAKE).detach() for _ in range(2))
    assert float(first) == float(second)
    torch.testing.assert_close(lecam.state_dict()["anchors"], kept)
    lecam.penalty(critic, 2 * REAL, FAKE, step=1, progress=0.0)
    assert not torch.equal(lecam.state_dict()["anchors"], kept)


def bowl(x):
    """|x|², whose slope is 2x."""
    return x.square().sum(1)


def at(regularizer, critic=linear, step=0, progress=0.0):
    value = regularizer.penalty(critic, REAL, FAKE, step=step, progress=progress)
    return None if value is None else value.item()


def test_input_gradients_are_the_slopes():
    torch.testing.assert_close(input_gradients(bowl, REAL), 2 * REAL)
    assert not REAL.requires_grad


def test_two_and_one_sided_penalties_of_a_linear_critic():
    assert at(GradientPenalty(10.0)) == pytest.approx(10 * (5 - 1) ** 2)
    assert at(GradientPenalty(10.0, sided="one")) == pytest.approx(10 * (5 - 1) ** 2)
    flat = lambda x: 0.1 * linear(x)  # noqa: E731  of slope 1/2
    assert at(GradientPenalty(10.0), flat) == pytest.approx(10 * 0.25)
    assert at(GradientPenalty(10.0, sided="one"), flat) == 0


def test_zero_centred_penalties_are_half_gamma_times_the_mean_square():
    on_real, on_fake = (4 * points.square().sum(1).mean().item() for points in (REAL, FAKE))
    assert at(R1(0.3), bowl) == pytest.approx(0.15 * on_real)
    assert at(R2(0.3), bowl) == pytest.approx(0.15 * on_fake)
    assert at(R1R2(0.3), bowl) == pytest.approx(0.15 * (on_real + on_fake))
    assert at(R1(0.3) + R2(0.3), bowl) == pytest.approx(at(R1R2(0.3), bowl))


def test_points_lie_between_paired_samples_or_around_the_real_ones():
    seen = []

    def watching(x):
        seen.append(x.detach().clone())
        return bowl(x)

    at(GradientPenalty(), watching)
    share = ((seen[0] - REAL) / (FAKE - REAL)).nan_to_num(0.5)
    assert ((share >= 0) & (share <= 1)).all()
    # one share for a pair: the point is on the segment, not just in the box
    assert share[0, 0] == pytest.approx(share[0, 1])
    at(DRAGAN(), watching)
    away = (seen[1] - REAL) / (0.5 * REAL.std())
    assert ((away >= 0) & (away <= 1)).all()


@pytest.mark.parametrize("name", ["gradient-penalty", "r1", "r2", "r1r2", "dragan", "lecam"])
def test_gradients_on_the_weights_match_finite_differences(name):
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 4), nn.Softplus(), nn.Linear(4, 1)).double()
    weights = list(critic.parameters())

    def value():
        torch.manual_seed(1)  # the same points every time
        made = parse(name)
        if isinstance(made, LeCam):  # its anchors move with the outputs, but are held still in its gradient
            made.load_state_dict({"anchors": torch.tensor([0.3, -0.2], dtype=torch.float64)})
            made.decay = 1.0
        return made.penalty(critic, REAL, FAKE, step=0, progress=0.0)

    slopes = torch.autograd.grad(value(), weights, allow_unused=True)
    rng = np.random.default_rng(0)
    for weight, slope in zip(weights, slopes, strict=True):
        place = tuple(rng.integers(size) for size in weight.shape)
        with torch.no_grad():
            weight[place] += 1e-5
        up = value().item()
        with torch.no_grad():
            weight[place] -= 2e-5
        down = value().item()
        with torch.no_grad():
            weight[place] += 1e-5
        found = 0.0 if slope is None else slope[place].item()  # the last bias is in no slope
        assert found == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-7)


def test_a_dead_critic_gives_no_nan():
    weight = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    loss = GradientPenalty().penalty(lambda x: x @ weight, REAL, FAKE, step=0, progress=0.0)
    (slope,) = torch.autograd.grad(loss, weight)
    assert torch.isfinite(slope).all()


def test_lazy_applies_every_kth_step_times_k():
    lazy = R1(2.0).every(4)
    values = [at(lazy, bowl, step) for step in range(8)]
    assert [value is None for value in values] == [False, True, True, True] * 2
    assert values[0] == pytest.approx(4 * at(R1(2.0), bowl))


def test_annealing_is_geometric():
    falling = R1(0.1).annealed(1e-4)
    weights = [falling.weight_at(progress) for progress in (0.0, 0.5, 1.0, 2.0)]
    assert weights == pytest.approx([0.1, 10**-2.5, 1e-4, 1e-4])
    assert at(falling, bowl, progress=1.0) == pytest.approx(1e-3 * at(falling, bowl, progress=0.0))


def test_clipping_bounds_every_weight():
    critic = nn.Linear(3, 2)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([[5.0, -5.0, 0.004], [0.0, 1.0, -0.004]]))
    Clip(0.01).constrain(critic)
    assert critic.weight.abs().max().item() == pytest.approx(0.01)
    assert critic.weight[0, 2].item() == pytest.approx(0.004)


def test_spectral_norm_brings_the_largest_singular_value_to_one():
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 1))
    SpectralNorm().prepare(critic)
    SpectralNorm().prepare(critic)  # a second time changes nothing
    for _ in range(200):
        critic(torch.ones(1, 6))
    critic.eval()
    for layer in (critic[0], critic[2]):
        assert torch.linalg.svdvals(layer.weight)[0].item() == pytest.approx(1, abs=1e-4)
    with pytest.raises(ValueError, match="needs a critic with linear"):
        SpectralNorm().prepare(nn.ReLU())


def test_lecam_holds_outputs_near_the_other_sides_running_mean():
    lecam = LeCam(2.0, decay=0.9)
    real, fake = linear(REAL), linear(FAKE)
    first = (real - fake.mean()).square().mean() + (fake - real.mean()).square().mean()
    assert at(lecam) == pytest.approx(2 * first.item())
    kept = lecam.state_dict()["anchors"]
    torch.testing.assert_close(kept, torch.stack([real.mean(), fake.mean()]))
    moved = 0.9 * kept + 0.1 * 2 * kept  # the critic's outputs double
    second = (2 * real - moved[1]).square().mean() + (2 * fake - moved[0]).square().mean()
    assert at(lecam, lambda x: 2 * linear(x)) == pytest.approx(2 * second.item())
    other = LeCam(2.0, decay=0.9)
    other.load_state_dict(lecam.state_dict())
    assert at(other) == at(lecam)


def test_they_compose_in_every_place():
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).double()
    both = parse("spectral-norm + clip(0.01) + r1(2.0, every=2) + lecam(0.5)")
    both.prepare(critic)
    both.constrain(critic)
    assert max(weight.abs().max() for weight in critic.parameters()) <= 0.01
    even, odd = (both.penalty(critic, REAL, FAKE, step=step, progress=0.0) for step in (0, 1))
    assert even > odd > 0
    copy = parse("spectral-norm + clip(0.01) + r1(2.0, every=2) + lecam(0.5)")
    copy.load_state_dict(both.state_dict())
    assert copy.state_dict()["3"]["anchors"] is not None


def test_text():
    assert at(parse(None)) is None
    assert at(parse("none")) is None
    assert at(parse("one-sided-gradient-penalty(2)")) == pytest.approx(2 * 16)
    assert parse("r1r2(0.1, final=1e-4, every=4)").weight_at(1.0) == pytest.approx(1e-4)
    assert parse("gradient_penalty(gamma=1e+1)").weight == 10
    assert all(isinstance(parse(name), Regularizer) for name in regularizers.REGULARIZERS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clipp(0.1)", "unknown regularizer 'clipp'; did you mean 'clip'?"),
        ("r1(gama=2)", "r1 has no option 'gama'; did you mean 'gamma'?"),
        ("r1(0.1", "cannot read a regularizer"),
        ("r1(-1)", "weight must be a finite number above 0, got -1"),
        ("clip(0)", "limit must be a finite number above 0"),
        ("r1(1, every=0)", "every must be a whole number of critic steps"),
        ("lecam(1, every=2.5)", "every must be a whole number"),
    ],
)
def test_bad_text_is_refused(text, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(").replace("?", r"\?")):
        parse(text)


def test_bad_choices_are_refused():
    with pytest.raises(ValueError, match="at must be one of between, real"):
        GradientPenalty(at="nowhere")
    with pytest.raises(ValueError, match="sided must be"):
        GradientPenalty(sided="both")
    with pytest.raises(ValueError, match="centre must be"):
        GradientPenalty(centre=-1.0)
    with pytest.raises(ValueError, match="decay must be in"):
        LeCam(decay=1.5)
