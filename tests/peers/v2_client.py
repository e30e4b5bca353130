"""Ask a server with Triton's own client, in an environment that holds nothing of Skerry: `v2_client.py HOST:PORT KEY TEXT...`.

Prints what the client understood, as JSON.
"""

import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException


def main() -> None:
    """Ask everything that the protocol offers."""
    address, key, *texts = sys.argv[1:]
    headers = {"Authorization": f"Bearer {key}"}
    client = triton.InferenceServerClient(address)
    version = client.get_model_metadata("triage", headers=headers)["versions"][0]
    found = {
        "live": client.is_server_live(headers=headers),
        "ready": client.is_server_ready(headers=headers),
        "server": client.get_server_metadata(headers=headers),
        "model": client.get_model_metadata("triage", headers=headers),
        "version": client.get_model_metadata("triage", version, headers=headers),
        "model ready": client.is_model_ready("triage", headers=headers),
        "version ready": client.is_model_ready("triage", version, headers=headers),
        "unknown ready": client.is_model_ready("triage", "000000000000", headers=headers),
        "binary": ask(client, headers, texts, binary=True),
        "json": ask(client, headers, texts, binary=False),
        "default": ask(client, headers, texts, binary=True, version=version, outputs=None),
        "error": error_of(client, headers, texts),
    }
    json.dump(found, sys.stdout)


def ask(client, headers, texts, binary, version="", outputs=("label", "score", "probabilities")):  # type: ignore[no-untyped-def]
    """Infer, and return each output as a list. The client adds to the headers that it is given, so each request has its own."""
    tensor = triton.InferInput("text", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(np.array([text.encode() for text in texts], dtype=np.object_), binary_data=binary)
    wanted = outputs and [triton.InferRequestedOutput(name, binary_data=binary) for name in outputs]
    answer = client.infer(
        "triage", [tensor], model_version=version, outputs=wanted, request_id="7", headers=dict(headers)
    )
    names = [output["name"] for output in answer.get_response()["outputs"]]
    return {name: [plain(one) for one in answer.as_numpy(name).tolist()] for name in names}


def plain(value):  # type: ignore[no-untyped-def]
    """Return bytes as text."""
    return value.decode() if isinstance(value, bytes) else value


def error_of(client, headers, texts):  # type: ignore[no-untyped-def]
    """Return what the client tells of a request for a tensor that there is not."""
    tensor = triton.InferInput("image", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(np.array([text.encode() for text in texts], dtype=np.object_))
    try:
        client.infer("triage", [tensor], headers=dict(headers))
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return None


if __name__ == "__main__":
    main()
