"""What a person types and sees: commands, options, and the display."""
