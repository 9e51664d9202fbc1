"""The command `castle`: one module per verb, imported only when it is called."""
