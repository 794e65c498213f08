"""Several trained models as one: which, how they are weighted, and their graphs merged into one file."""
