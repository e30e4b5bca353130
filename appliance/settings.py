"""Every setting of Skerry: its default, its unit and its check, from one TOML file.

`skerry.toml` in the home folder is the one file; an environment variable `SKERRY_SECTION__KEY` outranks it. A stage is
handed its own section only. Units stand in the names: `_ms _s _bytes _rows`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as EnvironmentFault

from appliance.errors import SettingsError
from appliance.reasons import reason
from appliance.words import _, translated

__all__ = [
    "AlertsSettings",
    "BasesSettings",
    "CleanSettings",
    "CompressSettings",
    "CurateSettings",
    "DriftSettings",
    "EgressSettings",
    "EvaluateSettings",
    "ExportSettings",
    "IngestSettings",
    "JobsSettings",
    "LabelSettings",
    "MonitorSettings",
    "OutboxSettings",
    "ReleaseSettings",
    "ScrubSettings",
    "ServeSettings",
    "Settings",
    "StoreSettings",
    "TrainSettings",
    "WebSettings",
    "describe",
    "descriptions",
    "home_folder",
    "load",
    "reason_of",
]


class Section(BaseModel):
    """One `[section]` of the settings file. Unknown keys are errors; values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(Section):
    """Where state and keys live and how much room stays free."""

    key_folder: Path | None = Field(
        None,
        description="folder of the key files, outside the home; default /etc/skerry/keys for an installed home, else ~/.config/skerry/keys",
    )
    reserve_bytes: int = Field(
        256 * 1024**2, ge=0, description="free bytes below which new jobs are refused (labels and events still write)"
    )
    raw_days: int = Field(
        0,
        ge=0,
        description="days after which `skerry prune` and `skerry work` purge a raw set that was scrubbed; 0 = never",
    )
    rows_per_group: int = Field(
        10_000, ge=100, le=1_000_000, description="rows of one Parquet row group: bounds memory while streaming"
    )


class BasesSettings(Section):
    """The base models."""

    folder: Path | None = Field(None, description="folder of the unpacked base models; default `bases` in the home")


class JobsSettings(Section):
    """Durable background work."""

    poll_ms: int = Field(500, ge=50, le=60_000, description="how often `skerry work` looks for a job")


class IngestSettings(Section):
    """Limits on files from outside."""

    max_field_bytes: int = Field(4 * 1024**2, ge=1024, description="longest single field")
    max_row_bytes: int = Field(16 * 1024**2, ge=1024, description="longest single row or line")
    max_file_bytes: int = Field(64 * 1024**3, ge=1024, description="largest file")
    max_zip_ratio: int = Field(
        100, ge=2, description="largest unpacked size over packed size of a zipped format (XLSX, DOCX)"
    )
    max_unpacked_bytes: int = Field(1024**3, ge=1024, description="largest unpacked size of a zipped format")
    max_rejected_rows: int = Field(100_000, ge=1, description="rejected rows listed one by one before ingest stops")
    max_labels: int = Field(
        2_000, ge=2, description="different labels before ingest stops: the column is hardly a label then"
    )
    max_image_pixels: int = Field(100_000_000, ge=10_000, description="largest scan, all its frames together")
    parser_memory_bytes: int = Field(
        4 * 1024**3,
        ge=256 * 1024**2,
        description="address space of the process that parses workbooks, Parquet and documents",
    )
    parser_cpu_s: int = Field(3600, ge=1, description="CPU time that parsing one file may take")


