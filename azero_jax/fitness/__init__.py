"""From candidates to fitness, running only what is new and promising."""
