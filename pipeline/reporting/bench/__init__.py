"""How fast a model answers, and how fast a recipe trains, against what else does the same."""
