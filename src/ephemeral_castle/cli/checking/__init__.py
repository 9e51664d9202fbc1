"""`castle check`: what to look at, the stages of looking, and what is left out with a reason."""
