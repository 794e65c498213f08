"""Stage evaluate: the figures of a model on both test splits, with intervals and plots."""
