"""How good drift verdicts are on real rows: false alarms, rows to alarm, kinds and blame.

Champions are trained on a span and meet the rows that follow, in the order of time, with labels
that come an hour after the ride's end. Quiet spans tell how often a detector cries wolf; shifts
put into them, each at several places, tell whether and after how many requests it is found.

Usage: python benchmarks/verdict.py [--data FOLDER] [--arm NAME]... [--only PATTERN]... With a
folder of whole months all spans are played, without it those of the shipped samples. A pattern is
a scenario's name (`quiet-2021-02`: rows as they were; `quiet-2021-02/number-x1.25`), a part of
names (`/number-x1.25`), or has `*`.
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
from verdicts.arms.catalogue import ARMS, ENGINE, budgeted, make, peer_versions
from verdicts.arms.interface import Arm
from verdicts.champions import Champion, champion_of
from verdicts.pairs import PAIRS, Months, Played, available, read
from verdicts.scenarios import SWEPT, Extent, Scenario, Trial, scenarios, trials
from verdicts.shifts import blamed_names
from verdicts.table import explained, of_budgets, of_goals, tables
from verdicts.trials import Found, look_for, summary, watched

Figures = dict[str, dict[str, dict[str, Any]]]

RESULT = ROOT / "benchmarks" / "results" / "verdict.json"


def chosen(arguments: argparse.Namespace, months: Months | None) -> list[Scenario]:
    """Return the scenarios that patterns ask for, all without any."""
    known = {scenario.name: scenario for scenario in scenarios(available(months))}
    patterns = [
        pattern if pattern in known or "*" in pattern else f"*{pattern}*"
        for pattern in arguments.only or ["*"]
    ]
    return [
        scenario
        for name, scenario in known.items()
        if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
    ]


def play(arm: Arm, scenario: Scenario, tries: list[Trial], controls: list[Found]) -> dict[str, Any]:
    """Return the figures of a detector on a scenario.

    Args:
        arm: Fitted to the pair's champion.
        scenario: Whose tries are played.
        tries: One for rows as they were.
        controls: What the detector found in the same tries without the shift.
    """
    begin = time.process_time()
    if scenario.shift is None:
        (trial,) = tries
        figures: dict[str, Any] = {"requests": len(trial.traffic), **asdict(watched(arm, trial))}
    else:
        found = [
            look_for(arm, trial).beside(control)
            for trial, control in zip(tries, controls, strict=True)
        ]
        blames = blamed_names(scenario.pair.subject.roles, scenario.shift)
        figures = summary(found, scenario.shift.kinds, blames)
        figures["requests_to_alarm"] = [one.requests for one in found]
    return {**figures, "seconds": round(time.process_time() - begin, 2)}


def rounds(
    arms: list[Arm], wanted: list[Scenario], options: argparse.Namespace, months: Months | None
) -> Iterator[tuple[str, Scenario, dict[str, Any]]]:
    """Play all and yield the figures with the detector's name and the scenario."""
    pair: Played | None = None
    champion: Champion | None = None
    controls: dict[str, list[Found]] = {}
    extent = Extent(options.tries, options.horizon)
    for scenario in wanted:
        if pair is None or pair.pair.name != scenario.pair.name:
            pair = read(scenario.pair, months)
            champion = champion_of(scenario.pair.subject.schema, pair.reference, pair.predecessor)
            for arm in arms:
                arm.fit(champion)
            controls = {}
        assert champion is not None
        if scenario.shift is not None and not controls:
            unshifted = list(trials(scenario.control, pair, champion, extent))
            controls = {arm.name: [look_for(arm, one) for one in unshifted] for arm in arms}
        tries = list(trials(scenario, pair, champion, extent))
        for arm in arms:
            yield arm.name, scenario, play(arm, scenario, tries, controls.get(arm.name, []))


