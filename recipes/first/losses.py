"""What the losses of a training were on its dev set, at the first epoch and at the last, and what each of them asks.

usage: python recipes/first/losses.py RUN
"""

import csv
import math
import sys
from pathlib import Path

ASKED = {
    "dev/phoneme": "Which sounds are there? CTC on a middle layer: it learns first, and leads the layers above it.",
    "dev/ctc": "Which tokens, in order? CTC on the encoder's end, which hears by itself, each step for itself.",
    "dev/decoder": "Which token comes next? The decoder's, which knows those before and looks across at the encoder.",
}


def dev_losses(run: Path) -> list[dict[str, float]]:
    """The columns ``dev/…`` of a run's newest CSV, a row for each epoch."""
    newest = max(run.glob("csv/*/metrics.csv"), key=lambda path: path.stat().st_mtime)
    with newest.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row.get("dev/decoder")]
    return [{name: float(row[name]) for name in (*ASKED, "dev/wer") if row.get(name)} for row in rows]


def told(rows: list[dict[str, float]]) -> str:
    """A paragraph for each loss."""
    first, last = rows[0], rows[-1]
    lines = [
        "A loss is a surprise, in nats: minus the logarithm of the probability that the right answer was given. 0 is",
        "certainty, and each 0.7 more halves the probability.",
    ]
    for name, asked in ASKED.items():
        lines += [
            "",
            asked,
            f"  {name:12} {first[name]:.2f} → {last[name]:.2f} a token: "
            f"the right one had {math.exp(-first[name]):.0%}, now {math.exp(-last[name]):.0%}",
        ]
    lines += [
        "",
        "The training makes a weighted sum of the three small. What you want to be small is another number, the share",
        "of words that are wrong, which has no slope to go down by:",
        f"  {'dev/wer':12} {first['dev/wer']:.0%} → {last['dev/wer']:.0%}",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(told(dev_losses(Path(sys.argv[1]))))
