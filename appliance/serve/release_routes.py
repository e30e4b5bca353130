"""`GET /v1/releases`: the stages of each release as they serve now, and how its canary does."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field

from appliance.serve.router import Served, Serving
from appliance.serve.service import Service


class StageVersion(BaseModel):
    """A version that is loaded: the first 12 digits of the model's id, and the hash of the loaded bytes."""

    version: str
    sha256: str


class CanaryMetric(BaseModel):
    """Outcomes of one metric, and how strongly they speak against the canary: 1 is nothing, `3 / release.false_alarm` rolls it back."""

    canary_seen: int
    canary_bad: int
    live_seen: int
    live_bad: int
    limit: float
    evidence: float


class CanaryVersion(StageVersion):
    """The version on trial."""

    percent: int = Field(description="The share of those who ask that it answers.")
    holds: str = Field(description="Why it does not go on yet; empty before the first look.")
    metrics: dict[str, CanaryMetric] = Field(description="By `errors`, `latency`, `accuracy`.")


class ReleaseStages(BaseModel):
    """One release."""

    name: str
    live: StageVersion
    canary: CanaryVersion | None
    shadow: StageVersion | None


class ReleaseList(BaseModel):
    """The releases, by name."""

    data: list[ReleaseStages]


def add_routes(app: FastAPI, service: Service) -> None:
    """Add `GET /v1/releases`."""

    @app.get("/v1/releases", response_model=ReleaseList, summary="What is live and what is on trial", tags=["v1"])
    async def releases() -> Any:
        return {"data": [_stages(service, name, one) for name, one in sorted(service.router.serving().items())]}


def _stages(service: Service, name: str, serving: Serving) -> dict[str, Any]:
    told = service.rollout.told(name) if service.rollout else None
    canary = None
    if serving.canary:
        holds, metrics = told or ("", {})
        canary = _version(serving.canary) | {"percent": serving.pointer.percent, "holds": holds, "metrics": metrics}
    shadow = _version(serving.shadow) if serving.shadow else None
    return {"name": name, "live": _version(serving.live), "canary": canary, "shadow": shadow}


def _version(served: Served) -> dict[str, Any]:
    return {"version": served.version, "sha256": served.sha256}
