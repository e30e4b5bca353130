"""mosec: `python mosec_app.py FOLDER --port PORT`; the folder goes by the variable MODEL, since mosec reads the arguments."""

from __future__ import annotations

import os
from typing import Any

from int8 import Model
from mosec import Server, Worker


class Classifier(Worker):
    """One text a request."""

    def __init__(self) -> None:
        self.model = Model(os.environ["MODEL"])

    def forward(self, data: dict[str, Any]) -> dict[str, Any]:
        """Answer one text."""
        return self.model.predict([data["text"]])[0]


if __name__ == "__main__":
    server = Server()
    server.append_worker(Classifier, num=2, timeout=60)
    server.run()
