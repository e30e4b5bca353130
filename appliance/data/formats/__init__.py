"""One small file a format: each has `read(path, name, options, settings) -> Iterator[Row | Fault]`."""
