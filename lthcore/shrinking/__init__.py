"""A pruned network becomes a smaller one: dead units, surgery, filter pruning, export, costs, timing."""
