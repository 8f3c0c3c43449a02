"""The trainer and what it runs on: engines, evaluation, gradients, optimizers, and what a run leaves behind."""
