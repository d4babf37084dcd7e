"""Where things are remembered."""
