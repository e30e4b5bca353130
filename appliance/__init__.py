"""Skerry: the appliance that runs on the air-gapped machine."""

__version__ = "0.1.0"
