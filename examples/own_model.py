"""Lottery tickets in a model of your own: a small convolutional network on the embedded digits."""

from pathlib import Path

import lthcore as lth  # before Keras, so that TensorFlow starts with the settings of stored results

# isort: split
import keras


def main(target: Path, steps: int = 600, rounds: int = 5) -> float:
    """Search for tickets and save the sparsest one, trained, as a plain Keras file; return its test accuracy."""
    pixels = keras.Input((8, 8, 1))
    hidden = keras.layers.Conv2D(16, 3, activation="relu", name="conv_1")(pixels)
    hidden = keras.layers.Conv2D(32, 3, activation="relu", name="conv_2")(hidden)
    hidden = keras.layers.Dropout(0.25, name="dropout")(keras.layers.Flatten(name="flatten")(hidden))
    model = keras.Model(pixels, keras.layers.Dense(10, name="logits")(hidden), name="own")

    trainer = lth.Trainer(model, lth.datasets.load("digits"), lth.TrainConfig(steps=steps, batch_size=50))
    for found in lth.find_tickets(trainer, lth.PruneConfig(rounds=rounds, rate=0.4), lth.Seeds(0)):
        density, accuracy = found.ticket.mask.density, found.run.test["accuracy"]
        print(f"round {found.index}: {density:6.1%} of the weights, {accuracy:.1%} of the test images right")
    lth.export(model, found.run.best, target)
    return accuracy


if __name__ == "__main__":
    main(Path("ticket.keras"))
