"""What the process has one of, and what a stop puts back: signals, streams, hooks, threads."""
