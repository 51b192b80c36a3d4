"""Configuration: the settings, the places they are written in, and where each value came from."""

from .models import Settings
from .tables import Raw, Tables, gather, load_dump

__all__ = ["Raw", "Settings", "Tables", "gather", "load_dump"]
