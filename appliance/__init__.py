"""Skerry: the appliance that runs on the air-gapped machine."""

import os

from appliance.environment import SILENT

__version__ = "0.1.0"

# Before any library of ours is imported: what they would send, they decide once, when they are loaded.
os.environ |= SILENT
