"""Scans: pictures of pages, read by `rapidocr` with the models that its wheel carries."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from appliance.data.formats.rows import IngestOptions, Row
from appliance.errors import InputError, MissingPartError
from appliance.settings import IngestSettings
from appliance.words import _

__all__ = ["COLUMNS", "read", "recognize"]

COLUMNS = ("text", "folder")


def read(path: Path, name: str, _options: IngestOptions, settings: IngestSettings) -> Iterator[Row]:
    """Read a picture (all frames of a TIFF) as one record, a line of print a line.

    Raises `InputError` for a damaged picture and one of more than `max_image_pixels`, which is told from its header alone.
    """
    from PIL import Image, ImageOps, ImageSequence

    too_large = InputError(
        _(
            "cannot read `{file}`: over `ingest.max_image_pixels` ({limit}); scan it at 200 to 300 dots an inch",
            file=name, limit=settings.max_image_pixels,
        )
    )  # fmt: skip
    try:
        # Our own limit takes the place of Pillow's warning.
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            if image.width * image.height * getattr(image, "n_frames", 1) > settings.max_image_pixels:
                raise too_large
            frames = ImageSequence.Iterator(image)
            text = "\n".join(recognize(ImageOps.exif_transpose(frame).convert("RGB")) for frame in frames)
    except Image.DecompressionBombError:
        raise too_large from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise InputError(_("cannot read `{file}`: a damaged picture", file=name)) from error
    yield Row(1, None, text, {"text": text, "folder": path.parent.name})


def recognize(image: Any) -> str:
    """Return the lines of print on an RGB picture (a PIL image), top to bottom, joined by newlines."""
    import numpy

    pixels = numpy.asarray(image)[:, :, ::-1]  # (height, width, blue-green-red), what the models were trained on
    return "\n".join(_engine()(pixels).txts or ())


@cache
def _engine() -> Any:
    """Return the recognizer; its models are given by path, since it downloads what it is not given."""
    import rapidocr

    models = Path(rapidocr.__file__).parent / "models"
    parameters: dict[str, Any] = {"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 1}
    for stage in ("Det", "Cls", "Rec"):
        found = sorted(models.glob(f"*_{stage.lower()}_*.onnx"))
        if not found:
            raise MissingPartError(
                _("`rapidocr` came without its models; install `skerry[documents]` from the wheelhouse again")
            )
        parameters[f"{stage}.model_path"] = str(found[0])
    return rapidocr.RapidOCR(params=parameters)
