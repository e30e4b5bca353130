"""Portable models: ONNX and int8 ONNX, accepted only when they answer like the model they came from."""
