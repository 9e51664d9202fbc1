"""All that an author of a driver or probe may import."""
