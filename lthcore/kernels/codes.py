"""The numbers by which kernels know what they are told: activations, update rules, columns of tables."""

from __future__ import annotations

ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid")
LINEAR, RELU, TANH, SIGMOID = range(4)

# Update rules, and what their coefficients mean.
SGD, ADAM, RMSPROP = range(3)
COEFFICIENTS = {
    SGD: ("momentum", "nesterov"),
    ADAM: ("beta_1", "beta_2", "epsilon"),
    RMSPROP: ("rho", "momentum", "epsilon"),
}

# Columns of the table of a stack's layers; see `lthcore.kernels.stacks.survivors.Structure`.
SOURCE, INPUTS_AT, INPUTS, OUTPUTS_AT, OUTPUTS, FIRST, LAST, BIAS_AT, ACTIVATION = range(9)
DROPOUT, L2, BIAS_L2, MAX_NORM = range(4)

# Columns of the table of layers of word windows; see `lthcore.kernels.documents.survivors.Structure`.
WIDTH, FILTERS, FEATURES_AT, GROUP, FILTER_BIAS_AT = range(5)
