"""The inference server. Nothing here imports torch, pyarrow or the database."""
