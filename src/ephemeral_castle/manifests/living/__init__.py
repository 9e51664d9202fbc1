"""What a living cluster tells of itself, and what of it would come back: pure, over lists of its objects."""
