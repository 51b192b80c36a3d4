"""Process-wide state that a stop puts back: signals, streams, hooks, threads."""
