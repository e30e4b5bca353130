"""The bounded line of requests before the engine process, and who is served next.

The line is counted in texts and in estimated tokens, by the same rule for one text and for many. Requests take turns
text by text, so a short one does not wait behind a long one. A lane of the engine process is given what it runs at once,
or while many requests wait a short text of each of a handful, which then run one by one; all else waits here, so that a process
that dies takes little with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Protocol, cast

from appliance.errors import ApplianceError, InputError
from appliance.schema import Prediction, Span
from appliance.serve import frames
from appliance.serve.frames import Item
from appliance.serve.problems import Problem
from appliance.settings import ServeSettings
from appliance.words import _

if TYPE_CHECKING:
    from appliance.serve.engine_process import EngineProcess, Loaded, Run

Answer = Prediction | bytes | ApplianceError
_SMOOTHING = 0.05  # weight of the newest text in the mean time of a token
_BYTES_PER_TOKEN = 4  # of UTF-8: English has 4 to 5, Chinese 3
_SPECIAL_TOKENS = 2
_MOST_PASSED = 32  # requests that a batch may leave out, for another model or for their length, before it is full
# To hand a text over and wake two processes for its answer costs a fifth of running a short one. A handful shares that, and keeps a
# lane no longer than one long text does.
_HANDFUL_TEXTS, _HANDFUL_TOKENS = 4, 128
_TOKENS_PER_TEXT = 64  # room for a text, where the settings name none in tokens
_PATIENCE_S = 10.0  # how long what waits is kept for an engine process that does not come back


class Serves(Protocol):
    """What a request asks: a loaded version."""

    @property
    def engine(self) -> Loaded:
        """The model in the engine process."""


@dataclass(eq=False, slots=True)
class Job:
    """One request's texts on their way through the engine process, and what came back. Times are seconds of `perf_counter`.

    An embedding is the bytes of little-endian float32 numbers.
    """

    engine: Loaded
    kind: str  # predict, embed
    texts: list[str] = field(repr=False)
    costs: list[int]  # estimated tokens of each text
    done: asyncio.Future[None]
    arrived: float
    answers: list[Answer | None] = field(repr=False)
    deadline: float | None = None
    background: bool = False
    started: float = 0.0  # when the first text was taken
    infer_s: list[float] = field(default_factory=list)  # of each text answered
    tokenize_s: float = 0.0
    tokens: int = 0  # that the model has read
    batch_texts: list[int] = field(default_factory=list)  # how many texts shared each text's run
    truncated: int = 0  # texts that the model does not see all of
    padding: int = 0  # padded tokens that came with them: a run's, shared by its texts
    taken: int = 0
    stopped: bool = False


class Scores(Mapping[str, float]):
    """The probability of each label; made into a dictionary when one is asked for, which few are."""

    __slots__ = ("_found", "_labels", "_scores")

    def __init__(self, labels: Sequence[str], scores: Sequence[float]) -> None:
        self._labels, self._scores = labels, scores
        self._found: dict[str, float] = {}

    def __getitem__(self, label: str) -> float:
        if not self._found:
            self._found = dict(zip(self._labels, self._scores, strict=True))
        return self._found[label]

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def __len__(self) -> int:
        return len(self._labels)


class Line:
    """Requests that wait, in turns, and how much they hold."""

    def __init__(self) -> None:
        self._jobs: deque[Job] = deque()
        self.texts = self.tokens = 0

    def __bool__(self) -> bool:
        return self.texts > 0

    @property
    def jobs(self) -> int:
        """How many requests are in it, those that were given up lately among them."""
        return len(self._jobs)

    def add(self, job: Job) -> None:
        """Put a request at the end."""
        self._jobs.append(job)
        self.texts += len(job.texts)
        self.tokens += sum(job.costs)

    def leave(self, job: Job) -> None:
        """Count what waits of a request no more; it is thrown out when its turn comes."""
        job.stopped = True
        self.texts -= len(job.texts) - job.taken
        self.tokens -= sum(job.costs[job.taken :])

    def oldest(self) -> Job | None:
        """Return the request whose turn is next."""
        while self._jobs and self._jobs[0].stopped:
            self._jobs.popleft()
        return self._jobs[0] if self._jobs else None

    def take(self, most_texts: int, most_tokens: int) -> list[tuple[Job, int]]:
        """Take the next text, and more for the same model up to both limits: pairs of a request and a text's number in it.

        Each request that has more goes to the end of the line with the next one.
        """
        first = self.oldest()
        assert first is not None
        batch: list[tuple[Job, int]] = []
        passed: list[Job] = []
        left = most_tokens
        while self._jobs and left > 0 and len(batch) < most_texts and len(passed) < _MOST_PASSED:
            job = self._jobs.popleft()
            if job.stopped:
                continue
            cost = job.costs[job.taken]
            if job.engine is not first.engine or job.kind != first.kind or (batch and cost > left):
                passed.append(job)
                continue
            batch.append((job, job.taken))
            left -= cost
            job.taken += 1
            self.texts -= 1
            self.tokens -= cost
            if job.taken < len(job.texts):
                self._jobs.append(job)
        self._jobs.extendleft(reversed(passed))
        return batch


class Lane(asyncio.Protocol):
    """One thread of the engine process: what it is at, and the socket to it."""

    def __init__(self, workers: Workers, run: Run) -> None:
        self.workers, self.run = workers, run
        self.batch: list[tuple[Job, int]] = []
        self._transport: asyncio.Transport | None = None
        self._read = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready for work."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods alone
        self.workers.free(self)

    def send(self, batch: list[tuple[Job, int]]) -> None:
        """Ask for these texts, all of one model."""
        self.batch = batch
        job = batch[0][0]
        assert self._transport is not None
        self._transport.write(frames.request(job.kind, job.engine.number, [job.texts[index] for job, index in batch]))

    def data_received(self, data: bytes) -> None:
        """Take a reply, in pieces or whole."""
        self._read += data
        if len(self._read) < frames.REPLY.size:
            return
        length, count, tokenize_s = frames.REPLY.unpack_from(self._read)
        if len(self._read) == frames.REPLY.size + length:
            body, self._read = bytes(self._read[frames.REPLY.size :]), bytearray()
            batch, self.batch = self.batch, []
            self.workers.finish(self, batch, list(frames.items_of(body, count)), tokenize_s)

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell that the process is gone."""
        self.workers.lost(self)

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.abort()


