"""``ferpipe predict``: the champion on pictures, folders and videos; no TensorFlow, no MLflow."""
