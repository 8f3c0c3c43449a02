"""What networks cost on paper, counted by hand."""

from __future__ import annotations

import pytest
from surgery_models import LENGTH, WORDS, convolutional, kim

from lthcore import models
from lthcore.shrinking import costs

# isort: split
import keras

# Convolutions of 24×24 and 8×8 responses, then dense layers; multiplications and additions.
LENET_5 = 2 * (24 * 24 * 25 * 20 + 8 * 8 * 25 * 20 * 50 + 800 * 500 + 500 * 10)


def test_lenet_5_by_hand():
    model = models.build("lenet_5", (28, 28, 1), 10)
    assert costs.flops(model) == LENET_5 == 4_586_000
    assert costs.parameters(model) == (431_080, 431_080)


def test_small_images_are_padded_and_counted_with_their_padding():
    model = models.build("lenet_5", (8, 8, 1), 10, filters=(2, 3), units=4)
    assert costs.flops(model) == 2 * (8 * 8 * 25 * 2 + 4 * 4 * 25 * 2 * 3 + 12 * 4 + 4 * 10)


@pytest.mark.parametrize(("variant", "tables"), [("static", 1), ("nonstatic", 1), ("multichannel", 2)])
def test_kims_network_is_counted_as_the_convolution_it_stands_for(variant, tables):
    model, dimension, filters, classes = kim(variant, 5), 4, 5, 6
    assert costs.flops(model) == 2 * (
        sum((LENGTH - width + 1) * width * dimension * filters for width in (3, 4, 5)) + 3 * filters * classes
    )
    without = sum(width * dimension * filters + filters for width in (3, 4, 5)) + 3 * filters * classes + classes
    assert costs.parameters(model) == (without + tables * WORDS * dimension, without)


def test_keras_layers_and_statistics_are_counted():
    model = convolutional()  # 8×8×2 → 5 filters of 3×3, padded → 4×4 → 6 filters of 3×3 → 2×2 → 7 → 3
    assert costs.flops(model) == 2 * (8 * 8 * 9 * 2 * 5 + 2 * 2 * 9 * 5 * 6 + 24 * 7 + 7 * 3)
    assert costs.parameters(model)[0] == model.count_params()


def test_a_dense_layer_on_a_series_is_applied_at_each_position():
    series = keras.Input((9, 2))
    model = keras.Model(series, keras.layers.Dense(3)(keras.layers.Conv1D(4, 3)(series)))
    assert costs.flops(model) == 2 * (7 * 3 * 2 * 4 + 7 * 4 * 3)


def test_a_layer_that_is_not_known_is_refused():
    series = keras.Input((9, 2))
    model = keras.Model(series, keras.layers.LSTM(3, name="recurrent")(series))
    with pytest.raises(ValueError, match="operations of layer 'recurrent', a LSTM, are not known; known are Dense"):
        costs.flops(model)
