"""The main job from end to end: records with personal data in, a served small model out, and the story of it printed.

    python examples/demo.py                                        2,000 synthetic messages, English and Chinese
    python examples/demo.py --data my.csv --text body --label kind  your own file

Everything lies in `demo/`: the home, its key, the messages. Only this machine is spoken to.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from appliance.words import _

HERE = Path(__file__).resolve().parent
RECIPES = ("clinic_en.toml", "clinic_zh.toml")


def main() -> None:
    """Run the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="your own file instead of the synthetic messages")
    parser.add_argument("--text", default="text", help="its text column")
    parser.add_argument("--label", default="label", help="its label column")
    parser.add_argument("--rows", type=int, default=2000, help="how many synthetic messages")
    parser.add_argument("--folder", type=Path, default=HERE.parent / "demo", help="where everything goes")
    options = parser.parse_args()
    folder = options.folder.absolute()
    shutil.rmtree(folder / "home", ignore_errors=True)
    folder.mkdir(exist_ok=True)
    os.environ |= {"SKERRY_HOME": str(folder / "home"), "SKERRY_STORE__KEY_FOLDER": str(folder / "keys")}
    begin = time.monotonic()
    recipes = [own_recipe(folder, options)] if options.data else synthetic_recipes(folder, options.rows)
    with ThreadPoolExecutor() as pool:  # recipes wait for each other nowhere
        stories = list(pool.map(run, recipes))
    with serving() as (address, key):
        answers = [ask(address, key, story, text) for story, text in questions(stories, folder, options)]
    for story in stories:
        tell(story)
    title(_("Three answers from the server"))
    for answer in answers:
        print(answer)
    title(_("Done in {seconds} s. What to open next", seconds=round(time.monotonic() - begin)))
    what_next(stories, folder)


def synthetic_recipes(folder: Path, rows: int) -> list[Path]:
    """Make the messages (their personal data is made up) and put the recipes beside them."""
    title(_("{rows} synthetic messages to a clinic and a bank, with planted personal data", rows=rows))
    subprocess.run([sys.executable, HERE / "make_messages.py", "--rows", str(rows), "--out", folder], check=True)
    return [Path(shutil.copy(HERE / name, folder / name)) for name in RECIPES]


def own_recipe(folder: Path, options: argparse.Namespace) -> Path:
    """Write a recipe for a file of one's own."""
    recipe = folder / "own.toml"
    columns = f"text = {json.dumps(options.text)}\nlabel = {json.dumps(options.label)}"
    recipe.write_text(f"[data]\nfiles = [{json.dumps(str(options.data.absolute()))}]\n{columns}\n", "utf-8")
    return recipe


def run(recipe: Path) -> dict[str, Any]:
    """Run one recipe and return what it printed, with the model's size and speed beside it."""
    title(f"skerry run {recipe.name}")
    story: dict[str, Any] = skerry("run", str(recipe), "--json", name=recipe.stem)
    story["steps"] = {item["step"]: item for item in story["steps"]}
    return story


