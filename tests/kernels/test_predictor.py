"""A ticket in use gives what its model gives, from a value of its own that goes through a file without TensorFlow."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lthcore as lth
from lthcore.files import array_files
from lthcore.kernels.stacks.layers import DenseLayer, DenseStack
from lthcore.kernels.stacks.stack import UnsupportedError
from lthcore.models import variables

COUNTS = (0, 1, 15, 16, 17, 63, 64, 65, 80, 81, 300)


def model_of(widths, activation="relu", head=None, *, bias=True, dropout=0.0, seed=1) -> keras.Model:
    """A stack whose weights and biases are all drawn."""
    layers = [keras.Input((widths[0],))]
    for number, units in enumerate(widths[1:]):
        last = number == len(widths) - 2
        if dropout:
            layers.append(keras.layers.Dropout(dropout))
        layers.append(keras.layers.Dense(units, head if last else activation, use_bias=bias, name=f"layer_{number}"))
    model = keras.Sequential(layers)
    rng = np.random.default_rng(seed)
    drawn = {name: rng.normal(size=a.shape) / np.sqrt(len(a)) for name, a in variables.read(model).items()}
    variables.write(model, lth.Weights(drawn))
    return model


def mask_of(model: keras.Model, density: float, seed=2) -> lth.Mask:
    rng, weights = np.random.default_rng(seed), variables.read(model)
    return lth.Mask({name: rng.random(weights[name].shape) < density for name in variables.prunable(model)})


def examples_of(count: int, *shape: int, seed=3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def wanted(model: keras.Model, x: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(x, training=False))


def equal(found: np.ndarray, right: np.ndarray) -> None:
    assert found.dtype == np.float32
    assert found.shape == right.shape
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=2e-6)


@settings(deadline=None, max_examples=30, derandomize=True)
@given(
    widths=st.lists(st.integers(1, 40), min_size=2, max_size=5),
    activation=st.sampled_from(("relu", "tanh", "sigmoid", "linear")),
    head=st.sampled_from((None, "softmax", "sigmoid")),
    bias=st.booleans(),
    dropout=st.sampled_from((0.0, 0.5)),
    density=st.sampled_from((0.0, 0.02, 0.2, 0.7, 1.0)),
    count=st.sampled_from(COUNTS),
)
def test_it_gives_what_any_stack_gives_under_its_mask(widths, activation, head, bias, dropout, density, count):
    model = model_of(widths, activation, head, bias=bias, dropout=dropout)
    mask, x = mask_of(model, density), examples_of(count, widths[0])
    predictor = lth.sparse(model, mask)
    lth.apply(mask, model)
    equal(predictor.predict(x), wanted(model, x))
    assert predictor.density == mask.density


@pytest.mark.parametrize("density", [0.02, 0.3])
def test_lenet_predicts_what_keras_predicts_for_any_number_of_examples(density):
    model = model_of((784, 300, 100, 10), head="softmax")
    mask = lth.prune_model(model, density)
    predictor, x = lth.sparse(model, mask), examples_of(max(COUNTS), 784)
    lth.apply(mask, model)
    right = model.predict(x, verbose=0)
    for count in COUNTS:
        equal(predictor.predict(x[:count]), right[:count])


def test_an_example_gives_the_same_bits_whichever_others_stand_beside_it():
    model = model_of((50, 30, 7), "tanh", "softmax")
    predictor, x = lth.sparse(model, mask_of(model, 0.3)), examples_of(300, 50)
    whole = predictor(x)
    for begin, end in [(0, 1), (10, 26), (63, 65), (64, 300), (299, 300)]:
        np.testing.assert_array_equal(predictor(x[begin:end]), whole[begin:end])


def test_images_are_flattened_and_activations_may_be_layers():
    layers = keras.layers
    inner = keras.Sequential([keras.Input((12,)), layers.Dense(9, name="hidden"), layers.ReLU()])
    outer = [keras.Input((3, 4, 1)), layers.Flatten(), inner, layers.Dense(5, name="output"), layers.Softmax()]
    model = keras.Sequential(outer)
    predictor, x = lth.sparse(model), examples_of(20, 3, 4, 1)
    assert (predictor.input_shape, predictor.density) == ((3, 4, 1), 1)
    equal(predictor(x), wanted(model, x))


def test_without_a_mask_the_weights_that_are_not_zero_survive():
    model = model_of((6, 5, 2))
    mask = mask_of(model, 0.4)
    lth.apply(mask, model)
    assert lth.sparse(model).density == mask.density


def test_other_weights_of_the_model_may_be_used():
    model, trained, x = model_of((6, 5, 2), seed=1), model_of((6, 5, 2), seed=2), examples_of(30, 6)
    weights = variables.read(trained)
    equal(lth.sparse(model, weights=weights)(x), wanted(trained, x))
    with pytest.raises(
        ValueError, match=r"'layer_1/kernel' must have the shape \(5, 2\), but the weights have \(2, 5\)"
    ):
        lth.sparse(model, mask_of(model, 1.0), weights=lth.Weights({**weights, "layer_1/kernel": np.ones((2, 5))}))
    with pytest.raises(ValueError, match=r"'layer_1/bias' must have .* the weights have none of that name"):
        lth.sparse(model, weights=lth.Weights({name: a for name, a in weights.items() if name != "layer_1/bias"}))


def test_extreme_logits_are_probabilities_of_zero_and_one():
    for head in ("softmax", "sigmoid"):
        model = model_of((2, 2), head=head, bias=False)
        variables.write(model, lth.Weights({"layer_0/kernel": [[1e4, -1e4], [0, 0]]}))
        x = np.float32([[1, 0], [-1, 0], [1e-6, 0]])
        equal(lth.sparse(model)(x), wanted(model, x))


@pytest.mark.parametrize("dtype", ["float64", "float16", "uint8", "int64", "bool"])
def test_all_real_numbers_are_cast(dtype):
    model = model_of((8, 6, 3))
    x = np.random.default_rng(0).integers(0, 2, (70, 8)).astype(dtype)
    equal(lth.sparse(model)(x), wanted(model, x.astype(np.float32)))
    equal(lth.sparse(model)(x[:3].tolist()), wanted(model, x[:3].astype(np.float32)))


def test_arrays_in_any_order_of_memory_are_read_and_not_written():
    model = model_of((9, 6, 3))
    predictor, x = lth.sparse(model), examples_of(300, 9)
    right, before = wanted(model, x), x.copy()
    wide = np.zeros((300, 18), np.float32)
    wide[:, ::2] = x
    swapped = x.astype(x.dtype.newbyteorder())
    odd = np.frombuffer(b"0" + x.tobytes(), np.float32, offset=1).reshape(x.shape)
    for given_as in (x, np.asfortranarray(x), wide[:, ::2], x[::-1][::-1], swapped, odd):
        equal(predictor(given_as), right)
    x.flags.writeable = False
    equal(predictor(x), right)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("head", [None, "softmax", "sigmoid"])
def test_nan_and_infinite_inputs_give_nan_as_in_the_model(head, number):
    model, x = model_of((20, 15, 8, 4), head=head), examples_of(130, 20)
    bits = dict(mask_of(model, 0.1))
    bits["layer_0/kernel"] = bits["layer_0/kernel"] & (np.arange(20) != 13)[:, None]  # no survivor reads this input
    predictor = lth.sparse(model, lth.Mask(bits))
    lth.apply(lth.Mask(bits), model)
    x[[2, 40, 129], 13] = number
    x[70, bits["layer_0/kernel"].any(1).argmax()] = number
    right = model.predict(x, verbose=0)
    assert np.isnan(right).all(1).sum() == 4
    for count in (3, 41, 130):
        equal(predictor(x[:count]), right[:count])  # NaN where there is NaN, too


def test_numbers_that_float32_cannot_hold_are_infinite_without_a_warning():
    assert np.isnan(lth.sparse(model_of((3, 4, 2)), None)(np.full((1, 3), 1e300))).all()


def test_weights_that_are_nan_survive():
    model = model_of((4, 3))
    theta = dict(variables.read(model))
    theta["layer_0/kernel"] = np.where(np.eye(4, 3) > 0, np.nan, 0)
    variables.write(model, lth.Weights(theta))
    predictor = lth.sparse(model)
    assert predictor.density == 3 / 12
    assert np.isnan(predictor(np.ones((2, 4)))).all()


def test_it_is_a_value_of_its_own_and_leaves_the_model_as_it_was():
    model, x = model_of((10, 8, 3)), examples_of(20, 10)
    before, mask = variables.read(model), mask_of(model, 0.5)
    predictor = lth.sparse(model, mask)
    assert variables.read(model) == before
    given = predictor(x)
    variables.write(model, lth.Weights({name: array * 2 for name, array in before.items()}))
    np.testing.assert_array_equal(predictor(x), given)
    given[:] = 7
    assert not (predictor(x) == 7).any()
    for same in (copy.deepcopy(predictor), pickle.loads(pickle.dumps(predictor))):
        np.testing.assert_array_equal(same(x), predictor(x))


def test_threads_do_not_disturb_one_another():
    model = model_of((784, 100, 10), head="softmax")
    predictor = lth.sparse(model, mask_of(model, 0.1))
    parts = [examples_of(count, 784, seed=count) for count in (1, 10, 100, 500, 501, 16, 64, 900)]
    alone = [predictor(part) for part in parts]
    with ThreadPoolExecutor(4) as pool:
        for found, right in zip(pool.map(predictor, parts * 10), alone * 10, strict=True):
            np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize(
    ("x", "error", "words"),
    [
        (np.zeros((3, 4)), ValueError, r"must have the shape \(N, 2, 3\), not \(3, 4\)"),
        (np.zeros((2, 3)), ValueError, r"for one example pass x\[None\]"),
        (np.zeros((5, 6)), ValueError, r"not \(5, 6\)"),
        (np.float32(1), ValueError, r"not \(\)"),
        (np.zeros((1, 2, 3), complex), TypeError, "must be real numbers, not complex128"),
        (np.full((1, 2, 3), "a"), TypeError, "must be real numbers, not <U1"),
    ],
)
def test_what_are_no_examples_is_refused(x, error, words):
    model = keras.Sequential([keras.Input((2, 3)), keras.layers.Flatten(), keras.layers.Dense(2, name="output")])
    with pytest.raises(error, match=words):
        lth.sparse(model)(x)


def test_a_mask_of_other_names_or_shapes_is_refused():
    model = model_of((4, 3, 2))
    mask = mask_of(model, 0.5)
    with pytest.raises(ValueError, match=r"missing \['layer_1/kernel'\], unknown \[\]"):
        lth.sparse(model, lth.Mask({"layer_0/kernel": mask["layer_0/kernel"]}))
    with pytest.raises(ValueError, match=r"missing \[\], unknown \['layer_2/kernel'\]"):
        lth.sparse(model, lth.Mask({**mask, "layer_2/kernel": [[True]]}))
    with pytest.raises(ValueError, match=r"'layer_1/kernel' has shape \(3, 2\) in model .*, \(2, 3\) in the mask"):
        lth.sparse(model, lth.Mask({**mask, "layer_1/kernel": mask["layer_1/kernel"].T}))


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2, name="dense")

    def call(self, x):
        return self.dense(x)


def convolutional() -> keras.Model:
    layers = keras.layers
    return keras.Sequential(
        [keras.Input((4, 4, 1)), layers.Conv2D(2, 3, name="conv"), layers.Flatten(), layers.Dense(2)]
    )


def subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((1, 3), np.float32))
    return model


@pytest.mark.parametrize(("make", "words"), [(convolutional, "'conv' is a Conv2D"), (subclassed, "class of its own")])
def test_other_models_are_refused_with_what_to_do_instead(make, words):
    with pytest.raises(UnsupportedError, match=rf"{words}.* lth\.shrink\(model, lth\.apply\(mask, model\)\)"):
        lth.sparse(make())


def test_a_model_without_weights_is_refused():
    with pytest.raises(ValueError, match="has no weights yet"):
        lth.sparse(keras.Sequential([keras.layers.Dense(2)]))


def test_layers_that_do_not_follow_one_another_are_refused():
    with pytest.raises(ValueError, match=r"give \[2\] numbers are followed by layers that take \[3\]"):
        DenseStack((DenseLayer("a", None, 4, 2), DenseLayer("b", None, 3, 1)), "linear")
    with pytest.raises(ValueError, match="head"):
        DenseStack((DenseLayer("a", None, 4, 2),), "relu")


def test_weights_or_examples_of_another_shape_are_refused():
    stack, mask = DenseStack((DenseLayer("a", "b", 4, 2),), "linear"), lth.Mask({"a": np.ones((4, 2), bool)})
    with pytest.raises(ValueError, match=r"'b' must have the shape \(2,\), but the weights have none of that name"):
        lth.SparsePredictor(stack, mask, {"a": np.ones((4, 2))}, (4,))
    with pytest.raises(ValueError, match=r"shape \(3,\) are no 4 inputs"):
        lth.SparsePredictor(stack, mask, {"a": np.ones((4, 2)), "b": np.ones(2)}, (3,))


def test_it_says_what_it_is():
    model = model_of((784, 300, 100, 10), head="softmax")
    mask = lth.prune_model(model, 0.02)
    predictor = lth.sparse(model, mask)
    assert repr(predictor) == (
        f"SparsePredictor(784 → 300 relu → 100 relu → 10 softmax; density 0.02, {mask.kept} of 266200 weights)"
    )
    survivors, biases = 8 * mask.kept, 8 * 410
    assert survivors + biases < predictor.nbytes < survivors + biases + 20_000


@settings(deadline=None, max_examples=20, derandomize=True)
@given(
    widths=st.lists(st.integers(1, 30), min_size=2, max_size=4),
    bias=st.booleans(),
    density=st.sampled_from((0.0, 0.01, 0.3, 1.0)),
    head=st.sampled_from((None, "softmax", "sigmoid")),
)
def test_a_file_gives_the_same_bits_back(tmp_path_factory, widths, bias, density, head):
    model, path = model_of(widths, "tanh", head, bias=bias), tmp_path_factory.mktemp("files") / "deep" / "ticket.npz"
    predictor, x = lth.sparse(model, mask_of(model, density)), examples_of(100, widths[0])
    predictor.save(path)
    loaded = lth.SparsePredictor.load(str(path))
    np.testing.assert_array_equal(loaded(x), predictor(x))
    assert (repr(loaded), loaded.nbytes) == (repr(predictor), predictor.nbytes)


def test_survivors_that_are_zero_survive_in_files_and_those_of_later_layers_may_be_few(tmp_path):
    model = model_of((300, 200, 100))
    mask = lth.Mask({"layer_0/kernel": np.zeros((300, 200), bool), "layer_1/kernel": np.zeros((200, 100), bool)})
    bits = dict(mask)
    bits["layer_1/kernel"] = np.arange(20_000).reshape(200, 100) == 19_998
    variables.write(model, lth.Weights({name: array * 0 for name, array in variables.read(model).items()}))
    predictor = lth.sparse(model, lth.Mask(bits))
    predictor.save(tmp_path / "one.npz")
    assert lth.SparsePredictor.load(tmp_path / "one.npz").density == predictor.density == 1 / 80_000


def test_a_file_of_two_per_cent_of_lenet_is_small(tmp_path):
    model = model_of((784, 300, 100, 10))
    lth.sparse(model, lth.prune_model(model, 0.02)).save(tmp_path / "ticket.npz")
    assert (tmp_path / "ticket.npz").stat().st_size < 40_000


@pytest.fixture
def saved(tmp_path):
    model = model_of((12, 8, 3))
    lth.sparse(model, mask_of(model, 0.5)).save(tmp_path / "ticket.npz")
    return tmp_path / "ticket.npz"


def test_a_damaged_file_is_refused(saved, tmp_path):
    content, damaged = saved.read_bytes(), tmp_path / "damaged.npz"
    for place in range(0, len(content), 7):
        damaged.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        try:
            loaded = lth.SparsePredictor.load(damaged)
        except ValueError as error:
            assert "damaged.npz cannot be read as a predictor" in str(error)  # noqa: PT017
        else:  # dates and the like, of which nothing depends
            x = examples_of(30, 12)
            np.testing.assert_array_equal(loaded(x), lth.SparsePredictor.load(saved)(x))
    damaged.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"damaged\.npz cannot be read as a predictor"):
        lth.SparsePredictor.load(damaged)


def test_other_files_are_refused(saved, tmp_path):
    lth.Mask({"w": [True, False]}).save(tmp_path / "mask.npz")
    with pytest.raises(ValueError, match=r"its format is 'lthcore mask 1', not 'lthcore sparse predictor 1'"):
        lth.SparsePredictor.load(tmp_path / "mask.npz")
    with pytest.raises(ValueError, match="cannot be read as a mask"):
        lth.Mask.load(saved)
    (tmp_path / "text").write_text("no archive")
    with pytest.raises(ValueError, match=r"Only what SparsePredictor\.save wrote can be"):
        lth.SparsePredictor.load(tmp_path / "text")
    with pytest.raises(FileNotFoundError):
        lth.SparsePredictor.load(tmp_path / "missing.npz")


@pytest.mark.parametrize(
    "wrong",
    [
        {"gaps": np.full(3, 200, np.uint8), "values": np.ones(3, np.float32)},
        {"values": np.ones(2, np.float32)},
        {"biases": np.ones(2, np.float32)},
        {"about": np.frombuffer(b'{"format": "lthcore sparse predictor 1", "layers": [], "head": "linear"}', np.uint8)},
    ],
    ids=["places", "values", "biases", "layers"],
)
def test_a_file_whose_parts_do_not_fit_is_refused(saved, wrong):
    array_files.write(saved, {**array_files.read(saved), **wrong})
    with pytest.raises(ValueError, match=r"ticket\.npz cannot be read as a predictor"):
        lth.SparsePredictor.load(saved)


def test_loading_and_predicting_need_no_tensorflow(saved):
    script = (
        "import sys, numpy as np, lthcore as lth\n"
        f"predictor = lth.SparsePredictor.load({str(saved)!r})\n"
        "print(predictor.predict(np.ones((2, 12))).shape)\n"
        "print({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "(2, 3)\nset()\n", done.stderr


def test_without_numba_it_says_what_to_install(saved):
    script = (
        "import importlib.metadata as metadata, lthcore as lth\n"
        "def version(name): raise metadata.PackageNotFoundError(name)\n"
        "metadata.version = version\n"
        f"lth.SparsePredictor.load({str(saved)!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (
        "ImportError: a ticket cannot be used without its kernels: numba is not installed: pip install" in done.stderr
    )
