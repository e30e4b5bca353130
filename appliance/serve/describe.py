"""The description of the interface: OpenAPI 3.1 with examples, and the page that shows it from our own files.

FastAPI describes the routes that it runs. The two inference routes bypass it for speed and are described here; a test
holds their schemas against the parser.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema


class PredictRequest(BaseModel):
    """Texts to answer."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"inputs": ["My card has not arrived."], "probabilities": True}]},
    )

    inputs: Annotated[list[str], Field(min_length=1, description="The texts. Each is answered alone.")]
    model: str | None = Field(None, description="The release; needed when several serve.")
    probabilities: bool | None = Field(None, description="Also give the probability of every label.")
    explain: bool | None = Field(
        None, description="Also tell which words moved the score; one text at a time, run once for each word."
    )


class ItemError(BaseModel):
    """Why one text has no answer; the others have theirs."""

    type: str
    detail: str


class Effect(BaseModel):
    """What a word, or a run of words in a long text, did to the score of the best label."""

    start: int = Field(description="First code point of the text.")
    end: int = Field(description="Code point behind the last.")
    word: str
    change: float = Field(ge=-1, le=1, description="The score with it minus the score without it.")
    label: str | None = Field(description="The label without it.")


class Prediction(BaseModel):
    """The answer to one text, or its error."""

    label: str | None = Field(
        None, description="The label, or null when the score lies below the release's `min_score`."
    )
    score: float | None = Field(None, ge=0, le=1, description="The probability of the best label.")
    probabilities: dict[str, float] | None = None
    truncated: bool | None = Field(None, description="The text was longer than the model reads.")
    abstained: bool | None = Field(None, description="True where there is no label since the score is too low.")
    explanation: list[Effect] | None = Field(None, description="With `explain`: the words in the text's order.")
    error: ItemError | None = None


class PredictResponse(BaseModel):
    """The answers, in the order of the texts."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "predictions": [{"label": "card_arrival", "score": 0.98, "truncated": False}],
                    "model": "triage",
                    "version": "0123456789ab",
                }
            ]
        }
    )

    predictions: list[Prediction]
    model: str
    version: str


class ProblemDetails(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    field: str | None = None


class ProtocolError(BaseModel):
    """The Open Inference Protocol's error object."""

    error: str


class InputTensor(BaseModel):
    """The one input: `text`, BYTES [n] or [n, 1]. With the parameter `binary_data_size` the data stand behind the JSON."""

    model_config = ConfigDict(extra="forbid")

    name: Literal["text"]
    shape: list[int]
    datatype: Literal["BYTES"]
    data: list[str] | list[Annotated[list[str], Field(min_length=1, max_length=1)]]
    parameters: dict[str, Any] | None = None


class WantedOutput(BaseModel):
    """An output asked for."""

    model_config = ConfigDict(extra="forbid")

    name: Literal["label", "score", "probabilities", "error"]
    parameters: dict[str, Any] | None = None


class InferRequest(BaseModel):
    """An inference request of the Open Inference Protocol v2."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["My card has not arrived."]}]}
            ]
        },
    )

    id: str | None = None
    parameters: dict[str, Any] | None = None
    inputs: Annotated[list[InputTensor], Field(min_length=1, max_length=1)]
    outputs: list[WantedOutput] | None = None


class OutputTensor(BaseModel):
    """One output: `label` BYTES [n], `score` FP32 [n] or `probabilities` FP32 [n, classes] with the labels as parameter."""

    name: str
    shape: list[int]
    datatype: str
    data: list[str] | list[float]
    parameters: dict[str, Any] | None = None


class InferResponse(BaseModel):
    """An inference response of the Open Inference Protocol v2."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[OutputTensor]


class ModelCard(BaseModel):
    """One release that serves. `id`, `object`, `created` and `owned_by` are what OpenAI's clients read."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["skerry"] = "skerry"
    version: str
    task: str
    format: str
    labels: list[str]
    languages: list[str]
    max_tokens: int
    min_score: float


class ModelList(BaseModel):
    """The releases that serve, by name."""

    object: Literal["list"] = "list"
    data: list[ModelCard]


class Live(BaseModel):
    """The server answers."""

    live: bool


class Ready(BaseModel):
    """The models are loaded and warm, and the server is not shutting down."""

    ready: bool


class ServerMetadata(BaseModel):
    """Who serves."""

    name: str
    version: str
    extensions: list[str]


class Tensor(BaseModel):
    """A tensor's name and kind; -1 stands for any size."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What a model reads and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]


