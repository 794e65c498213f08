"""The one training loop and all that takes part in it; keras and numpy alone, under TensorFlow or JAX.

Also a program for machines that have nothing else, a Colab or a plain GPU box: see ``__main__``.
"""
