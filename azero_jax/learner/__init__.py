"""A program with its memory: trained on data, asked for predictions, saved and loaded."""