class ModelReady(BaseModel):
    """Whether a model serves."""

    name: str
    ready: bool


# These need no key: they tell nothing about this installation, and a browser cannot send one when it opens a page.
OPEN_PATHS = ("/v2/health/", "/docs", "/openapi.json")
_STATUSES = {
    "400": "No JSON, or by the V2 protocol a wrong field.",
    "401": "No API key, or one that is not in force.",
    "404": "No such release or version.",
    "413": "The body or the number of texts is too large.",
    "422": "A field is wrong; `field` names it.",
    "429": "The queue is full; `Retry-After` gives the seconds to wait.",
    "503": "Loading or shutting down.",
    "504": "The deadline of `X-Request-Timeout-Ms` has passed.",
}
_MODELS: tuple[type[BaseModel], ...] = (
    PredictRequest,
    PredictResponse,
    InferRequest,
    InferResponse,
    ProblemDetails,
    ProtocolError,
)


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document: FastAPI's own routes and the two that bypass it."""
    document: dict[str, Any] = FastAPI.openapi(app)
    _names, schemas = models_json_schema(
        [(model, "validation") for model in _MODELS], ref_template="#/components/schemas/{model}"
    )
    components = document.setdefault("components", {})
    components["schemas"] = {
        name: schema
        for name, schema in (components.get("schemas", {}) | schemas["$defs"]).items()
        if name not in ("HTTPValidationError", "ValidationError")  # FastAPI's own, which are never sent
    }
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "`skerry key add NAME` makes one."}
    }
    document["security"] = [{"key": []}]
    for path, operations in document["paths"].items():
        responses = operations["get"]["responses"]
        responses.pop("422", None)
        if path.startswith(OPEN_PATHS):
            operations["get"]["security"] = []
        else:
            responses["401"] = _failure("401", path)
    document["paths"] = {"/v1/predict": _asking("/v1/predict", PredictRequest, PredictResponse)} | document["paths"]
    model = "/v2/models/{model}"
    for path in (f"{model}/infer", f"{model}/versions/{{version}}/infer"):
        document["paths"][path] = _asking(path, InferRequest, InferResponse)
    return document


def _asking(path: str, request: type[BaseModel], response: type[BaseModel]) -> dict[str, Any]:
    inside = [name for name in ("model", "version") if f"{{{name}}}" in path]
    string = {"type": "string"}
    answered = {
        "description": "The answers.",
        "headers": {
            "X-Model-Version": {"schema": string, "description": "The first 12 hex digits of the model's id."},
            "X-Model-Sha256": {"schema": string, "description": "The model's id: the hash of what is loaded."},
            "Server-Timing": {"schema": string, "description": "Milliseconds in the queue and in the model."},
        },
        "content": {"application/json": {"schema": _reference(response)}},
    }
    statuses = [code for code in _STATUSES if code != "422" or not path.startswith("/v2")]
    operation = {
        "operationId": "_".join([path.rsplit("/", 1)[1], *inside]),
        "tags": [path.split("/")[1]],
        "summary": "Answer texts" + (" by the Open Inference Protocol v2" if inside else ""),
        "parameters": [{"name": name, "in": "path", "required": True, "schema": string} for name in inside]
        + [
            {
                "name": "X-Request-Id",
                "in": "header",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
                "description": "Comes back in the answer; another one is made when it is absent or does not fit.",
            },
            {
                "name": "traceparent",
                "in": "header",
                "schema": string,
                "description": "W3C Trace Context; the answer goes on with the trace.",
            },
            {
                "name": "X-Request-Timeout-Ms",
                "in": "header",
                "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
                "description": "Give up, with 504, after so many milliseconds.",
            },
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _reference(request)}}},
        "responses": {"200": answered} | {code: _failure(code, path) for code in statuses},
    }
    return {"post": operation}


def _failure(code: str, path: str) -> dict[str, Any]:
    kind, model = (
        ("application/json", ProtocolError) if path.startswith("/v2") else ("application/problem+json", ProblemDetails)
    )
    return {"description": _STATUSES[code], "content": {kind: {"schema": _reference(model)}}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


# Everything comes from this server; the page can reach nothing else.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Skerry</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="docs/static/swagger-ui.css"></head>
<body><div id="swagger-ui"></div>
<script src="docs/static/swagger-ui-bundle.js"></script><script src="docs/static/start.js"></script></body></html>
"""
