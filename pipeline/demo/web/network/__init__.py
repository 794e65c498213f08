"""ONNX files as networks for the browser."""
