"""The kernel's asyncio loop as a guest of another main loop. It knows nothing of Jupyter."""
