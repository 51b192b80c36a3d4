"""Outside: find a host, start it, and wait for its kernel or say why there is none."""
