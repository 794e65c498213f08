"""How fast a model answers and a recipe trains, against other runtimes and against plain Keras."""
