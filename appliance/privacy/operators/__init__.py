"""Operators: what stands in place of a finding. One file an operator; `Run` holds what a whole scrub shares, `Writer` writes one record."""

from appliance.privacy.operators.write import Run, Writer, Written

__all__ = ["Run", "Writer", "Written"]
