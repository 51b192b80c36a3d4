"""What the kernel's other packages share: the clock, patches, frame boundaries, contexts."""
