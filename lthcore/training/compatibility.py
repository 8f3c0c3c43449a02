"""Whether a model, data and a training configuration go together."""

from __future__ import annotations

import keras

from lthcore.datasets.base import Dataset
from lthcore.models import variables
from lthcore.models.head import check_head
from lthcore.models.head import head as head_of
from lthcore.training.config import TrainConfig

# Examples on which the caller's word on the outputs is checked.
_CHECKED = 60


def check(model: keras.Model, data: Dataset, config: TrainConfig, *, head: str | None = None) -> str:
    """Refuse what cannot be trained.

    Args:
        model, data, config: what is to go together.
        head: what the model ends in, ``"logits"``, ``"softmax"`` or ``"sigmoid"``, where its layers do not tell; it is
            checked on some examples.

    Returns:
        What the model ends in, as `lthcore.models.head.head` calls it.

    Raises:
        ValueError: if shapes, labels, loss or the model's last activation do not go together; the message says which.
    """
    variables.variables(model)  # refuses models that cannot be read
    if config.batch_size > len(data.train):
        raise ValueError(f"batch_size {config.batch_size} exceeds the {len(data.train)} training examples")
    try:
        outputs = model(data.train.x[:1], training=False).shape
    except Exception as error:
        raise ValueError(
            f"model {model.name!r} cannot take examples of shape {data.input_shape} and type {data.train.x.dtype} of "
            f"{data.name}: {error}"
        ) from error
    if data.multilabel != (config.loss == "binary_crossentropy") or (
        config.stop_by == "validation_micro_f1" and not data.multilabel
    ):
        kind = "label sets: use loss='binary_crossentropy'" if data.multilabel else "one class per example"
        kind += ", or y.argmax(axis=1) if these are classes encoded as one-hot rows" if data.one_hot else ""
        raise ValueError(f"{data.name} has {kind}; got loss={config.loss!r}, stop_by={config.stop_by!r}")
    heads = ("linear", "sigmoid" if data.multilabel else "softmax")
    found = head_of(model) if head is None else check_head(model, data.train.x[:_CHECKED], head)
    if found not in heads:
        raise ValueError(f"model {model.name!r} ends in {found}; for {data.name} it must be {' or '.join(heads)}")
    if outputs[1:] != (data.classes,):
        raise ValueError(
            f"model {model.name!r} has outputs of shape {outputs[1:]}, {data.name} needs ({data.classes},)"
        )
    return found


def loss(config: TrainConfig, *, head: str) -> keras.Loss:
    """The loss that a configuration names, for a model that ends in logits or in probabilities."""
    name = "".join(word.title() for word in config.loss.split("_"))
    return getattr(keras.losses, name)(from_logits=head == "linear")
