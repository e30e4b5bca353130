"""Label Studio: make a task's project there, send it records with predictions and answers, fetch what people said.

The only file that asks a Label Studio anything; its API is described at api.labelstud.io and was tried against 1.23.2. Plain HTTP stands here
instead of its SDK, which holds numpy at an old version (through OpenCV) and takes seconds to import.

Nothing depends on having been done once only: what is there is listed before something is sent, an annotation of ours carries its id, and
what is fetched is known by its number over there. So a killed `push` or `pull`, here or there, is given again.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import socket
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from appliance import annotations as answers_of
from appliance.annotations import SUGGESTIONS
from appliance.errors import (
    ApplianceError,
    BusyError,
    InputError,
    MissingPartError,
    NotFoundError,
    PolicyError,
    SettingsError,
)
from appliance.files import canonical
from appliance.jobs import progress
from appliance.schema import Annotation, LabelTask, QueueItem
from appliance.store import Store
from appliance.words import _
from labeling import studio_json
from labeling.link import (
    Link,
    Sent,
    content,
    content_of,
    find_link,
    holding,
    new_link,
    note_sent,
    read_link,
    sent,
    write_link,
)
from labeling.texts import Texts, dataset_of

if TYPE_CHECKING:
    import httpx

__all__ = ["SECRET_HEADER", "Studio", "connect", "hook", "link_task", "pull", "push"]

SECRET_HEADER = "X-Skerry-Secret"  # noqa: S105 a name, no secret
ACTIONS = ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")
_TIMEOUT_S = 60.0
_WAITS_S = (0.5, 2.0, 5.0)  # before another try, where nothing can have happened twice
_BATCH = 200
_SHOWN = 100  # annotations that could not be taken, named one by one
_MARGIN = timedelta(minutes=1)  # a change over there may become visible later than its time says
_JWT_DOTS = 2

Exchange = Callable[[Store, str, "Studio"], dict[str, Any]]


class Studio:
    """A Label Studio as one token sees it: the address is in the local network, redirections are not followed, proxies not asked."""

    def __init__(
        self, url: str, token: str, ca: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Take the address, and an access token of either kind (legacy, or personal). Raises `SettingsError`, `PolicyError`, `MissingPartError`."""
        try:
            import httpx
        except ImportError as error:
            raise MissingPartError(_("Label Studio needs the extra `label`; install `skerry[label]`")) from error
        self._errors = httpx.TransportError
        self._refused = httpx.ConnectError
        self._token, self._access = token.strip(), ""
        self.url = url.rstrip("/")
        _check_address(self.url)
        verify: Any = _context(ca) if ca else True
        self._client = httpx.Client(
            base_url=self.url, transport=transport, trust_env=False, timeout=_TIMEOUT_S, verify=verify
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Ask `path` and return the JSON answer, None where there is none.

        Raises `PolicyError` for a token that is not let in, `NotFoundError`, `InputError` for what is refused, `BusyError` when no answer comes. What Label
        Studio says of a fault is not passed on: it quotes texts.
        """
        answer = self._answer(method, path, body, query)
        if answer.status_code == 401 and self._token.count(".") == _JWT_DOTS:
            self._access = ""  # it lasts for minutes only
            answer = self._answer(method, path, body, query)
        _check_status(answer.status_code, method, path)
        try:
            return answer.json() if answer.content else None
        except ValueError as error:
            raise InputError(_("`{path}` of Label Studio answered with something else than JSON", path=path)) from error

    def _answer(self, method: str, path: str, body: Any, query: Mapping[str, Any]) -> httpx.Response:
        content = None if body is None else json.dumps(body).encode()
        headers = {"authorization": self._authorization(), "content-type": "application/json"}
        return self._tried(method, path, content=content, params=query or None, headers=headers)

    def _tried(self, method: str, path: str, **how: Any) -> httpx.Response:
        waits = iter(_WAITS_S)
        while True:
            wait_s = next(waits, None)
            try:
                answer = self._client.request(method, path, **how)
                if wait_s is None or answer.status_code not in (502, 503, 504):
                    return answer
            except self._errors as error:
                # What never arrived, and what only reads, can be asked again.
                if wait_s is None or not (isinstance(error, self._refused) or method == "GET"):
                    raise BusyError(
                        _("Label Studio at `{url}` does not answer ({error}); start it, then give the command again", url=self.url, error=type(error).__name__)
                    ) from error  # fmt: skip
            time.sleep(wait_s)

    def _authorization(self) -> str:
        # A personal token (a JWT, RFC 7519) buys an access token of a few minutes; a legacy one is used as it is.
        if self._token.count(".") != _JWT_DOTS:
            return f"Token {self._token}"
        if not self._access:
            answer = self._tried("POST", "/api/token/refresh/", json={"refresh": self._token})
            _check_status(answer.status_code, "POST", "/api/token/refresh/")
            self._access = str(answer.json()["access"])
        return f"Bearer {self._access}"


def _check_status(status: int, method: str, path: str) -> None:
    if status == 401:
        raise PolicyError(_("Label Studio does not let this token in; name another with `--token-file`"))
    if status == 403:
        raise PolicyError(
            _(
                "Label Studio forbids `{method} {path}`: the token may lack the right; for our address in the local network set "
                "`SSRF_PROTECTION_ENABLED=false` and `ML_BLOCK_LOCAL_IP=false` there",
                method=method,
                path=path,
            )
        )
    if status == 404:
        raise NotFoundError(_("Label Studio has no `{path}`", path=path))
    if status >= 500:
        raise BusyError(
            _(
                "Label Studio failed at `{method} {path}` ({status}); its log says why",
                method=method,
                path=path,
                status=status,
            )
        )
    if not 200 <= status < 300:
        raise InputError(
            _(
                "Label Studio refuses `{method} {path}` ({status}); its log says why",
                method=method,
                path=path,
                status=status,
            )
        )


def _check_address(url: str) -> None:
    """Raise unless every address of the host is private, link-local or loopback (RFC 1918, 4193, 6890): texts stay in the local network."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.username is None and parts.port != 0
        found = _addresses(parts.hostname or "") if usable else []
    except (ValueError, OSError):
        found = []
    if not found:
        raise SettingsError(_("`{url}` is no address of a Label Studio; write `http://HOST:PORT`", url=url))
    if not all(address.is_private for address in found):
        raise PolicyError(_("texts go to the local network only, and `{host}` lies outside", host=parts.hostname))


def _addresses(host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        return [ipaddress.ip_address(host)]
    except ValueError:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM) if host else []
    return [ipaddress.ip_address(str(where[0]).partition("%")[0]) for *_kind, where in found]


def _context(ca: str) -> Any:
    import ssl

    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(_("`{file}` is no certificate of an authority", file=ca)) from error


@contextmanager
def connect(store: Store, link: Link) -> Iterator[Studio]:
    """Open the Label Studio of a link."""
    ca = store.settings.label.studio_ca
    studio = Studio(link.url, link.token, str(ca) if ca else None)
    try:
        yield studio
    finally:
        studio.close()


def link_task(
    store: Store, name: str, url: str | None, token: str | None, language: str = "en", anew: bool = False
) -> Link:
    """Return a task's link, made or changed: another address, or `anew`, is another project; a new token takes the place of the old.

    Raises `SettingsError` when there is none yet and address or token are not given.
    """
    found = answers_of.task(store, name)
    link = find_link(store, found.name)
    if link is not None and anew:
        url, token, link = url or link.url, token or link.token, None
    if link is None or (url is not None and url.rstrip("/") != link.url):
        if url is None or token is None:
            raise SettingsError(_("name the Label Studio: `--url http://HOST:PORT --token-file FILE`"))
        return write_link(store, new_link(found.name, url.rstrip("/"), token, language))
    return write_link(store, replace(link, token=token)) if token is not None else link


# -- there -------------------------------------------------------------------------------------------------------------


def push(store: Store, task: str, everything: bool = False, studio: Studio | None = None) -> dict[str, Any]:
    """Send the queue of a task (with `everything` all records of its data set), what models propose, and the answers given here.

    Fetches first, so that an edit made there is not overwritten. Returns counts. Raises what `Studio.ask` raises.
    """
    return _exchange(store, task, lambda link, there: _push(store, link, there, everything), studio)


def _push(store: Store, link: Link, studio: Studio, everything: bool) -> dict[str, Any]:
    task = answers_of.task(store, link.task)
    texts = Texts(store, dataset_of(store, task))
    link = _screen(store, task, link, studio)
    fetched = _pull(store, link, studio)
    link = read_link(store, link.task)
    if everything:
        _queue_all(store, task, texts)
    there = _tasks_there(studio, link)
    rows = {item.record: item.row for item in answers_of.queue(store, task.name)}
    new = _send_tasks(task, texts, [row for record, row in rows.items() if record not in there], studio, link)
    there = _tasks_there(studio, link) if new else there
    predicted = _send_predictions(
        store, task, texts, {record: there[record] for record in rows if record in there}, rows, studio, link
    )
    answered = _send_answers(store, task, texts, there, studio, link)
    counts = {"tasks": new, "predictions": predicted, **answered}
    if any(counts.values()):
        store.event("label-push", (task.dataset,), task=task.name, **counts)
    return {"task": task.name, "url": f"{link.url}/projects/{link.project}/data", **counts, "pulled": fetched}


def _screen(store: Store, task: LabelTask, link: Link, studio: Studio) -> Link:
    """Make the project, or bring its screen up to date."""
    link = _project(store, task, link, studio)
    summary = studio.ask("GET", f"/api/projects/{link.project}/summary/")
    used = {label for one in (summary.get("created_labels") or {}).values() for label in one}
    used |= {label for one in (summary.get("created_labels_drafts") or {}).values() for label in one}
    project = studio.ask("GET", f"/api/projects/{link.project}/")
    wanted = _wanted(task, link, used)
    if any(project.get(key) != value for key, value in wanted.items()):
        studio.ask("PATCH", f"/api/projects/{link.project}/", wanted)
    return link


def _project(store: Store, task: LabelTask, link: Link, studio: Studio) -> Link:
    if link.project:
        return link
    found = [one["id"] for one in _projects(studio) if link.marker in (one.get("description") or "")]
    if not found:
        about = {"title": task.name, "description": f"Skerry {link.marker}", **_wanted(task, link, ())}
        found = [studio.ask("POST", "/api/projects/", about)["id"]]
    return write_link(store, replace(link, project=int(found[0])))


def _projects(studio: Studio) -> Iterator[dict[str, Any]]:
    page = 1
    while True:
        there = studio.ask("GET", "/api/projects/", page=page, page_size=_BATCH)
        yield from there["results"]
        if not there.get("next"):
            return
        page += 1


def _wanted(task: LabelTask, link: Link, used: Collection[str]) -> dict[str, Any]:
    people = int(task.settings.get("overlap_people", 2)) if task.overlap else 1
    return {
        "label_config": studio_json.config_xml(task, link.language, used),
        "expert_instruction": studio_json.instruction(task),
        "show_instruction": bool(task.guidelines),
        "sampling": "Uncertainty sampling",
        "show_collab_predictions": True,
        "maximum_annotations": people,
        "overlap_cohort_percentage": round(100 * task.overlap) if task.overlap else 100,
    }


def _queue_all(store: Store, task: LabelTask, texts: Texts) -> None:
    waiting = answers_of.queue(store, task.name)
    known = {item.record for item in waiting}
    batch = 1 + max((item.batch for item in waiting), default=0)
    items = [
        QueueItem(task.name, record, row, batch, row, "studio")
        for row, record in enumerate(texts.ids)
        if record not in known
    ]
    if items:
        answers_of.enqueue(store, task, items)


def _tasks_there(studio: Studio, link: Link) -> dict[str, dict[str, Any]]:
    """Return the tasks over there by record: `id` and the `versions` of their predictions. One that was put in twice is known by its first.

    The pages go by the tasks' numbers, so that one which is deleted meanwhile hides no other.
    """
    found: dict[str, dict[str, Any]] = {}
    last = 0
    while True:
        query = _query("tasks:id", "Number", "greater", last)
        page = _tasks(studio, link, query, include="id,data,predictions_model_versions")["tasks"]
        for one in page:
            record = one["data"].get("record")
            if isinstance(record, str):
                versions = [name.strip() for name in (one.get("predictions_model_versions") or "").split(",")]
                found.setdefault(record, {"id": one["id"], "versions": versions})
        if len(page) < _BATCH:
            return found
        last = page[-1]["id"]


def _tasks(studio: Studio, link: Link, query: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    asked = {"project": link.project, "query": json.dumps(query), "fields": "all", "page_size": _BATCH, **more}
    found: dict[str, Any] = studio.ask("GET", "/api/tasks/", **asked)
    return found


def _query(column: str, kind: str, operator: str, value: Any) -> dict[str, Any]:
    """Return a query of the tasks, those of which `column` compares so with `value`, in its order."""
    item = {"filter": f"filter:{column}", "operator": operator, "type": kind, "value": value}
    return {"filters": {"conjunction": "and", "items": [item] if value else []}, "ordering": [column]}


def _send_tasks(task: LabelTask, texts: Texts, rows: Sequence[int], studio: Studio, link: Link) -> int:
    for begin in range(0, len(rows), _BATCH):
        progress("tasks", begin, len(rows))
        batch = [studio_json.task_json(task, texts.record(row)) for row in rows[begin : begin + _BATCH]]
        studio.ask("POST", f"/api/projects/{link.project}/import", batch)
    return len(rows)


def _send_predictions(
    store: Store,
    task: LabelTask,
    texts: Texts,
    there: Mapping[str, Mapping[str, Any]],
    rows: Mapping[str, int],
    studio: Studio,
    link: Link,
) -> int:
    """Put what models and rules propose today in the place of what was sent before; Label Studio shows the new version only."""
    proposed = {
        one.record: one
        for one in sorted(answers_of.answers(store, task, sources=SUGGESTIONS), key=lambda one: one.source == "model")
        if one.record in there
    }
    if not proposed:
        return 0
    version = _version(proposed.values())
    link = write_link(store, replace(link, versions=tuple(dict.fromkeys((*link.versions, version)))))
    missing = [record for record in proposed if version not in there[record]["versions"]]
    for begin in range(0, len(missing), _BATCH):
        progress("predictions", begin, len(missing))
        batch = [
            {"task": there[record]["id"], **studio_json.prediction_json(task, texts.record(rows[record]).text, proposed[record].value, version)}
            for record in missing[begin : begin + _BATCH]
        ]  # fmt: skip
        made = studio.ask("POST", f"/api/projects/{link.project}/import/predictions", batch)
        if made["created"] != len(batch):
            raise InputError(
                _("Label Studio took {created} of {sent} predictions; its log says why", created=made["created"], sent=len(batch))
            )  # fmt: skip
    if missing or link.versions != (version,):
        studio.ask("PATCH", f"/api/projects/{link.project}/", {"model_version": version})
        for old in link.versions:
            if old != version:
                studio.ask("DELETE", f"/api/projects/{link.project}/model-versions/", {"model_version": old})
        write_link(store, replace(link, versions=(version,)))
    return len(missing)


def _version(proposed: Iterable[Annotation]) -> str:
    """Name a set of predictions: who made them, and a hash of what they are."""
    listed = sorted(proposed, key=lambda one: one.record)
    makers = Counter(one.annotator for one in listed)
    digest = hashlib.sha256(canonical([[one.record, dict(one.value)] for one in listed])).hexdigest()
    return f"{makers.most_common(1)[0][0]} {digest[:8]}".replace(",", " ")


def _send_answers(
    store: Store, task: LabelTask, texts: Texts, there: Mapping[str, Mapping[str, Any]], studio: Studio, link: Link
) -> dict[str, int]:
    """Send the answers that people gave here: new ones, changed ones, and the undoing of those that were withdrawn."""
    known = sent(store, link)
    counts: Counter[str] = Counter({"answers": 0, "changed": 0, "withdrawn": 0})
    given = answers_of.answers(store, task, sources=("human", "import"), states=("submitted", "skipped", "withdrawn"))
    due = [one for one in given if one.record in there and _is_due(one, known.get(one.id))]
    rows = texts.rows_of({one.record for one in due})
    for number, one in enumerate(due):
        progress("answers", number, len(due))
        text = texts.record(rows[one.record]).text
        number_there = int(there[one.record]["id"])
        note_sent(store, link, [_send_answer(store, task, text, one, known.get(one.id), number_there, studio, link)])
        counts["withdrawn" if one.state == "withdrawn" else "changed" if one.id in known else "answers"] += 1
    return dict(counts)


def _is_due(one: Annotation, known: Sent | None) -> bool:
    return one.state != "withdrawn" if known is None or not known.there else known.content != content_of(one)


def _send_answer(
    store: Store,
    task: LabelTask,
    text: str,
    one: Annotation,
    known: Sent | None,
    task_there: int,
    studio: Studio,
    link: Link,
) -> Sent:
    unique = _short(link.marker, "answer", f"{one.id} {one.version}") * 2
    body = studio_json.annotation_json(task, text, one, unique)
    if known is not None and known.there:
        with suppress(NotFoundError):  # it was deleted there: what is changed here is said anew
            _change(studio, f"/api/annotations/{known.there}/", one, body)
            return replace(known, content=content_of(one))
    intent = Sent(one.id, 0, content_of(one), task_there, unique)
    note_sent(store, link, [intent])
    made = studio.ask("POST", f"/api/tasks/{task_there}/annotations/", body)
    return replace(intent, there=int(made["id"]))


def _change(studio: Studio, path: str, one: Annotation, body: Mapping[str, Any]) -> None:
    if one.state == "withdrawn":
        with suppress(NotFoundError):
            studio.ask("DELETE", path)
    else:
        studio.ask("PATCH", path, {key: value for key, value in body.items() if key != "unique_id"})


def _settle(store: Store, link: Link, studio: Studio) -> None:
    """Look for the answers that were on their way when a crash came: only an export tells the ids that we gave them."""
    for lost in [one for one in sent(store, link).values() if one.task and not one.there]:
        exported = studio.ask(
            "GET", f"/api/projects/{link.project}/export", exportType="JSON", **{"ids[]": lost.task, "download_all_tasks": "true"}
        )  # fmt: skip
        made = {one["unique_id"].replace("-", ""): one["id"] for item in exported for one in item["annotations"]}
        there = made.get(lost.unique, 0)
        note_sent(store, link, [replace(lost, there=there, task=lost.task if there else 0)])


# -- and back ----------------------------------------------------------------------------------------------------------


def pull(store: Store, task: str, everything: bool = False, studio: Studio | None = None) -> dict[str, Any]:
    """Fetch what people answered, changed and deleted there since the last time (with `everything` since ever).

    Returns `new`, `changed`, `same`, `withdrawn`, `foreign` (tasks that are none of our records) and `rejected`: each annotation
    that could not be taken, by its numbers and why. Raises what `Studio.ask` raises.
    """

    def work(link: Link, there: Studio) -> dict[str, Any]:
        if not link.project:
            raise NotFoundError(
                _(
                    "task `{task}` has no project in Label Studio yet; first run `skerry label push {task}`",
                    task=link.task,
                )
            )
        return _pull(store, replace(link, cursor="") if everything else link, there)

    return _exchange(store, task, work, studio)


def _pull(store: Store, link: Link, studio: Studio) -> dict[str, Any]:
    task = answers_of.task(store, link.task)
    _settle(store, link, studio)
    reader = _Reader(store, task, link)
    for page in _touched(studio, link):
        reader.take(page)
        link = write_link(store, replace(link, cursor=page[-1]["updated_at"]))
        progress("pull", sum(reader.counts.values()), None)
    if any(reader.counts[key] for key in ("new", "changed", "withdrawn")):
        store.event("label-pull", (task.dataset,), task=task.name, **reader.counts)
    return {"task": task.name, **reader.counts, "rejected": len(reader.rejected), "faults": reader.rejected[:_SHOWN]}


def _touched(studio: Studio, link: Link) -> Iterator[list[dict[str, Any]]]:
    """Yield the tasks that changed since the cursor, oldest change first.

    The pages go by time and not by number: a task that somebody answers meanwhile moves to the end, and would shift the pages behind it.
    """
    since, page = _earlier(link.cursor), 1
    while True:
        query = _query("tasks:updated_at", "Datetime", "greater_or_equal", since)
        there = _tasks(studio, link, query, page=page)
        found: list[dict[str, Any]] = there["tasks"]
        if found:
            yield found
        if len(found) < _BATCH or (page > 1 and page * _BATCH >= there["total"]):
            return
        last = str(found[-1]["updated_at"])
        since, page = (last, 1) if last != since else (since, page + 1)


def _earlier(cursor: str) -> str:
    if not cursor:
        return ""
    return (datetime.fromisoformat(cursor) - _MARGIN).isoformat().replace("+00:00", "Z")


class _Reader:
    """Takes pages of Label Studio's tasks into the store and counts."""

    def __init__(self, store: Store, task: LabelTask, link: Link) -> None:
        self.store, self.task, self.link = store, task, link
        self.texts = Texts(store, dataset_of(store, task))
        self.sent = sent(store, link)
        self.ours = {one.there: one for one in self.sent.values() if one.there}
        self.counts = {"new": 0, "changed": 0, "same": 0, "withdrawn": 0, "foreign": 0}
        self.rejected: list[dict[str, Any]] = []

    def take(self, page: Sequence[Mapping[str, Any]]) -> None:
        """Take in the answers of some tasks, in one transaction, and note the edits of answers of ours."""
        rows = self.texts.rows_of({str(one["data"].get("record")) for one in page})
        fresh, edited = [], []
        for one in page:
            record = one["data"].get("record")
            if record not in rows:
                self.counts["foreign"] += 1
                continue
            for answer in self._answers(one, record, self.texts.record(rows[record]).text):
                fresh.append(answer)
                if answer.id in self.sent:
                    edited.append(replace(self.sent[answer.id], content=content_of(answer)))
        withdrawn = sum(answer.state == "withdrawn" for answer in fresh)
        taken = answers_of.put(self.store, self.task, fresh)
        note_sent(self.store, self.link, edited)
        self.sent |= {one.id: one for one in edited}
        self.ours |= {one.there: one for one in edited}
        for key, count in taken.items():
            self.counts[key] += count
        self.counts["withdrawn"] += withdrawn
        self.counts["changed"] -= min(withdrawn, taken["changed"])

    def _answers(self, there: Mapping[str, Any], record: str, text: str) -> Iterator[Annotation]:
        prefix = _short(self.link.marker, "task", there["id"])
        found = set()
        for one in there["annotations"]:
            identity = prefix + _short(self.link.marker, "annotation", one["id"])
            found.add(identity)
            try:
                if studio_json.screen_text(text) != there["data"].get("text"):
                    raise InputError(
                        _("the text was changed in Label Studio; put it back, then run `skerry label pull --all`")
                    )
                read = studio_json.read_answer(self.task, text, one)
            except ApplianceError as error:
                self.rejected.append(
                    {"record": record, "task": there["id"], "annotation": one["id"], "reason": str(error)}
                )
                continue
            answer = Annotation(
                identity, self.task.name, record, _person(one), "studio", read.value, read.state, read.seconds
            )
            yield from self._ours_or_new(answer, one["id"])
        kept = answers_of.answers(self.store, self.task, record, sources=("studio",))
        yield from (
            replace(one, state="withdrawn") for one in kept if one.id.startswith(prefix) and one.id not in found
        )

    def _ours_or_new(self, answer: Annotation, number: int) -> Iterator[Annotation]:
        """An answer of ours that was edited there is its next version, unless it was changed here too: then both stand side by side."""
        ours = self.ours.get(number)
        if ours is None:
            yield answer
        elif ours.content != (says := content(answer.value, answer.state)):
            kept = answers_of.answers(self.store, self.task, answer.record)
            here = next((one for one in kept if one.id == ours.id), None)
            if here is not None and content_of(here) == says:
                yield here  # both say the same, and only our note of it is old
            else:
                yield replace(answer, id=ours.id) if here and content_of(here) == ours.content else answer


def _person(annotation: Mapping[str, Any]) -> str:
    by = annotation.get("completed_by")
    return f"studio:{by['id'] if isinstance(by, Mapping) else by}"


def _short(marker: str, kind: str, number: int | str) -> str:
    return hashlib.sha256(f"{marker} {kind} {number}".encode()).hexdigest()[:16]


def _exchange(
    store: Store, task: str, work: Callable[[Link, Studio], dict[str, Any]], studio: Studio | None
) -> dict[str, Any]:
    with holding(store, task):
        link = read_link(store, task)
        if studio is not None:
            return work(link, studio)
        with connect(store, link) as opened:
            return work(link, opened)


# -- who calls whom ----------------------------------------------------------------------------------------------------


def hook(store: Store, task: str, here: str, model: str, studio: Studio | None = None) -> dict[str, Any]:
    """Let the project call `here` (our backend's address): webhooks with the secret in a header, and the ML backend `model` with it as password.

    The webhook comes first: Label Studio adds one without any header for a backend whose address has none.
    """

    def work(link: Link, there: Studio) -> dict[str, Any]:
        address = here.rstrip("/")
        hooks = there.ask("GET", "/api/webhooks/", project=link.project)
        known = [one for one in hooks if one["url"] == f"{address}/webhook"]
        _one(there, "/api/webhooks/", "/api/webhooks/{}/", known, _webhook(link, address))
        backends = there.ask("GET", "/api/ml/", project=link.project)
        known = [one for one in backends if one["url"].rstrip("/") == address]
        _one(there, "/api/ml/", "/api/ml/{}", known, _backend(link, address, model))
        return {"task": task, "webhook": f"{address}/webhook", "backend": address}

    return _exchange(store, task, work, studio)


def _one(
    studio: Studio, all_of_them: str, one: str, there: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]
) -> None:
    if there:
        studio.ask("PATCH", one.format(there[0]["id"]), wanted)
    else:
        studio.ask("POST", all_of_them, wanted)


def _webhook(link: Link, address: str) -> dict[str, Any]:
    return {
        "project": link.project,
        "url": f"{address}/webhook",
        "headers": {SECRET_HEADER: link.secret},
        "send_payload": True,
        "send_for_all_actions": False,
        "actions": list(ACTIONS),
        "is_active": True,
    }


def _backend(link: Link, address: str, model: str) -> dict[str, Any]:
    return {
        "project": link.project,
        "url": address,
        "title": model,
        "auth_method": "BASIC_AUTH",
        "basic_auth_user": "skerry",
        "basic_auth_pass": link.secret,
    }
