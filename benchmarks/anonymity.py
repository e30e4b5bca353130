"""k-anonymity at a million rows, and beside pycanon: python benchmarks/anonymity.py [--peers PYTHON] [--rows N].

`--peers` is the Python of an environment with `pycanon`; without it only our own figures are taken. Both read the same synthetic table
(age, sex, postcode, admission date, occupation, region) and must agree on k and l.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from appliance.privacy.tables.anonymity import anonymize, measure
from appliance.privacy.tables.columns import write_table
from appliance.privacy.tables.roles import Column, Roles

QUASI = {
    "age": "age",
    "sex": "category",
    "postcode": "postcode",
    "admitted": "date",
    "occupation": "category",
    "region": "category",
}
PEER = """
import json, sys, time
import pandas, pycanon.anonymity as canon
table = pandas.read_csv(sys.argv[1], dtype=str)
quasi, k = json.loads(sys.argv[2]), int(sys.argv[3])
start = time.process_time()
found = {"k": int(canon.k_anonymity(table, quasi)), "l": int(canon.l_diversity(table, quasi, ["diagnosis"]))}
found["seconds"] = time.process_time() - start
print(json.dumps(found))
"""


def patients(rows: int, seed: int = 1) -> pa.Table:
    """A synthetic table of patients."""
    draw = np.random.default_rng(seed)
    days = np.datetime64("2022-01-01") + draw.integers(0, 730, rows)
    return pa.table(
        {
            "age": [str(age) for age in np.clip(draw.normal(52, 20, rows), 0, 99).astype(int)],
            "sex": draw.choice(["m", "f"], rows),
            "postcode": [
                f"{100 + code}{tail:03d}"
                for code, tail in zip(draw.zipf(1.6, rows) % 40, draw.integers(0, 200, rows), strict=True)
            ],
            "admitted": [str(day) for day in days],
            "occupation": draw.choice([f"job{number}" for number in range(25)], rows),
            "region": draw.choice([f"region{number}" for number in range(12)], rows),
            "diagnosis": draw.choice([f"ill{number}" for number in range(30)], rows),
        }
    )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--compared", type=int, default=20_000)
    options = parser.parse_args()
    roles = Roles(
        (*(Column(name, "quasi-identifying", way) for name, way in QUASI.items()), Column("diagnosis", "sensitive")),
        5,
        True,
    )
    table = patients(options.rows)
    start = time.process_time()
    made = anonymize(table, roles)
    seconds = time.process_time() - start
    found = measure(made.table, roles)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {options.rows:,} rows x {len(QUASI)} | k {found['k']} | levels {made.levels} | hidden {made.hidden_cells / options.rows / len(QUASI):.2%} | {seconds:.1f} CPU s | peak {peak:,.0f} MB |"
    )
    if options.peers:
        small = patients(options.compared, 2)
        for name, one in (("raw", small), ("anonymous", anonymize(small, roles).table)):
            with tempfile.TemporaryDirectory() as folder:
                write_table(one, Path(folder) / "t.csv")
                done = subprocess.run(
                    [options.peers, "-c", PEER, f"{folder}/t.csv", json.dumps(list(QUASI)), "5"],
                    check=True,
                    capture_output=True,
                    text=True,
                )
            peer = json.loads(done.stdout)
            start = time.process_time()
            ours = measure(one, roles)
            seconds = time.process_time() - start
            print(
                f"| {name}, {options.compared:,} rows | ours k {ours['k']}, l {ours['l']['diagnosis']}, {seconds:.2f} CPU s | pycanon k {peer['k']}, l {peer['l']}, {peer['seconds']:.2f} CPU s |"
            )


if __name__ == "__main__":
    main()
