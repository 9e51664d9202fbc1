"""One module per verb; each has a `command`."""
