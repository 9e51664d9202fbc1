"""Tests of the package `spi`."""
