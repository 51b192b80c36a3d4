"""The kernel's asyncio loop as a guest of another main loop; it knows nothing of Jupyter."""