class ScrubSettings(Section):
    """What counts as personal data and what replaces it."""

    policy: str = Field(
        "balanced", description="policy: the name of a shipped one (`skerry policy list`) or a TOML file"
    )
    min_score: float | None = Field(
        None, ge=0, le=1, description="findings below this score are kept as text; default: the policy's"
    )
    vault: tuple[Path, ...] = Field(
        (), max_length=2, description="two people's key files, for a policy that seals values in the vault"
    )
    key_file: Path | None = Field(
        None,
        description="key file (64 hex digits) of surrogates, hashes and shifts in a file scrubbed alone; default: a random key",
    )
    purge_raw: bool = Field(
        False,
        description="destroy the raw set and its key as soon as it is scrubbed; nothing can be scrubbed anew then",
    )
    batch_rows: int = Field(128, ge=1, le=4096, description="records handed to the recognizers at once")
    processes: int = Field(
        0,
        ge=0,
        le=256,
        description="processes that read large inputs; 0 = one a core, as memory allows; 1 = none beside this one",
    )
    timeout_s: int = Field(
        60,
        ge=1,
        description="time that a batch may take, and one second more for every 2,000 characters; records that take longer are held back",
    )
    taggers: tuple[Path, ...] = Field(
        (),
        description="folders of token-classification models (ONNX) that are recognizers, too; the `model.json` of each maps its labels to kinds",
    )


class ReviewSettings(Section):
    """Who may look at raw records."""

    reviewers: tuple[str, ...] = Field(
        (), description="users of this machine who may read raw records in `recall --review`; nobody else may"
    )


class CleanSettings(Section):
    """The cleaning rules, each on or off by name, applied by `curate` in this order; each is counted."""

    mojibake: bool = Field(True, description="mend text that was decoded with the wrong encoding (ftfy)")
    control_characters: bool = Field(True, description="drop control characters but tab and newline")
    nfkc: bool = Field(True, description="Unicode NFKC: full-width forms become plain")
    html: bool = Field(True, description="drop HTML tags and decode entities that remain in the text")
    signatures: bool = Field(False, description="drop an e-mail signature: after a line of `-- `, or a phone's")
    repeated_lines: bool = Field(True, description="keep one of directly repeated lines")
    wrong_language: bool = Field(False, description="drop records whose language is neither en nor zh")
    short: bool = Field(True, description="drop records shorter than `min_characters`")
    repetitive: bool = Field(True, description="drop records that are one phrase over and over")
    min_characters: int = Field(2, ge=0, description="length for `short`, in characters without spaces")
    max_repetition: float = Field(0.9, gt=0, le=1, description="share of repeated 4-grams for `repetitive`")


class CurateSettings(Section):
    """Duplicates and splits."""

    split: str = Field(
        "0.8/0.1/0.1",
        pattern=r"^\d*\.?\d+/\d*\.?\d+/\d*\.?\d+$",
        description="shares of train/validation/test; they add up to 1",
    )
    seed: int = Field(0, ge=0, description="seed of the split")
    drop_duplicates: bool = Field(True, description="keep one record of each normalised text")
    unscrubbed: bool = Field(
        False, description="allow a raw set, whose text then goes on unscrubbed and unencrypted: no personal data in it"
    )


class TrainSettings(Section):
    """Fine-tuning."""

    method: Literal["probe", "full"] = Field(
        "full",
        description="probe = linear head on frozen embeddings; full = fine-tuning started from the probe (LP-FT)",
    )
    task: Literal["classify"] = Field("classify", description="what the model does")
    base: str = Field(
        "auto", description="base model; auto = e5 when over 5 % of rows hold Han characters, else minilm"
    )
    epochs: float = Field(2.0, gt=0, description="largest number of passes over the training rows (full)")
    learning_rate: float = Field(2e-5, gt=0, description="peak learning rate of the encoder (full)")
    batch_rows: int = Field(32, ge=1, description="rows of one optimizer step")
    warmup_share: float = Field(0.1, ge=0, lt=1, description="share of all steps in which the rate rises")
    weight_decay: float = Field(0.01, ge=0, description="AdamW weight decay")
    max_grad_norm: float = Field(1.0, gt=0, description="gradient clipping norm")
    patience: int = Field(2, ge=1, description="evaluations without a better validation macro-F1 before stopping")
    max_tokens: int = Field(256, ge=8, le=512, description="longest text the model reads, in tokens")
    checkpoint_steps: int = Field(100, ge=1, description="optimizer steps between checkpoints")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto = bf16 only where the hardware has it, else fp32"
    )
    seed: int = Field(0, ge=0, description="seed of everything random in training")
    refit: bool = Field(
        False, description="after choosing the number of steps on validation, train again on train + validation"
    )
    threads: int = Field(0, ge=0, description="torch threads; 0 = the cores this process may use")


