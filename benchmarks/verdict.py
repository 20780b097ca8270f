"""How good drift verdicts are on real rows: false alarms, rows to alarm, kinds and blame.

Champions are trained on a span and meet the rows that follow, in the order of time, with labels
that come an hour after the ride's end. Quiet spans tell how often a detector cries wolf; shifts
put into them, each at several places, tell whether and after how many requests it is found.

Usage: python benchmarks/verdict.py [--data FOLDER] [--arm NAME]... [--only PATTERN]... With a
folder of whole months all spans are played, without it those of the shipped samples. A pattern is
part of a scenario's name (`quiet-2021-02/number-x1.25`), or has `*`.
"""

import argparse
import fnmatch
import json
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from streams import ROOT
from verdicts.arms.catalogue import ARMS, make
from verdicts.arms.interface import Arm
from verdicts.champions import Champion, champion_of
from verdicts.pairs import Months, Played, available, read
from verdicts.scenarios import Scenario, Trial, scenarios, trials
from verdicts.shifts import blamed_names
from verdicts.table import tables
from verdicts.trials import episodes_of, look_for, summary

RESULT = ROOT / "benchmarks" / "results" / "verdict.json"


def chosen(arguments: argparse.Namespace, months: Months | None) -> list[Scenario]:
    """Return the scenarios that patterns ask for, all without any."""
    patterns = [
        pattern if "*" in pattern else f"*{pattern}*" for pattern in arguments.only or ["*"]
    ]
    return [
        scenario
        for scenario in scenarios(available(months))
        if any(fnmatch.fnmatch(scenario.name, pattern) for pattern in patterns)
    ]


def play(arm: Arm, scenario: Scenario, tries: list[Trial]) -> dict[str, Any]:
    """Return the figures of a detector on a scenario."""
    begin = time.process_time()
    if scenario.shift is None:
        (trial,) = tries
        episodes = episodes_of(arm, trial)
        figures: dict[str, Any] = {
            "requests": len(trial.traffic), "episodes": [asdict(one) for one in episodes],
        }  # fmt: skip
    else:
        found = [look_for(arm, trial) for trial in tries]
        blames = blamed_names(scenario.pair.subject.roles, scenario.shift)
        figures = summary(found, scenario.shift.kinds, blames)
        figures["requests_to_alarm"] = [one.requests for one in found]
    return {**figures, "seconds": round(time.process_time() - begin, 2)}


def rounds(
    arms: list[Arm], wanted: list[Scenario], options: argparse.Namespace, months: Months | None
) -> Iterator[tuple[str, Scenario, dict[str, Any]]]:
    """Play all and yield the figures with the detector's name and the scenario."""
    played: Played | None = None
    champion: Champion | None = None
    for scenario in wanted:
        if played is None or played.pair.name != scenario.pair.name:
            played = read(scenario.pair, months)
            champion = champion_of(scenario.pair.subject.schema, played.reference)
            for arm in arms:
                arm.fit(champion)
        assert champion is not None
        tries = list(trials(scenario, played, champion, options.tries, options.horizon))
        for arm in arms:
            yield arm.name, scenario, play(arm, scenario, tries)


def options_of(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of whole months")
    parser.add_argument("--arm", action="append", choices=sorted(ARMS), help="all without any")
    parser.add_argument("--only", action="append", help="scenarios; all without any")
    parser.add_argument("--tries", type=int, default=6, help="places of each shift")
    parser.add_argument("--horizon", type=int, default=15_000, help="requests after its beginning")
    parser.add_argument("--budget", type=int, default=100_000, help="rows between false alarms")
    parser.add_argument("--result", type=Path, help="write there, also when not all was played")
    return parser.parse_args(arguments)


def main() -> None:
    """Play, print the tables, and write the result file when all was played."""
    options = options_of(sys.argv[1:])
    months = None if options.data is None else Months(options.data)
    wanted = chosen(options, months)
    if not wanted:
        sys.exit(f"--only: no scenario has {options.only}; see verdicts/scenarios.py")
    arms = [make(name, options.budget) for name in options.arm or ARMS]
    figures: dict[str, dict[str, Any]] = {arm.name: {} for arm in arms}
    try:
        for name, scenario, measured in rounds(arms, wanted, options, months):
            figures[name][scenario.name] = measured
            print(f"{name:12} {scenario.name:40} {_short(measured)}", flush=True)
    finally:
        for arm in arms:
            arm.close()
    print(tables(figures, {scenario.name: scenario for scenario in wanted}))
    everything = options.arm is None and options.only is None and months is not None
    if everything or options.result:
        write(options.result or RESULT, figures, sys.argv[1:])


def write(path: Path, figures: dict[str, Any], arguments: list[str]) -> None:
    """Write the result file."""
    libraries = {name: version(name) for name in ("numpy", "scikit-learn", "onnxruntime")}
    document = {
        "figures": figures,
        "command": " ".join(["python benchmarks/verdict.py", *arguments]),
        "versions": {"python": platform.python_version(), **libraries},
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def _short(measured: dict[str, Any]) -> str:
    if "episodes" in measured:
        episodes = [_told(one) for one in measured["episodes"]]
        return f"{len(episodes)} episodes in {measured['requests']}: {'; '.join(episodes)}"
    return (
        f"{measured['found']}/{measured['tries']} median {measured['median']} worst "
        f"{measured['worst']} kinds {measured['kinds']} blamed {measured['blamed']} "
        f"{measured['seconds']} s"
    )


def _told(episode: dict[str, Any]) -> str:
    words = [str(episode["requests"]), episode["moment"][:13], episode["kind"]]
    event = f"({episode['event']})" if episode["event"] else ""
    return " ".join(filter(None, [*words, ",".join(episode["blamed"][:3]), event]))


if __name__ == "__main__":
    main()
