"""The only home of side effects: processes, files, network, time."""