class ExportSettings(Section):
    """Portable models."""

    format: Literal["onnx", "onnx-int8", "onnx-int8-static", "tensorrt"] = Field(
        "onnx-int8",
        description="format of `skerry export` and of the recipe; onnx-int8-static for texts in batches, tensorrt for a GPU",
    )
    tensorrt_precision: Literal["int8", "fp16"] = Field(
        "int8", description="products of a tensorrt export; all else is fp16"
    )
    calibration: Literal["error", "entropy", "percentile"] = Field(
        "error", description="how onnx-int8-static and tensorrt measure the range of activations"
    )
    opset: int = Field(20, ge=18, description="ONNX operator set")
    max_logit_difference: float = Field(
        1e-3, gt=0, description="largest logit difference of an fp32 export on real rows"
    )
    min_agreement: float = Field(
        0.98, gt=0, le=1, description="smallest share of real rows on which an int8 export gives the same label"
    )
    max_drop: float = Field(
        0.01, ge=0, lt=1, description="accuracy that an int8 export may lose on the labelled ones of those rows"
    )
    parity_rows: int = Field(256, ge=8, description="real rows used for the parity check")
    reduce_range: Literal["auto", "on", "off"] = Field(
        "auto", description="7-bit weights for CPUs without VNNI; auto = what this machine needs"
    )


class CompressSettings(Section):
    """Smaller models of a trained one."""

    preset: Literal["int8", "safe", "small", "tiny"] | None = Field(
        None,
        description="the one variant to make; default: the menu, every preset and then a search while time is left",
    )
    max_drop: float = Field(
        0.01, ge=0, lt=1, description="accuracy that a variant may lose; 0.01 = one point, tested on the test split"
    )
    max_latency_ms: float | None = Field(
        None, gt=0, description="longest time for a text of 16 tokens alone, on one thread of this machine"
    )
    max_size_mb: float | None = Field(
        None, gt=0, description="largest variant in MB (10^6 bytes), all files counted that a server loads"
    )
    budget_s: int = Field(1800, ge=1, description="time for the menu; a preset takes what it takes")
    seed: int = Field(0, ge=0, description="seed of everything random in recovery and search")
    unlabelled: tuple[str, ...] = Field(
        (), description="data sets whose texts the teacher answers for its students too, labelled or not"
    )
    teachers: tuple[str, ...] = Field(
        (), description="more trained models with the same labels: students learn the mean"
    )
    rows: int = Field(10_000, ge=50, description="validation rows, at most, that variants are measured on")
    threads: int = Field(0, ge=0, description="torch threads of recovery; 0 = the cores this process may use")


class EgressSettings(Section):
    """What may leave the sealed network, and who allows it."""

    min_subjects: int = Field(
        10, ge=10, description="people whose records must hold a label or a word of a vocabulary before it leaves"
    )
    rare: Literal["drop", "refuse"] = Field(
        "drop", description="what happens to labels and vocabulary entries that fewer people's records hold"
    )
    vocabulary: Literal["public", "seen"] = Field(
        "public",
        description="entries that fewer people's records hold: public = those of a public base model stay, with its own numbers; seen = they go, too",
    )
    public_bases: tuple[str, ...] = Field(
        (), description="base models beside the pinned ones whose vocabulary and weights are public"
    )
    approvals: int = Field(2, ge=2, le=5, description="owners of API keys who must allow a package")
    max_drop: float = Field(
        0.01, ge=0, lt=1, description="accuracy that a model may lose by what is dropped; 0.01 = one point"
    )
    rows: int = Field(256, ge=8, description="real rows (validation, then training) on which that is measured")


