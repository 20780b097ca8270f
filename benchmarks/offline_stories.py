"""The engine, its thresholds and the gate on three real streams, without a cluster.

Prints when which alarm comes and what the gate says of a model retrained at that moment.
Usage: python benchmarks/offline_stories.py [--data FOLDER] [--window 2000]; with a folder of
whole months all three streams are played, without it those of the shipped samples.
"""

import argparse
import json
import platform
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from streams import ROOT, Stream, answers, part, streams, window_columns

from taxi_domain.models import PROFILE_FILE
from taxi_profiles.reference import Reference
from taxi_profiles.verdict import Alarm, evaluate, evaluate_labelled
from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact.builder import reference_rows
from taxi_train.data.split import split
from taxi_train.data.views import Views
from taxi_train.fitting.candidates import Trainer
from taxi_train.runs.gate import GateRules
from taxi_train.runs.retraining import compare

RESULT = ROOT / "benchmarks" / "results" / "offline_stories.json"


@dataclass(frozen=True)
class Played:
    """What a stream showed: the first alarm of each kind (rides), and the largest scores."""

    rows: int
    input_alarm: int | None
    error_alarm: int | None
    input_episodes: int
    error_episodes: int
    largest: dict[str, float]


def play(stream: Stream, champion: Artifact, window: int) -> Played:
    """Send the stream past the engine, one evaluation every quarter of a window."""
    reference = Reference.from_bytes(champion.files[PROFILE_FILE])
    rides = stream.rows.predicted(answers(champion, stream.rows))
    everything = window_columns(stream.schema, reference, rides)
    alarms = {"inputs": Alarm(), "error": Alarm()}
    first: dict[str, int | None] = {"inputs": None, "error": None}
    episodes = {"inputs": 0, "error": 0}
    largest: dict[str, float] = {}
    for end in range(window, len(rides) + 1, window // 4):
        columns = part(everything, slice(end - window, end))
        inputs, labelled = evaluate(reference, columns), evaluate_labelled(reference, columns)
        assert inputs.score_ratio is not None
        assert labelled.error is not None
        for one in (*inputs.features, *labelled.features):
            assert one.score_ratio is not None, one.problem
            largest[one.feature] = max(largest.get(one.feature, 0), one.score_ratio)
        assert labelled.error.score_ratio is not None
        largest["error"] = max(largest.get("error", 0), labelled.error.score_ratio)
        for kind, score_ratio in (
            ("inputs", inputs.score_ratio),
            ("error", labelled.error.score_ratio),
        ):
            before = alarms[kind]
            alarms[kind] = before.after(score_ratio, end, window)
            if alarms[kind].raised and not before.raised:
                episodes[kind] += 1
                first[kind] = first[kind] or end
    return Played(
        len(rides), first["inputs"], first["error"], episodes["inputs"], episodes["error"], largest
    )


def retrain(stream: Stream, champion: Artifact, at: int) -> dict[str, float | str]:
    """Retrain on the rides up to `at` and ask the gate, then hindsight on the 5,000 after it."""
    rules = GateRules()
    parts = split(stream.rows[:at], rules.min_labelled_rows)
    old = reference_rows(stream.schema, champion)
    candidate, _ = Trainer(stream.schema).make_candidate(old, parts)
    verdict = compare(champion, candidate, Views({stream.schema.digest: parts.gate}), rules)
    after = stream.rows[at : at + 5000]
    rmse = {
        name: float(np.sqrt(np.mean((answers(model, after) - after.target) ** 2)))
        for name, model in (("champion", champion), ("candidate", candidate))
    }
    return {
        "result": str(verdict.result), "message": verdict.message,
        "kind": candidate.card["kind"], **verdict.numbers,
        "later_rides": len(after), "later_champion_rmse": rmse["champion"],
        "later_candidate_rmse": rmse["candidate"],
    }  # fmt: skip


def main() -> None:
    """Play all streams, print what happened and write the result file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of whole months")
    parser.add_argument("--window", type=int, default=2000)
    parser.add_argument("--limit", type=int, default=20_000, help="rides of a stream")
    arguments = parser.parse_args()
    figures: dict[str, float] = {}
    champions: dict[int, Artifact] = {}
    for stream in streams(arguments.data, arguments.limit):
        begin = time.process_time()
        champion = champions.setdefault(
            id(stream.reference), Trainer(stream.schema).train(stream.reference)
        )
        fitted = time.process_time() - begin
        begin = time.process_time()
        played = play(stream, champion, arguments.window)
        evaluations = (len(stream.rows) - arguments.window) / (arguments.window / 4) + 1
        cost = (time.process_time() - begin) / evaluations * 1000
        print(f"== {stream.name}: champion of {len(stream.reference)} rides ({fitted:.0f} s CPU), "
              f"stream of {played.rows}; {cost:.1f} ms CPU an evaluation")  # fmt: skip
        print(f"   alarm of the inputs after {played.input_alarm}, of the error after "
              f"{played.error_alarm} rides")  # fmt: skip
        scores = ", ".join(f"{name} {value:.2f}" for name, value in played.largest.items())
        print(f"   largest score over its threshold: {scores}")
        at = min(a for a in (played.input_alarm, played.error_alarm, 8000) if a)
        at = max(at, 5000)
        gate = retrain(stream, champion, min(at, len(stream.rows) - 1000))
        print(f"   retrained after {at}: {gate['result']} ({gate['kind']}): {gate['message']}")
        print(f"   hindsight, the {gate['later_rides']} rides after: champion "
              f"{gate['later_champion_rmse']:.2f}, candidate {gate['later_candidate_rmse']:.2f}",
              flush=True)  # fmt: skip
        name = stream.name.replace("-", "_")
        figures |= {
            f"{name}_rides": played.rows,
            f"{name}_input_alarm_after": played.input_alarm or 0,
            f"{name}_error_alarm_after": played.error_alarm or 0,
            f"{name}_input_episodes": played.input_episodes,
            f"{name}_error_episodes": played.error_episodes,
            f"{name}_evaluation_cpu_ms": round(cost, 3),
            f"{name}_gate_better": float(gate["result"] == "Better"),
            **{f"{name}_largest_{key}": round(value, 4) for key, value in played.largest.items()},
            **{f"{name}_gate_{key}": round(float(gate[key]), 5) for key in
               ("gain", "ci_low", "ci_high", "later_champion_rmse", "later_candidate_rmse")},
        }  # fmt: skip
    RESULT.parent.mkdir(exist_ok=True)
    libraries = {name: version(name) for name in ("numpy", "scikit-learn", "onnxruntime")}
    command = f"python benchmarks/offline_stories.py --window {arguments.window}"
    if arguments.data:
        command += f" --limit {arguments.limit} --data <folder of whole months>"
    RESULT.write_text(
        json.dumps(
            {"figures": figures, "command": command,
             "versions": {"python": platform.python_version(), **libraries}},
            indent=1,
        ) + "\n"
    )  # fmt: skip


if __name__ == "__main__":
    main()
