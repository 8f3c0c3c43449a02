"""Stacks of dense layers: what is read from a Keras model, trained, scored and used by kernels."""