class EvaluateSettings(Section):
    """Metrics."""

    split: str = Field("test", description="split that `evaluate` and `compare` read")
    bootstrap: int = Field(1000, ge=100, description="resamples of a bootstrap interval")
    seed: int = Field(0, ge=0, description="seed of the resampling")
    floors: bool = Field(True, description="also report majority, TF-IDF + linear SVM and probe")
    floor_rows: int = Field(10_000, ge=10, description="training rows that TF-IDF + linear SVM and probe learn from")
    wrong_rows: int = Field(200, ge=0, description="ids of wrong rows listed in a report, the most confident first")


class ServeSettings(Section):
    """The inference server."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="port to listen on; 0 = any free one")
    threads: int = Field(0, ge=0, description="engine threads; 0 = the cores this process may use (cgroup quota)")
    queue_texts: int = Field(1024, ge=1, description="texts that may wait; more get 429 with Retry-After")
    queue_tokens: int = Field(
        0, ge=0, description="tokens, estimated, that these may hold; more get 429; 0 = 64 times `queue_texts`"
    )
    batch_tokens: int = Field(
        512, ge=16, description="tokens of a batch, where texts may share one (fp32, static int8); padding counted"
    )
    max_wait_ms: float = Field(
        2.0, ge=0, le=1000, description="how long a text may wait for company while others run; alone it never waits"
    )
    long_texts: Literal["truncate", "chunk", "refuse"] = Field(
        "truncate",
        description="texts longer than the model reads: cut and flagged, read in overlapping parts and pooled, or refused",
    )
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        "auto", description="what runs the models; auto = the GPU where there is one and its runtime, else the CPU"
    )
    max_body_bytes: int = Field(8 * 1024**2, ge=1024, description="largest request body")
    max_inputs: int = Field(1024, ge=1, description="texts in one request")
    max_connections: int = Field(1024, ge=1, description="open connections; more get 503")
    read_s: float = Field(30.0, gt=0, description="time in which a request must arrive whole")
    drain_s: float = Field(30.0, gt=0, description="time for open requests after SIGTERM")
    log_requests: bool = Field(False, description="write a line for every request: its id, key id, status and time")
    min_score: float = Field(0.0, ge=0, le=1, description="abstain (label null) below this score; 0 = never")
    max_batch_bytes: int = Field(64 * 1024**2, ge=1024, description="largest upload of a batch")
    max_batch_texts: int = Field(1_000_000, ge=1, description="texts in one batch")
    max_batches: int = Field(64, ge=1, description="batches that may wait; more get 429")
    batch_days: int = Field(7, ge=1, le=365, description="days after which a finished batch is destroyed")
    explain_words: int = Field(
        256, ge=1, description="pieces left out in turn for an explanation; more words go in runs"
    )


class WebSettings(Section):
    """The pages in a browser: how long a session lasts, how often a password may be wrong."""

    hosts: tuple[str, ...] = Field(
        (),
        description="names that the pages answer to beside this machine's own and its addresses, as `labels.example.org`",
    )
    idle_minutes: int = Field(30, ge=1, le=1440, description="time without a deed after which a person enters again")
    absolute_hours: int = Field(12, ge=1, le=168, description="time after which a person enters again in any case")
    min_password: int = Field(12, ge=8, le=64, description="shortest password, in characters")
    attempts: int = Field(5, ge=2, le=100, description="wrong passwords in a row before a name is locked")
    lock_minutes: int = Field(15, ge=1, le=1440, description="how long it is locked then")
    invitation_days: int = Field(7, ge=1, le=90, description="days for which an invitation code can be used")
    max_connections: int = Field(256, ge=16, description="open connections; more get 503")


class LabelSettings(Section):
    """What people are asked next, how long the loop waits for them, and where the page answers."""

    host: str = Field("127.0.0.1", description="address that `skerry label serve` listens on")
    port: int = Field(8090, ge=0, le=65535, description="port that `skerry label serve` listens on; 0 = any free one")
    batch_records: int = Field(
        0, ge=0, le=100_000, description="records of one round; 0 = as many as there are labels, at least 20"
    )
    refill_share: float = Field(
        0.9,
        gt=0,
        le=1,
        description="share of a batch that people have dealt with before `skerry label loop` chooses more",
    )
    poll_s: float = Field(2.0, ge=0.1, le=3600, description="how often `skerry label loop` looks for answers")
    studio_ca: Path | None = Field(
        None, description="certificate of the authority that signed Label Studio's, where its address is `https`"
    )


class MonitorSettings(Section):
    """What the server keeps about itself."""

    ring_minutes: int = Field(
        20_160, ge=60, le=1_000_000, description="minutes of measurements that the store keeps; older ones go (14 days)"
    )


class AlertsSettings(Section):
    """Who is told when the server is in trouble, and what trouble is. Receivers lie on this machine or in the local network."""

    syslog: str | None = Field(
        None, description="syslog that alerts go to: a socket such as `/dev/log`, or `HOST:PORT` (UDP)"
    )
    file: Path | None = Field(None, description="file that alerts are appended to, one JSON line each")
    webhook: str | None = Field(
        None, description="address in the local network that alerts are posted to, in Alertmanager's format"
    )
    webhook_ca: Path | None = Field(
        None, description="certificate (PEM) that an https webhook must be signed by; default: the system's"
    )
    window_s: int = Field(300, ge=30, le=3600, description="time that shares and percentiles are taken over")
    hold_s: int = Field(60, ge=0, le=3600, description="time that a limit must be passed before an alert goes out")
    repeat_s: int = Field(4 * 3600, ge=60, description="time after which an alert that goes on is sent again")
    min_requests: int = Field(20, ge=1, description="requests in the window below which shares are not judged")
    error_share: float = Field(0.05, gt=0, le=1, description="share of requests that the server fails (5xx)")
    refused_share: float = Field(0.1, gt=0, le=1, description="share of requests refused since the queue is full (429)")
    slow_s: float = Field(2.0, gt=0, description="99th percentile of a request's time")
    memory_share: float = Field(0.95, gt=0, le=1, description="share of the memory in use")
    disk_share: float = Field(0.95, gt=0, le=1, description="share of the home's disk in use")
    gpu_celsius: int = Field(90, ge=30, description="temperature of a GPU")


class DriftSettings(Section):
    """Whether texts and answers still look like those a version was first asked."""

    texts_a_minute: int = Field(30, ge=0, le=6000, description="texts looked at, at most; 0 = no drift is watched")
    window_texts: int = Field(500, ge=50, le=1000, description="texts of one window; the first one is the reference")
    max_separation: float = Field(
        0.6, gt=0.5, lt=1, description="AUC with which a classifier may tell a window's texts from the first one's"
    )
    max_psi: float = Field(0.25, gt=0, description="population stability index of labels and of scores")


class OutboxSettings(Section):
    """Uncertain texts kept for labeling; off until `rows_a_day` is set."""

    rows_a_day: int = Field(0, ge=0, le=10_000, description="uncertain texts kept a day; 0 = none is ever kept")
    uncertain_share: float = Field(
        0.1, gt=0, le=1, description="share of a version's answers that counts as uncertain, the least certain first"
    )
    max_rows: int = Field(5_000, ge=1, description="texts that may wait; beyond them none is kept")
    max_days: int = Field(30, ge=1, description="days after which a text that still waits is destroyed")


class ReleaseSettings(Section):
    """Who makes a model live, and when a canary goes on, waits or goes back."""

    approvals: int = Field(
        0, ge=0, le=9, description="people, each with an API key, who must approve before a model goes live; 0 = none"
    )
    canary_percents: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(
        (5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 100),
        min_length=1,
        description="shares of the requests that a canary takes, step by step; 100 = it goes live, without 100 it waits",
    )
    step_requests: int = Field(
        100, ge=1, description="requests that canary and live version must each have answered in a step"
    )
    step_sessions: int = Field(
        10,
        ge=1,
        description="different sessions (`X-Session`) or API keys that each version must have answered in a step",
    )
    step_s: float = Field(60.0, ge=0, description="shortest time of a step")
    false_alarm: float = Field(
        0.05, gt=0, le=0.5, description="chance that a canary within its limits is ever rolled back"
    )
    max_error_rise: float = Field(
        0.01, ge=0, lt=1, description="share of requests that a canary may fail beyond the live version's"
    )
    max_slow_rise: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="share of requests that may take longer than 95 % of the live version's do, beyond those 5 %",
    )
    max_accuracy_drop: float = Field(
        0.02, ge=0, lt=1, description="accuracy that a canary may lose, where feedback tells"
    )
    shadow_texts: int = Field(256, ge=1, description="texts that may wait for a shadow version; more are dropped")
    feedback_requests: int = Field(
        10_000, ge=0, description="answered requests that feedback can still be given to; 0 = none is taken"
    )
    feedback_bytes: int = Field(
        64 * 1024**2, ge=1024, description="largest file of kept feedback; later feedback is counted only"
    )


def home_folder() -> Path:
    """Return `SKERRY_HOME`, else `~/.skerry`, absolute."""
    return Path(os.environ.get("SKERRY_HOME") or "~/.skerry").expanduser().absolute()


class Settings(BaseSettings):
    """All sections. `load` fills it; nothing else should."""

    model_config = SettingsConfigDict(
        env_prefix="SKERRY_", env_nested_delimiter="__", env_ignore_empty=True, extra="forbid", frozen=True
    )

    store: StoreSettings = StoreSettings()
    bases: BasesSettings = BasesSettings()
    jobs: JobsSettings = JobsSettings()
    label: LabelSettings = LabelSettings()
    ingest: IngestSettings = IngestSettings()
    scrub: ScrubSettings = ScrubSettings()
    review: ReviewSettings = ReviewSettings()
    clean: CleanSettings = CleanSettings()
    curate: CurateSettings = CurateSettings()
    train: TrainSettings = TrainSettings()
    compress: CompressSettings = CompressSettings()
    export: ExportSettings = ExportSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    egress: EgressSettings = EgressSettings()
    serve: ServeSettings = ServeSettings()
    web: WebSettings = WebSettings()
    release: ReleaseSettings = ReleaseSettings()
    monitor: MonitorSettings = MonitorSettings()
    alerts: AlertsSettings = AlertsSettings()
    drift: DriftSettings = DriftSettings()
    outbox: OutboxSettings = OutboxSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment over file (the file's content comes in as `init`); no dotenv, no secrets folder."""
        return env_settings, init_settings


