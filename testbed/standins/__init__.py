"""Programs that play an operator in the cluster's pods, where the real one cannot be built here."""
