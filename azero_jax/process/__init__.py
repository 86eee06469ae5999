"""The ground: state as arrays by name, progress, streams, timings."""
