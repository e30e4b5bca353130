"""LitServe: `python litserve_app.py FOLDER PORT [BATCH]`."""

import sys
from typing import Any

import litserve
from int8 import Model


class Api(litserve.LitAPI):
    """One text a request."""

    def setup(self, _device: str) -> None:
        """Load the model."""
        self.model = Model(sys.argv[1])

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        """Take the text; a type here would make LitServe look for a query parameter."""
        return str(request["text"])

    def predict(self, x: Any) -> Any:
        """Answer one text, or as many as LitServe has joined."""
        return self.model.predict(x) if isinstance(x, list) else self.model.predict([x])[0]

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Give the answer."""
        return output


if __name__ == "__main__":
    batch = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    api = Api(max_batch_size=batch, batch_timeout=0.005 if batch > 1 else 0.0)
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=2, timeout=60)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="error", generate_client_file=False)
