"""`castle check` over whole repositories, as their owner would run it."""