def load(home: Path | None = None, **overrides: dict[str, Any]) -> Settings:
    """Read `skerry.toml` of `home` (default `home_folder()`), then the environment, then `overrides` ({section: {key: value}}).

    Raises `SettingsError` for a file that is no TOML, an unknown key (naming the nearest right one) and a value out of range.
    """
    path = (home or home_folder()) / "skerry.toml"
    try:
        content = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(_("cannot read `{path}`: {error}", path=path, error=reason(error))) from error
    for section, part in content.items():
        if section in Settings.model_fields and not isinstance(part, dict):
            raise SettingsError(
                _("`{section}` in `{path}` is a section: write `[{section}]`", section=section, path=path)
            )
    try:
        settings = Settings(**content)
    except ValidationError as error:
        raise SettingsError(_explain(error, str(path))) from error
    except EnvironmentFault as error:  # a list that is no JSON
        raise SettingsError(
            _('a variable `SKERRY_...` cannot be read: write a list as `["a", "b"]`, a section as `{"key": 1}`')
        ) from error
    for section, values in overrides.items():
        given = {key: value for key, value in values.items() if value is not None}
        if section not in Settings.model_fields:
            raise SettingsError(_unknown((section,), _("the command line or the recipe")))
        current = getattr(settings, section)
        try:
            settings = settings.model_copy(update={section: type(current)(**(current.model_dump() | given))})
        except ValidationError as error:
            raise SettingsError(_explain(error, _("the command line or the recipe"), section)) from error
    return settings