def skerry(*arguments: str, name: str = "skerry") -> dict[str, Any]:
    """Run one verb; its progress goes to the screen, `name` in front."""
    command = [sys.executable, "-m", "appliance.cli", *arguments]
    with tempfile.TemporaryFile() as output:
        with subprocess.Popen(command, stdout=output, stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr
            for line in running.stderr:
                print(f"  {name}: {line}", end="", flush=True)
        if running.returncode:
            sys.exit(running.returncode)
        output.seek(0)
        found: dict[str, Any] = json.load(output)
    return found


@contextmanager
def serving() -> Iterator[tuple[str, str]]:
    """Start the server with a fresh API key; yield its address and the key."""
    title("skerry serve")
    key = skerry("key", "add", "demo", "--json")["key"]
    server = subprocess.Popen(
        [sys.executable, "-m", "appliance.cli", "serve", "--port", "0"], stderr=subprocess.PIPE, text=True
    )
    assert server.stderr
    try:
        address = next(found[0] for line in server.stderr if (found := re.search(r"https?://[\d.:]+\d", line)))
        print(address)
        while not ready(address):
            time.sleep(0.05)
        yield address, key
    finally:
        server.terminate()
        server.wait(timeout=60)


def ready(address: str) -> bool:
    """Whether the server has warmed up."""
    try:
        with urllib.request.urlopen(f"{address}/v2/health/ready", timeout=5) as answer:  # noqa: S310  loopback
            return bool(answer.status == 200)
    except OSError:
        return False


def questions(
    stories: list[dict[str, Any]], folder: Path, options: argparse.Namespace
) -> Iterator[tuple[dict[str, Any], str]]:
    """Three texts to ask: written here for the synthetic story, the file's labels' own rows otherwise."""
    if options.data:
        texts = [stories[0]["steps"]["curate"]["labels"], "hello", "?"]
        yield from ((stories[0], str(text)[:80]) for text in texts)
        return
    yield stories[0], "I lost my debit card yesterday, please block it"
    yield stories[0], "Can I come in for a check-up next Tuesday morning?"
    yield stories[1], "我想预约下周二上午的门诊"


def ask(address: str, key: str, story: dict[str, Any], text: str) -> str:
    """Send one text to the release of a story."""
    body = json.dumps({"inputs": [text], "model": story["release"]}).encode()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}/v1/predict", body, headers)  # noqa: S310  loopback
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        prediction = json.load(answer)["predictions"][0]
    return f"  {story['release']}: {text!r} -> {prediction['label']} ({prediction['score']:.2f})"


def tell(story: dict[str, Any]) -> None:
    """Print what happened to the data and how good, small and fast the model is."""
    steps = story["steps"]
    ingest, scrub, curate, export, found = (steps[name] for name in ("ingest", "scrub", "curate", "export", "evaluate"))
    title(story["release"])
    row(
        _("rows"),
        _(
            "{read} read, {rejected} rejected, {held_back} held back, {duplicates} duplicates",
            read=ingest["read"],
            rejected=ingest["rejected"],
            held_back=scrub["held_back"],
            duplicates=curate["duplicates"],
        ),
    )
    row(_("personal data"), ", ".join(f"{kind} {count}" for kind, count in scrub["findings"].items()) or "-")
    row(_("splits"), ", ".join(f"{split} {count}" for split, count in curate["splits"].items()))
    row(_("model"), f"{steps['train']['base']}, {steps['train']['method']}, {steps['train']['seconds']:.0f} s")
    metrics = found["metrics"]
    low, high = metrics["accuracy_low"], metrics["accuracy_high"]
    row(_("accuracy"), f"{metrics['accuracy']:.3f}  (95 %: {low:.3f} - {high:.3f}; macro-F1 {metrics['macro_f1']:.3f})")
    row(_("floors"), ", ".join(f"{name} {value['accuracy']:.3f}" for name, value in found.get("floors", {}).items()))
    sizes = f"fp32 {export['float_bytes'] / 1e6:.1f} MB, int8 {export['size_bytes'] / 1e6:.1f} MB ({export['size_ratio']:.1f}x smaller)"
    row(_("size"), sizes)
    times = [f"{shape}: {ms['fp32']:.1f} / {ms['int8']:.1f} ms" for shape, ms in export["latency_ms"].items()]
    row(
        _("fp32 / int8"),
        _(
            "{times} ({ratio}x faster; batch x tokens, one thread)",
            times=", ".join(times),
            ratio=export["latency_ratio"],
        ),
    )


def what_next(stories: list[dict[str, Any]], folder: Path) -> None:
    """Name the files and verbs worth looking at."""
    for story in stories:
        print(f"  {story['steps']['evaluate']['path']}/report.md")
    environment = f"SKERRY_HOME={folder / 'home'} SKERRY_STORE__KEY_FOLDER={folder / 'keys'}"
    for verb in ("list", "history", "audit verify", "fsck", "serve --no-auth"):
        print(f"  {environment} skerry {verb}")


def title(text: str) -> None:
    """Print a heading."""
    print(f"\n== {text}", flush=True)


def row(name: str, value: str) -> None:
    """Print one aligned line."""
    print(f"  {name:<16} {value}")


if __name__ == "__main__":
    main()
