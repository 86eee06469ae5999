"""The Pallas engine: for TPUs."""
