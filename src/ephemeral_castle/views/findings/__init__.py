"""The answer of `castle check` in each of its forms."""
