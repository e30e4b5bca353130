"""The routes of the Open Inference Protocol v2 that tell about the server and its models (kserve/open-inference-protocol)."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Response

import appliance
from appliance.serve import describe
from appliance.serve.router import Router, Served
from appliance.serve.service import Service

_ERRORS: dict[int | str, dict[str, Any]] = {
    404: {"model": describe.ProtocolError},
    503: {"model": describe.ProtocolError},
}


def add_routes(app: FastAPI, service: Service) -> None:
    """Add the server's and the models' metadata and readiness."""
    _add_server(app, service)
    _add_models(app, service)


def _add_server(app: FastAPI, service: Service) -> None:
    @app.get("/v2", response_model=describe.ServerMetadata, summary="Who serves", tags=["v2"])
    async def metadata() -> Any:
        return {"name": "skerry", "version": appliance.__version__, "extensions": ["binary_tensor_data"]}

    @app.get("/v2/health/live", response_model=describe.Live, summary="Does the server answer", tags=["v2"])
    async def live() -> Any:
        return {"live": True}

    @app.get(
        "/v2/health/ready",
        response_model=describe.Ready,
        responses={503: {"model": describe.Ready}},
        summary="May requests come",
        tags=["v2"],
    )
    async def ready(response: Response) -> Any:
        yes = service.router.ready and not service.draining
        response.status_code = 200 if yes else 503
        return {"ready": yes}


def _add_models(app: FastAPI, service: Service) -> None:
    router = service.router
    described: dict[str, Any] = {"response_model": describe.ModelMetadata, "responses": _ERRORS, "tags": ["v2"]}

    @app.get("/v2/models/{model}", summary="What a model reads and gives", **described)
    async def model_metadata(model: str) -> Any:
        return _metadata(router.pick(model), router)

    @app.get("/v2/models/{model}/versions/{version}", summary="What a version reads and gives", **described)
    async def version_metadata(model: str, version: str) -> Any:
        return _metadata(router.pick(model, version), router)

    described |= {"response_model": describe.ModelReady}

    @app.get("/v2/models/{model}/ready", summary="Does a model serve", **described)
    async def model_ready(model: str) -> Any:
        return {"name": router.pick(model).release.name, "ready": not service.draining}

    @app.get("/v2/models/{model}/versions/{version}/ready", summary="Does a version serve", **described)
    async def version_ready(model: str, version: str) -> Any:
        return {"name": router.pick(model, version).release.name, "ready": not service.draining}


def _metadata(served: Served, router: Router) -> dict[str, Any]:
    outputs = [
        {"name": "label", "datatype": "BYTES", "shape": [-1]},
        {"name": "score", "datatype": "FP32", "shape": [-1]},
        {"name": "probabilities", "datatype": "FP32", "shape": [-1, len(served.engine.labels)]},
    ]
    return {
        "name": served.release.name,
        "versions": [one.version for one in router.versions(served.release.name)],
        "platform": "skerry_ngrams" if served.engine.plan.format == "ngrams" else "onnx_onnxruntime",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": outputs if served.engine.plan.task == "classify" else [],
    }
