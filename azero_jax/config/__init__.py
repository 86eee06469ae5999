"""The configuration: every room's settings in one tree, as presets, command-line words and TOML files."""
