module ephemeral-castle/testbed/pause

go 1.26.0
