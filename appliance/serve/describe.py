"""The description of the interface: OpenAPI 3.1 with examples, and the page that shows it from our own files.

FastAPI describes the routes that it runs. The two inference routes bypass it for speed and are described here; a test
holds their schemas against the parser.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
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


class EmbeddingsRequest(BaseModel):
    """Texts to turn into vectors, as OpenAI's clients ask."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"input": "My card has not arrived."}]})

    input: str | Annotated[list[str], Field(min_length=1)]
    model: str | None = Field(None, description="The release; needed when several serve.")
    encoding_format: Literal["float", "base64"] | None = Field(
        None, description="`base64`: float32, least significant byte first."
    )
    dimensions: int | None = Field(None, ge=1, description="Only the model's own number is given.")
    user: str | None = Field(None, description="Not looked at.")


class Embedding(BaseModel):
    """The vector of one text, of length 1."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    """The tokens that the model has read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsResponse(BaseModel):
    """The vectors in the order of the texts."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


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
    min_scores: dict[str, float] = Field(description="Labels with a limit of their own.")
    embedding_width: int = Field(description="Numbers of an embedding; 0 where the model gives none.")


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
    "404": "No such release, version or batch.",
    "408": "The deadline of `X-Request-Timeout-Ms` has passed, or the request did not arrive in time.",
    "409": "The state that it is in does not allow that.",
    "413": "The body or the number of texts is too large.",
    "422": "A field is wrong; `field` names it.",
    "429": "The queue is full; `Retry-After` gives the seconds to wait.",
    "501": "A part of Skerry is not installed.",
    "503": "Loading, shutting down, or the engine was replaced; `Retry-After` gives the seconds to wait.",
    "507": "The machine has no room left.",
}
_ASKING = ("400", "401", "404", "408", "413", "422", "429", "503")
_STRING = {"type": "string"}
_HEADERS = [
    {
        "name": "X-Request-Id",
        "in": "header",
        "schema": _STRING | {"pattern": "^[A-Za-z0-9._-]{1,128}$"},
        "description": "Comes back in the answer; another one is made when it is absent or does not fit.",
    },
    {
        "name": "traceparent",
        "in": "header",
        "schema": _STRING,
        "description": "W3C Trace Context; the answer goes on with the trace.",
    },
    {
        "name": "X-Session",
        "in": "header",
        "schema": _STRING,
        "description": "While a canary is tried, requests of one session are answered by one version.",
    },
    {
        "name": "X-Request-Timeout-Ms",
        "in": "header",
        "schema": {"type": "integer", "minimum": 1, "maximum": 999_999_999},
        "description": "Give up, with 408, after so many milliseconds.",
    },
]
_ANSWERED = {
    "X-Model-Version": {"schema": _STRING, "description": "The first 12 hex digits of the model's id."},
    "X-Model-Sha256": {"schema": _STRING, "description": "The model's id: the hash of what is loaded."},
    "X-Truncated-Texts": {
        "schema": {"type": "integer"},
        "description": "Texts that the model does not see all of; absent for none.",
    },
    "Server-Timing": {"schema": _STRING, "description": "Milliseconds in the queue and in the model."},
}


@dataclass(frozen=True, slots=True)
class Described:
    """A route that FastAPI does not know: what it reads and gives. `others` are further content types of the body and of the answer."""

    method: str
    path: str
    operation: str
    summary: str
    request: type[BaseModel] | None = None
    response: type[BaseModel] | None = None
    status: str = "200"
    failures: tuple[str, ...] = ("401",)
    parameters: tuple[dict[str, Any], ...] = ()
    headers: dict[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()


def _asking(path: str, operation: str, request: type[BaseModel], response: type[BaseModel], summary: str) -> Described:
    failures = tuple(code for code in _ASKING if code != "422" or not path.startswith("/v2"))
    return Described(
        "post", path, operation, summary, request, response,
        failures=failures, parameters=tuple(_HEADERS), headers=_ANSWERED,
    )  # fmt: skip


_MODEL = "/v2/models/{model}"
_V2 = "Answer texts by the Open Inference Protocol v2"
INFERENCE = (
    _asking("/v1/predict", "predict", PredictRequest, PredictResponse, "Answer texts"),
    _asking("/v1/embeddings", "embeddings", EmbeddingsRequest, EmbeddingsResponse, "Turn texts into vectors"),
    _asking(f"{_MODEL}/infer", "infer_model", InferRequest, InferResponse, _V2),
    _asking(f"{_MODEL}/versions/{{version}}/infer", "infer_model_version", InferRequest, InferResponse, _V2),
)


def describe(app: FastAPI, routes: Iterable[Described]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document: FastAPI's own routes and those that bypass it."""
    document: dict[str, Any] = FastAPI.openapi(app)
    routes = tuple(routes)
    models: set[type[BaseModel]] = {ProblemDetails, ProtocolError}
    models |= {model for one in routes for model in (one.request, one.response) if model}
    names = sorted(models, key=lambda model: model.__name__)
    _names, schemas = models_json_schema(
        [(model, "validation") for model in names], ref_template="#/components/schemas/{model}"
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
    for one in routes:
        document["paths"].setdefault(one.path, {})[one.method] = _operation(one)
    return document


def _operation(one: Described) -> dict[str, Any]:
    inside = [
        {"name": name, "in": "path", "required": True, "schema": _STRING} for name in re.findall(r"{(\w+)}", one.path)
    ]
    answered: dict[str, Any] = {"description": "The answer."} | ({"headers": one.headers} if one.headers else {})
    if one.response or one.gives:
        answered["content"] = _content(one.response, one.gives)
    operation = {
        "operationId": one.operation,
        "tags": [one.path.split("/")[1]],
        "summary": one.summary,
        "parameters": [*inside, *one.parameters],
        "responses": {one.status: answered} | {code: _failure(code, one.path) for code in one.failures},
    }
    if one.request:
        operation["requestBody"] = {"required": True, "content": _content(one.request, one.reads)}
    return operation


def _content(model: type[BaseModel] | None, others: Iterable[str]) -> dict[str, Any]:
    own = {"application/json": {"schema": _reference(model)}} if model else {}
    return own | {kind: {"schema": _STRING} for kind in others}


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
