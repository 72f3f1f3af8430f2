"""Networks: shapes, layouts, published initialisations, refusals."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from gan import networks
from gan.networks import FourierFeatures, Maxout, Space, critic, generator


@pytest.mark.parametrize(
    "text", ["mlp(8, 8)", "mlp(8, batch_norm=True)", "fourier(8)", "goodfellow", "pacgan"]
)
def test_generators_map_noise_to_samples(text):
    assert generator(text, 3, Space(5))(torch.randn(7, 3)).shape == (7, 5)


@pytest.mark.parametrize("text", ["mlp(8, 8)", "mlp(8, dropout=0.3)", "fourier(8)", "goodfellow", "pacgan"])
def test_critics_map_samples_to_one_number(text):
    assert critic(text, Space(5))(torch.randn(7, 5)).shape == (7, 1)


def test_a_critic_may_have_several_outputs():
    assert critic("mlp(8, outputs=4)", Space(5))(torch.randn(7, 5)).shape == (7, 4)


@pytest.mark.parametrize("side", [8, 28, 32, 48, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_convolutional_pairs_take_flat_images(side, channels):
    shape = (side, side) if channels == 1 else (side, side, channels)
    space = Space(side * side * channels, shape)
    made = generator("conv(width=4)", 6, space)(torch.randn(2, 6))
    assert made.shape == (2, space.d)
    assert ((made >= 0) & (made <= 1)).all()
    assert critic("conv(width=4)", space)(made).shape == (2, 1)


def test_flat_images_are_folded_channels_last():
    flat = torch.arange(2 * 4 * 5 * 3, dtype=torch.float32).reshape(2, -1)
    folded = networks.Images((4, 5, 3))(flat)
    torch.testing.assert_close(folded, flat.reshape(2, 4, 5, 3).permute(0, 3, 1, 2))
    torch.testing.assert_close(networks.Rows()(folded), flat)


def test_fourier_features_are_fixed_and_log_spaced():
    torch.manual_seed(0)
    layer = FourierFeatures(2, 16, 0.5, 20.0)
    assert list(layer.parameters()) == []
    lengths = layer.W.norm(dim=1)
    torch.testing.assert_close(lengths.log().diff(), torch.full((15,), lengths.log().diff()[0].item()))
    assert lengths[[0, -1]].tolist() == pytest.approx([0.5, 20.0])
    z = torch.randn(5, 2)
    out = layer(z)
    assert out.shape == (5, layer.width) == (5, 34)
    torch.testing.assert_close(out[:, 2:18].square() + out[:, 18:].square(), torch.ones(5, 16))
    torch.testing.assert_close(out[:, :2], z)
    assert "0.W" in generator("fourier(8)", 2, Space(2)).state_dict(), "a checkpoint must keep the directions"


def test_frequencies_of_any_band_look_every_way_in_the_plane():
    """Eight in a row leave no gap of a quarter of the half-circle: independent ones do, nearly always."""
    for seed in range(5):
        torch.manual_seed(seed)
        W = FourierFeatures(2, 64, 0.5, 20.0).W
        angles = torch.atan2(W[:, 1], W[:, 0]) % math.pi
        for first in range(57):
            around = angles[first : first + 8].sort().values
            gaps = torch.cat([around.diff(), around[:1] + math.pi - around[-1:]])
            assert gaps.max() < math.pi / 4, (seed, first)


def test_maxout_is_the_largest_of_its_pieces():
    torch.manual_seed(0)
    layer = Maxout(3, 4, pieces=5)
    x = torch.randn(6, 3)
    weight, bias = layer.linear.weight, layer.linear.bias
    maps = [[x @ weight[5 * u + p] + bias[5 * u + p] for p in range(5)] for u in range(4)]
    by_hand = torch.stack([torch.stack(pieces).max(0)[0] for pieces in maps], 1)
    torch.testing.assert_close(layer(x), by_hand)


def test_a_packed_critic_sees_samples_side_by_side():
    assert critic("pacgan", Space(2), packing=3)(torch.randn(5, 6)).shape == (5, 1)


def test_goodfellows_networks_start_as_published():
    torch.manual_seed(0)
    share = torch.rand(784) * 0.9
    made = generator("goodfellow", 100, Space(784, (28, 28), share))
    widths = [layer.out_features for layer in made if isinstance(layer, nn.Linear)]
    assert widths == [1200, 1200, 784]
    for layer in made:
        if isinstance(layer, nn.Linear):
            assert 0.0499 < layer.weight.abs().max() <= 0.05
    torch.testing.assert_close(torch.sigmoid(made[-2].bias), share.clamp(1e-3, 1 - 1e-3))
    judge = critic("goodfellow", Space(784))
    assert [layer.p for layer in judge if isinstance(layer, nn.Dropout)] == [0.2, 0.5, 0.5]
    linear = [layer for layer in judge.modules() if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == [1200, 1200, 1]  # 240 units of 5 pieces
    assert all(layer.weight.abs().max() <= 0.005 for layer in linear)


def test_kaiming_keeps_the_scale_through_depth():
    torch.manual_seed(0)
    deep = generator("mlp(256, 256, 256, 256)", 32, Space(64))
    assert 0.5 < deep(torch.randn(512, 32)).std() < 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: generator("mpl(8)", 2, Space(2)), "unknown generator 'mpl'; did you mean 'mlp'?"),
        (lambda: generator("mlp(8, activation=rely)", 2, Space(2)), "activation must be one of relu"),
        (lambda: generator("mlp(8, output=tan)", 2, Space(2)), "output must be one of linear"),
        (lambda: generator("mlp(8, init=zeros)", 2, Space(2)), "init must be 'kaiming' or 'default'"),
        (lambda: generator("mlp(8, width=3)", 2, Space(2)), "mlp has no option 'width'"),
        (lambda: generator("conv", 2, Space(2)), "this data has no image shape"),
        (lambda: generator("conv", 2, Space(441, (21, 21))), "sides that halve to at most 16 pixels"),
        (lambda: generator("fourier(8, low=0)", 2, Space(2)), "low and high must be frequencies"),
        (lambda: critic("conv", Space(64, (8, 8)), packing=2), "packing lays flat samples side by side"),
        (lambda: generator(3, 2, Space(2)), "a generator is named by a string"),
    ],
)
def test_what_cannot_be_made_is_refused(make, message):
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    assert message in str(caught.value)