def _explain(error: ValidationError, where: str, *section: str) -> str:
    first = error.errors(include_url=False)[0]
    location = (*section, *map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return _unknown(location, where)
    return _(
        "setting `{key}`: {reason} (in `{where}` or the environment)",
        key=".".join(location),
        reason=reason_of(first),
        where=where,
    )


def reason_of(fault: Mapping[str, Any]) -> str:
    """Say in the reader's language what pydantic found: what is allowed, and of which type the value is; never the value."""
    limits = fault.get("ctx", {})
    reasons = {
        "missing": _("it is missing"),
        "too_short": _("it must not be empty"),
        "too_long": _("it must have at most {limit} items", limit=limits.get("max_length")),
        "literal_error": _("choose one of {choices}", choices=str(limits.get("expected", "")).replace(" or ", ", ")),
        "greater_than": _("it must be above {limit}", limit=limits.get("gt")),
        "greater_than_equal": _("it must be at least {limit}", limit=limits.get("ge")),
        "less_than": _("it must be below {limit}", limit=limits.get("lt")),
        "less_than_equal": _("it must be at most {limit}", limit=limits.get("le")),
        "string_pattern_mismatch": _("it must match the pattern `{pattern}`", pattern=limits.get("pattern")),
        "list": _('it must be a list, as in `["a.csv"]`'),
        "tuple": _('it must be a list, as in `["a.csv"]`'),
        "dict": _("it must be a section"),
        "model": _("it must be a section"),
        "finite_number": _("it must be a number"),
        "string": _("it must be text, in quotes"),
        "int": _("it must be a whole number"),
        "float": _("it must be a number"),
        "bool": _("it must be true or false"),
        "path": _("it must be a file or folder, in quotes"),
    }
    kind = str(fault["type"])
    for end in ("_type", "_parsing", "_from_float"):
        kind = kind.removesuffix(end)
    told = reasons.get(kind) or _("this value does not fit")
    given = _type_of(fault.get("input")) if kind != fault["type"] else ""
    return _("{told}; it is {given}", told=told, given=given) if given else told


def _type_of(value: Any) -> str:
    """Name the TOML type of a value, or nothing for what is none."""
    names = {
        "bool": _("a truth value"),
        "int": _("a whole number"),
        "float": _("a number with a point"),
        "str": _("text"),
        "list": _("a list"),
        "dict": _("a section"),
    }
    return names.get(type(value).__name__, "")


def _unknown(location: tuple[str, ...], where: str) -> str:
    known = [name for name, _value in _flat()] + list(Settings.model_fields)
    near = difflib.get_close_matches(".".join(location), known, n=1, cutoff=0.0)
    return _(
        "unknown setting `{key}` in `{where}`; the nearest known one is `{near}`",
        key=".".join(location),
        where=where,
        near=near[0],
    )


def _flat() -> Iterator[tuple[str, Any]]:
    for section, field in Settings.model_fields.items():
        kind = field.annotation
        assert isinstance(kind, type) and issubclass(kind, Section)
        for key, value in kind.model_fields.items():
            yield f"{section}.{key}", value


def descriptions() -> list[str]:
    """Return what every setting says of itself, in English: the catalogue takes these from here."""
    return [field.description or "" for _key, field in _flat()]


def describe(settings: Settings, home: Path) -> list[dict[str, str]]:
    """List every setting as `key value default unit source description`; source is `environment`, `file` or `default`."""
    path = home / "skerry.toml"
    content = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
    rows = []
    for key, field in _flat():
        section, name = key.split(".")
        source = "default"
        if name in content.get(section, {}):
            source = "file"
        if f"SKERRY_{section}__{name}".upper() in os.environ:
            source = "environment"
        unit = next((unit for unit in ("ms", "s", "bytes", "rows") if name.endswith(f"_{unit}")), "")
        choices = "|".join(map(str, get_args(field.annotation))) if get_origin(field.annotation) is Literal else ""
        rows.append(
            {
                "key": key,
                "value": str(getattr(getattr(settings, section), name)),
                "default": str(field.default),
                "unit": unit or choices,
                "source": source,
                "description": translated(field.description or ""),
            }
        )
    return rows