class Workers:
    """The lines before an engine process: one for requests that wait for their answer, one for work in the background.

    Made and used in the event loop's thread.
    """

    def __init__(self, process: EngineProcess, settings: ServeSettings) -> None:
        self._process, self._settings = process, settings
        self._loop = asyncio.get_running_loop()
        self._most_tokens = settings.queue_tokens or _TOKENS_PER_TEXT * settings.queue_texts
        self._front, self._back = Line(), Line()
        self._lanes: list[Lane] = []
        self._idle: list[Lane] = []
        self._token_s = 0.0
        self._held: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None  # while there is no engine process
        self._given_up = self._stopped = False
        self._full_told = _("the queue has no room for more texts")  # looked up once: a refusal must cost little
        process.connect(self._tell)

    @property
    def waiting(self) -> int:
        """How many texts wait, in both lines."""
        return self._front.texts + self._back.texts

    @property
    def waiting_tokens(self) -> int:
        """How many tokens these are estimated to have."""
        return self._front.tokens + self._back.tokens

    @property
    def full(self) -> bool:
        """Whether the line has no room for any request, be it one empty text."""
        line = self._front
        return line.texts >= self._settings.queue_texts or line.tokens + _SPECIAL_TOKENS > self._most_tokens

    def no_room(self, line: Line | None = None) -> Problem:
        """Return the answer to a request that finds a line full, the front one: 429 with the seconds after which to try again."""
        wait_s = max(1, math.ceil((line or self._front).tokens * self._token_s / self._process.lanes))
        return Problem("queue-full", self._full_told, retry_after_s=wait_s)

    @property
    def ready(self) -> bool:
        """Whether the engine process answers; False while it is being replaced."""
        return bool(self._lanes)

    @property
    def restarts(self) -> int:
        """How often the engine process had to be replaced."""
        return self._process.restarts

    def submit(
        self,
        served: Serves,
        texts: list[str],
        *,
        kind: str = "predict",
        deadline: float | None = None,
        background: bool = False,
    ) -> Job:
        """Let a request in; its `done` is set when every text has its answer. `deadline` is a time of `perf_counter`, after which no text of it is run.

        Work in the `background` has a line of its own, which moves only while the other is empty. Raises `Problem`: 429 with the
        seconds after which to try again when its texts find no room, 413 when they never could, 503 when the engine process does not come back.
        """
        line, plan = self._back if background else self._front, served.engine.plan
        costs = [cost_of(text, plan.max_tokens, self._settings.long_texts == "chunk") for text in texts]
        self._admit(line, len(texts), sum(costs))
        now = perf_counter()
        job = Job(served.engine, kind, texts, costs, self._loop.create_future(), now, [None] * len(texts), deadline, background)  # fmt: skip
        line.add(job)
        self._dispatch()
        return job

    def drop(self, job: Job, reason: ApplianceError) -> None:
        """Give up a request: what waits of it is not run, and `reason` is raised where its answer is awaited."""
        if not job.stopped:
            self._line_of(job).leave(job)
        if not job.done.done():
            job.done.set_exception(reason)

    def stop(self) -> None:
        """Let the engine process go."""
        self._stopped = True
        for timer in (self._held, self._patience):
            if timer:
                timer.cancel()
        for lane in self._lanes:
            lane.close()

    # -- the lanes' side ---------------------------------------------------------------------------------------------

    def free(self, lane: Lane) -> None:
        """Note that a lane has nothing to do."""
        self._idle.append(lane)
        self._dispatch()

    def finish(self, lane: Lane, batch: list[tuple[Job, int]], items: list[Item], tokenize_s: float) -> None:
        """Take the answers of a batch."""
        for (job, index), item in zip(batch, items, strict=True):
            job.answers[index] = _answer(job, item)
            job.infer_s.append(item.seconds)
            job.tokens += item.tokens
            job.truncated += item.truncated
            job.tokenize_s += tokenize_s / len(batch)
            job.batch_texts.append(item.company)
            job.padding += item.padding // item.company
            if item.tokens:
                self._token_s += _SMOOTHING * (item.seconds / item.tokens - self._token_s)
            if len(job.infer_s) == len(job.texts) and not job.done.done():
                job.done.set_result(None)
        self.free(lane)

    def lost(self, lane: Lane) -> None:
        """Give up what a lane was at, and have its process replaced."""
        if self._stopped:
            return
        if lane in self._lanes:
            self._lanes.remove(lane)
            if not self._lanes:
                self._patience = self._loop.call_later(_PATIENCE_S, self._give_up)
            self._process.lost(lane.run)
        if lane in self._idle:
            self._idle.remove(lane)
        batch, lane.batch = lane.batch, []
        for job, _index in batch:
            self.drop(job, _lost())

    def _tell(self, run: Run) -> None:
        # In the thread of the process, which may be later than the end of the loop.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._connect, run)

    def _connect(self, run: Run) -> None:
        if self._stopped:
            return
        self._given_up, run.handed_over = False, True
        if self._patience:
            self._patience.cancel()
        for plug in run.lanes:
            lane = Lane(self, run)
            self._lanes.append(lane)
            # Connected already: this makes no system call that could block.
            self._loop.create_task(self._loop.create_unix_connection(lambda lane=lane: lane, sock=plug))  # type: ignore[misc]

    def _give_up(self) -> None:
        self._given_up = True
        for line in (self._front, self._back):
            while job := line.oldest():
                self.drop(job, _lost())

    # -- who is next -------------------------------------------------------------------------------------------------

    def _admit(self, line: Line, texts: int, tokens: int) -> None:
        settings = self._settings
        if self._given_up:
            raise _lost()
        if texts > settings.queue_texts or tokens > self._most_tokens:
            raise Problem(
                "content-too-large",
                _(
                    "the request holds {count} texts of about {tokens} tokens, the queue {most} and {most_tokens}; send several requests",
                    count=texts,
                    tokens=tokens,
                    most=settings.queue_texts,
                    most_tokens=self._most_tokens,
                ),
            )
        if line.texts + texts > settings.queue_texts or line.tokens + tokens > self._most_tokens:
            raise self.no_room(line)

    def _dispatch(self) -> None:
        while self._idle and (batch := self._next()):
            self._idle.pop().send(batch)

    def _next(self) -> list[tuple[Job, int]]:
        """Take what a free lane runs next; nothing when nothing waits, or what waits may still find company."""
        now = perf_counter()
        while (job := (line := self._front or self._back).oldest()) and job.deadline is not None and job.deadline < now:
            self.drop(job, late())
        if job is None:
            return []
        if not job.engine.together:
            batch = line.take(min(_HANDFUL_TEXTS, line.jobs // (2 * len(self._lanes)) or 1), _HANDFUL_TOKENS)
        elif (wait_s := self._wait_s(line, job, now)) > 0:
            self._hold(wait_s)
            return []
        else:
            busy = len(self._lanes) - len(self._idle)
            share = math.ceil((line.texts + sum(len(lane.batch) for lane in self._lanes)) / (busy + len(self._idle)))
            batch = line.take(share, self._settings.batch_tokens)
        for taken, index in batch:
            if index == 0:
                taken.started = now
        return batch

    def _wait_s(self, line: Line, job: Job, now: float) -> float:
        # Alone on the machine a text never waits. While other lanes run, a small batch may wait for company.
        if len(self._idle) == len(self._lanes) or line.tokens >= self._settings.batch_tokens // 2:
            return 0.0
        return job.arrived + self._settings.max_wait_ms / 1000 - now

    def _hold(self, wait_s: float) -> None:
        def over() -> None:
            self._held = None
            self._dispatch()

        if self._held is None:
            self._held = self._loop.call_later(wait_s, over)

    def _line_of(self, job: Job) -> Line:
        return self._back if job.background else self._front


def cost_of(text: str, max_tokens: int, chunk: bool = False) -> int:
    """Estimate the tokens of a text: its UTF-8 bytes / 4 and the special ones, at most what the model reads of it."""
    tokens = _SPECIAL_TOKENS + len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN
    return tokens if chunk else min(tokens, max_tokens)


def late() -> Problem:
    """Return the answer to a request whose deadline has passed."""
    return Problem("deadline-passed", _("the deadline passed; the texts that still waited were not run"))


def _lost() -> Problem:
    return Problem(
        "engine-lost", _("the engine process ended while it ran this; it is being replaced"), retry_after_s=1
    )


def _answer(job: Job, item: Item) -> Answer:
    if item.content == frames.SCORES:
        labels, scores = job.engine.labels, memoryview(item.payload).cast("d").tolist()
        best = max(scores)
        return Prediction(labels[scores.index(best)], best, Scores(labels, scores), item.truncated)
    if item.content == frames.EMBEDDING:
        return item.payload
    if item.content == frames.SPANS:
        spans = tuple(_spans(job.engine, item.payload))
        return Prediction(None, min((span.score for span in spans), default=1.0), {}, item.truncated, spans)
    message = item.payload.decode()
    return InputError(message) if item.content == frames.REFUSED else ApplianceError(message)


def _spans(engine: Loaded, payload: bytes) -> Iterator[Span]:
    for start, end, kind, score in frames.SPAN.iter_unpack(payload):
        yield Span(start, end, engine.kinds[kind], score)
