"""What happens, in which order: planner, walk, attempt, runner, launch."""
