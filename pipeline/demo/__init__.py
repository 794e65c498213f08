"""The demo: source -> detector -> classifier -> view. Needs ONNX Runtime and OpenCV, no TensorFlow, no MLflow."""
