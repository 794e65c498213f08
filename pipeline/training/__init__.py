"""The one training loop with its augmentation, optimisers and networks; keras and numpy alone, TensorFlow or JAX.

Also a program for machines that have nothing else, such as Colab or a plain GPU machine: see ``__main__``.
"""
