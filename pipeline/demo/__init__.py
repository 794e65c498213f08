"""The demo: source -> detector -> classifier -> view. ONNX Runtime and OpenCV; no TensorFlow, no MLflow."""