def options_of(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of whole months")
    parser.add_argument("--arm", action="append", choices=sorted(ARMS), help="all without any")
    parser.add_argument("--only", action="append", help="scenarios; all without any")
    parser.add_argument("--tries", type=int, default=6, help="places of each shift")
    parser.add_argument("--horizon", type=int, default=15_000, help="requests after its beginning")
    parser.add_argument("--budget", type=int, default=100_000, help="rows between false alarms")
    parser.add_argument("--no-sweep", action="store_true", help="leave out the curve of budgets")
    parser.add_argument("--result", type=Path, help="write there; without, only when all is played")
    parser.add_argument("--show", action="store_true", help="print the tables of a written result")
    return parser.parse_args(arguments)


def played(
    arms: list[Arm], wanted: list[Scenario], options: argparse.Namespace, months: Months | None
) -> Iterator[Figures]:
    """Play all and print each; yield the figures by detector and scenario after each scenario."""
    figures: Figures = {arm.name: {} for arm in arms}
    try:
        for name, scenario, measured in rounds(arms, wanted, options, months):
            figures[name][scenario.name] = measured
            print(f"{name:12} {scenario.name:40} {_short(measured)}", flush=True)
            yield figures
    finally:
        for arm in arms:
            arm.close()


def main() -> None:
    """Play, print the tables, and write the result file."""
    options = options_of(sys.argv[1:])
    if options.show:
        result = json.loads((options.result or RESULT).read_text())
        show(result["figures"], result["budgets"])
        return
    months = None if options.data is None else Months(options.data)
    wanted = chosen(options, months)
    if not wanted:
        sys.exit(f"--only: no scenario has {options.only}; see verdicts/scenarios.py")
    everything = options.only is None and months is not None
    path: Path | None = options.result or (RESULT if everything else None)
    figures: Figures = {}
    arms = [make(name, options.budget) for name in options.arm or ARMS]
    for figures in played(arms, wanted, options, months):
        write(path, figures, {})
    curve: Figures = {}
    some = [one for one in wanted if one.name in SWEPT or one.is_quiet]
    if ENGINE in figures and some and not options.no_sweep:
        for curve in played(budgeted(), some, options, months):
            write(path, figures, curve)
    show(figures, curve)


def show(figures: Figures, curve: Figures) -> None:
    """Print the tables of what was played."""
    known = {scenario.name: scenario for scenario in scenarios(iter(PAIRS))}

    def of(some: Figures) -> dict[str, Scenario]:
        return {
            name: one for name, one in known.items() if any(name in own for own in some.values())
        }

    texts = [tables(figures, of(figures))]
    if ENGINE in figures:
        own = {ENGINE: figures[ENGINE]}
        texts += [explained(figures[ENGINE], of(own)), of_goals(figures[ENGINE], of(own))]
    if curve:
        texts.append(of_budgets(curve, of(curve)))
    print("\n\n".join(texts))


def write(path: Path | None, figures: Figures, curve: Figures) -> None:
    """Write the result file, where there is to be one; what was not played keeps its figures."""
    if path is None:
        return
    before = json.loads(path.read_text()) if path.exists() else {}
    libraries = {name: version(name) for name in ("numpy", "scikit-learn", "onnxruntime")}
    kept = before.get("figures", {})
    document = {
        "figures": kept | {name: kept.get(name, {}) | some for name, some in figures.items()},
        "budgets": curve or before.get("budgets", {}),
        "command": "make bench-verdict DATA=<folder of months>",
        "versions": {"python": platform.python_version(), **libraries, **peer_versions()},
    }
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, indent=1) + "\n")
    part.replace(path)


def _short(measured: dict[str, Any]) -> str:
    if "episodes" in measured:
        episodes = [_told(one) for one in measured["episodes"]]
        return (
            f"{len(episodes)} episodes in {measured['requests']}, {measured['alarmed']:.0%} of the "
            f"time: {'; '.join(episodes)}"
        )
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
