"""Many networks, compared: each one's task, where tasks run, what is finished, and what chance alone does."""
