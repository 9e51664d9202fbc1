"""Rules of experience: faults that somebody met, each in a file of its own."""
