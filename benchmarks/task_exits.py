"""The metric of every exit of checkpoints, from their cards, as a table of Markdown.

``python benchmarks/task_exits.py CHECKPOINT ... [--split report] [--json]``

A row for each checkpoint: task and metric, always giving the commonest class (or the mean number),
the dense teacher's last exit, and every exit of the weights as they are stored, in hundredths.
``dse train`` has written all of it into ``card.json``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from figures import parsed


def row_of(card: dict[str, Any], split: str) -> dict[str, Any]:
    """What a card says of a split."""
    teacher = card.get("accuracy_teacher", {}).get(split, [])
    return {
        "task": card["task"],
        "metric": card["metrics"][0],
        "trained on": card["train_sentences"],
        "majority": card["majority_class"][split],
        "teacher": teacher[-1] if teacher else None,
        "exits": card["accuracy_stored"][split],
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", nargs="+", type=Path)
    parser.add_argument("--split", choices=("select", "report"), default="report")
    arguments = parsed(parser)
    cards = [json.loads((path / "card.json").read_text()) for path in arguments.checkpoints]
    rows = [row_of(card, arguments.split) for card in cards]
    if arguments.json:
        print(json.dumps(rows))
        return
    most = max(len(row["exits"]) for row in rows)
    exits = [f"exit {number}" for number in range(1, most + 1)]
    heads = ["task", "metric", "trained on", "commonest class", "teacher", *exits]
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for row in rows:
        figures = [row["majority"], row["teacher"], *row["exits"]]
        texts = ["–" if value is None else f"{100 * value:.1f}" for value in figures]
        cells = [row["task"], row["metric"], f"{row['trained on']:,}", *texts]
        cells += [""] * (len(heads) - len(cells))
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
