"""The settings of a run: frozen dataclasses, created and checked from the config."""
