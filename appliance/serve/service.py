"""What every route works with: the server's parts, one request, and what is told when it has been answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.types import Scope

from appliance.log import log
from appliance.monitor.prometheus import Metrics
from appliance.schema import Prediction
from appliance.serve.access import Access
from appliance.serve.batches import Batches
from appliance.serve.engine_process import EngineProcess
from appliance.serve.router import Router, Served
from appliance.serve.workers import Answer
from appliance.settings import ServeSettings

if TYPE_CHECKING:
    from appliance.serve.embedder import Embedder
    from appliance.serve.feedback import Feedback
    from appliance.serve.rollout import Rollout
    from appliance.serve.shadow import Mirror

_CALL = "skerry.call"


@dataclass(slots=True)
class Service:
    """What the routes work with. `after` is told of every request that had picked a version, once its answer is sent."""

    settings: ServeSettings
    router: Router
    metrics: Metrics
    access: Access | None  # None: no key is asked for
    engines: EngineProcess
    draining: bool = False
    batches: Batches | None = None  # None: this server takes none
    rollout: Rollout | None = None
    embedder: Embedder | None = None  # None: drift is followed by pieces of the texts
    mirror: Mirror | None = None
    feedback: Feedback | None = None
    after: list[Callable[[Answered], None]] = field(default_factory=list)


@dataclass(slots=True)
class Call:
    """One request: its id, its headers (lower-case names) and when it began, in seconds of `perf_counter`."""

    id: str
    headers: Mapping[bytes, bytes]
    began: float
    key: str = ""  # the API key's id
    owner: str = ""  # and whose it is
    trace: str = ""  # the trace id of a W3C `traceparent`, 32 hex digits


@dataclass(frozen=True, slots=True)
class Answered:
    """A request whose answer was sent, for what looks on: its texts and answers in the same order, its HTTP status and seconds."""

    served: Served
    texts: list[str] = field(repr=False)
    answers: list[Answer | None] = field(repr=False)
    status: int
    seconds: float
    request_id: str
    key: str
    kind: str  # predict, embed
    infer_s: list[float] = field(default_factory=list)  # the model's time for each text

    @property
    def predictions(self) -> list[tuple[str, Prediction]]:
        """The texts that have an answer, each with it."""
        pairs = zip(self.texts, self.answers, strict=False)
        return [(text, answer) for text, answer in pairs if isinstance(answer, Prediction)]


def call_of(scope: Scope) -> Call:
    """Return the request that a scope stands for."""
    call: Call = scope[_CALL]
    return call


def set_call(scope: Scope, call: Call) -> None:
    """Note the request in its scope."""
    scope[_CALL] = call


def tell(service: Service, answered: Answered) -> None:
    """Call everyone who looks on; what one of them raises harms nobody."""
    for look in service.after:
        try:
            look(answered)
        except Exception as error:  # the answer is out; only the looking on has failed
            log("look failed", id=answered.request_id, error=type(error).__name__)
