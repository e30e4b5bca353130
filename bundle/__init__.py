"""The bundle: built on a connected machine, verified and installed on the air-gapped one."""
