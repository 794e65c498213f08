"""Stage tune: an Optuna study over the values of a recipe."""
