"""The layers of the networks that Keras does not have, and what they compute."""
