"""Stage train: the recipe's network on the balanced faces, as a model bundle."""
