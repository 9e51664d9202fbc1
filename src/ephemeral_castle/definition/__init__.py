"""castle.yaml to `model.castle.Castle`, with every error at its line and column; schema, reference and template."""
