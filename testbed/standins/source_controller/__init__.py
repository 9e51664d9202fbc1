"""A stand-in for Flux' source-controller: GitRepositories only, fetched from real Git servers by the program `git`."""
