"""One system each. A driver sees `spi` and the pure packages, never another driver."""
