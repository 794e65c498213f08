"""A head drawn by code: who it is (person), what it expresses (expression), how it is painted (head and its parts)."""
