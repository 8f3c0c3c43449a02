"""Lottery tickets in a model of your own: a small convolutional network on the embedded digits."""

from pathlib import Path

import keras

from lthcore import datasets
from lthcore.lottery import find_tickets
from lthcore.models import variables
from lthcore.pruning.config import PruneConfig
from lthcore.pruning.seeds import Seeds
from lthcore.training.config import TrainConfig
from lthcore.training.trainer import Trainer


def main(target: Path, steps: int = 600, rounds: int = 5) -> float:
    """Search for tickets and save the sparsest one, trained, as a plain Keras file; return its test accuracy."""
    pixels = keras.Input((8, 8, 1))
    hidden = keras.layers.Conv2D(16, 3, activation="relu", name="conv_1")(pixels)
    hidden = keras.layers.Conv2D(32, 3, activation="relu", name="conv_2")(hidden)
    hidden = keras.layers.Dropout(0.25, name="dropout")(keras.layers.Flatten(name="flatten")(hidden))
    model = keras.Model(pixels, keras.layers.Dense(10, name="logits")(hidden), name="own")

    trainer = Trainer(model, datasets.load("digits"), TrainConfig(steps=steps, batch_size=50))
    for found in find_tickets(trainer, PruneConfig(rounds=rounds, rate=0.4), Seeds(0)):
        density, accuracy = found.ticket.mask.density, found.run.test["accuracy"]
        print(f"round {found.index}: {density:6.1%} of the weights, {accuracy:.1%} of the test images right")
    variables.write(model, found.run.best)
    model.save(target)
    return accuracy


if __name__ == "__main__":
    main(Path("ticket.keras"))
