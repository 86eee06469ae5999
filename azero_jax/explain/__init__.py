"""What is found, explained: cleaned, ablated, tuned, exported, reported."""
