"""The durable memory: the runs of a castle on this computer, and its lease and record in the treasury."""
