"""Workers: one search in several processes, on one machine or on a Ray cluster."""
