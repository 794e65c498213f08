"""The page and the API: FastAPI over the demo's detector and classifier; no TensorFlow, no MLflow."""
