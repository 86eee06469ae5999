"""The portable engine: XLA, for any platform that JAX knows."""
