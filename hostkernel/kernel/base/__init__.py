"""What the other rooms stand on: the clock, one patched attribute, marks on frames, contexts."""
