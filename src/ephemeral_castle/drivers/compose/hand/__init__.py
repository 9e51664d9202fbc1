"""What the driver has done on a machine: files into memory, podman-compose, order, health. A program of its own.

It runs there, not inside castle: it is sent with each call by standard input, kept in no file, and needs nothing but
Python's library and podman; podman-compose is handed over once per boot. What it finds goes to standard output as one
line of JSON; what stopped it stands in `error`.

Everything of a layer lies in memory (`/run`): `LAYER/` is the project, `.LAYER/` is what castle keeps beside it.
"""
