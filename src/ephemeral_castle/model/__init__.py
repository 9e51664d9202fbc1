"""Pure data and pure functions. Imports nothing of ours, knows no clock, file or terminal."""
