"""The description of `/v1/batches` for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from appliance.serve.describe import Described

JSON_LINES = ("application/x-ndjson", "application/jsonl")
PARQUET = "application/vnd.apache.parquet"


class BatchRequest(BaseModel):
    """Texts that need not be answered at once. As JSON lines, each `"text"` or `{"text", "id"?}`, the other fields stand in the query."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"inputs": ["My card has not arrived."], "time_limit_s": 3600}]}
    )

    inputs: Annotated[list[str], Field(min_length=1)]
    model: str | None = Field(None, description="The release; needed when several serve.")
    probabilities: bool | None = Field(None, description="Also give the probability of every label.")
    time_limit_s: int | None = Field(None, ge=1, description="Stop after so many seconds of work; it can be resumed.")


class BatchState(BaseModel):
    """How far a batch is."""

    id: str
    object: Literal["batch"] = "batch"
    model: str
    created: str
    probabilities: bool
    time_limit_s: int | None
    state: Literal["queued", "running", "done", "expired", "cancelled", "failed"]
    total: int
    done: int
    failed: int = Field(description="Rows that have an error in place of an answer; they count as done.")
    used_s: float
    ended: str | None
    reason: str | None = Field(description="Why it failed.")
    versions: dict[str, int] = Field(description="How many rows each model version has answered.")


class BatchList(BaseModel):
    """The batches of the API key's owner, newest first."""

    object: Literal["list"] = "list"
    data: list[BatchState]


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


_FOR_LINES = (
    _query("model", {"type": "string"}, "For JSON lines: the release."),
    _query("probabilities", {"type": "boolean"}, "For JSON lines: also give the probability of every label."),
    _query(
        "time_limit_s", {"type": "integer", "minimum": 1, "maximum": 999_999_999}, "For JSON lines: the time limit."
    ),
)
_FORM = _query("format", {"type": "string", "enum": ["jsonl", "parquet"]}, "JSON lines where it is not given.")
_ONE = "/v1/batches/{batch}"
_NONE = ("401", "404")
ROUTES = (
    Described(
        "post", "/v1/batches", "create_batch", "Answer texts in the background", BatchRequest, BatchState, "202",
        ("400", "401", "404", "413", "422", "429", "503", "507"), _FOR_LINES, reads=JSON_LINES,
    ),
    Described("get", "/v1/batches", "list_batches", "The batches", response=BatchList),
    Described("get", _ONE, "show_batch", "How far a batch is", response=BatchState, failures=_NONE),
    Described("delete", _ONE, "delete_batch", "Destroy a batch with its answers", status="204", failures=_NONE),
    Described("post", f"{_ONE}/cancel", "cancel_batch", "Stop a batch", response=BatchState, failures=(*_NONE, "409")),
    Described(
        "post", f"{_ONE}/resume", "resume_batch", "Go on with a batch", response=BatchState, failures=(*_NONE, "409")
    ),
    Described(
        "get", f"{_ONE}/results", "batch_results", "The answers of a batch that has ended", status="200",
        failures=(*_NONE, "409", "422", "501"), parameters=(_FORM,), gives=(JSON_LINES[0], PARQUET),
    ),
)  # fmt: skip
