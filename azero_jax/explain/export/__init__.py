"""One program as something else: NumPy, JAX and scikit-learn files, LaTeX, ONNX; see `write`."""
