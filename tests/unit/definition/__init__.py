"""Tests of the package `definition`."""
