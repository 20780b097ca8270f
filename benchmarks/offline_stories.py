"""The engine, its thresholds and the gate on three real streams, without a cluster.

Prints when which alarm comes and what the gate says of a model retrained at that moment.
Usage: python benchmarks/offline_stories.py [--data FOLDER] [--window 2000]; with a folder of
whole months all three streams are played, without it those of the shipped samples.
"""

import argparse
import json
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from support.taxi_columns import DISTANCE, DROPOFF, PICKUP

from taxi_domain.models import PROFILE_FILE, REFERENCE_FILE
from taxi_profiles.reference import MOMENT, PREDICTION, TARGET, Reference
from taxi_profiles.verdict import Alarm, evaluate, evaluate_labelled
from taxi_store.registry.artifacts import Artifact
from taxi_train.artifact import builder as packing
from taxi_train.artifact.onnx_model import OnnxModel
from taxi_train.data.rides import Rides, read_file
from taxi_train.data.split import split
from taxi_train.fitting import candidates
from taxi_train.runs.gate import GateRules, compare

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "jobs" / "train" / "src" / "taxi_train" / "samples"
RESULT = ROOT / "benchmarks" / "results" / "offline_stories.json"


@dataclass(frozen=True)
class Stream:
    """A champion's training rides and the rides that follow."""

    name: str
    reference: Rides
    rides: Rides


@dataclass(frozen=True)
class Played:
    """What a stream showed: the first alarm of each kind (rides), and the largest scores."""

    rows: int
    input_alarm: int | None
    error_alarm: int | None
    input_episodes: int
    error_episodes: int
    largest: dict[str, float]


def streams(folder: Path | None, limit: int) -> Iterator[Stream]:
    """Read the streams: whole months from a folder, else the shipped samples."""
    if folder is None:
        yield Stream(
            "quiet", read_file(SAMPLES / "green-2021-01.parquet"),
            read_file(SAMPLES / "green-2021-02-head.parquet"),
        )  # fmt: skip
        yield Stream(
            "collapse", read_file(SAMPLES / "green-2020-03-before.parquet"),
            read_file(SAMPLES / "green-2020-03-after.parquet"),
        )  # fmt: skip
        return

    def month(name: str, start: str | None = None, end: str | None = None) -> Rides:
        dates = [datetime.fromisoformat(one) if one else None for one in (start, end)]
        return read_file(folder / f"green_tripdata_{name}.parquet", *dates)

    january = month("2021-01", "2021-01-01", "2021-02-01")
    yield Stream("quiet", january, month("2021-02", "2021-02-01", "2021-03-01")[:limit])
    yield Stream(
        "drift-without-damage", january, month("2022-01", "2022-01-01", "2022-02-01")[:limit]
    )
    march = month("2020-03", "2020-03-01", "2020-03-14")
    yield Stream("collapse", march, month("2020-03", "2020-03-22", "2020-04-01")[:limit])


def play(stream: Stream, champion: Artifact, window: int) -> Played:
    """Send the stream past the engine, one evaluation every quarter of a window."""
    reference = Reference.from_bytes(champion.files[PROFILE_FILE])
    rides = stream.rides
    predicted = answers(champion, rides)
    alarms = {"inputs": Alarm(), "error": Alarm()}
    first: dict[str, int | None] = {"inputs": None, "error": None}
    episodes = {"inputs": 0, "error": 0}
    largest: dict[str, float] = {}
    for end in range(window, len(rides) + 1, window // 4):
        chosen = slice(end - window, end)
        columns = {
            PICKUP: rides.pickup[chosen], DROPOFF: rides.dropoff[chosen],
            DISTANCE: rides.distance[chosen], MOMENT: rides.moment[chosen],
            PREDICTION: predicted[chosen], TARGET: rides.duration[chosen],
        }  # fmt: skip
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


def answers(model: Artifact, rides: Rides) -> np.ndarray:
    """Return the model's answers, minutes."""
    return OnnxModel(model.files["model.onnx"]).predict(rides.features())


def retrain(stream: Stream, champion: Artifact, at: int) -> dict[str, float | str]:
    """Retrain on the rides up to `at` and ask the gate, then hindsight on the 5,000 after it."""
    rules = GateRules()
    parts = split(stream.rides[:at], rules.min_labelled_rows)
    old = packing.reference_rides(champion.files[REFERENCE_FILE])
    candidate, _ = candidates.make_candidate(old, parts)
    verdict = compare(
        parts.gate.duration, answers(champion, parts.gate), answers(candidate, parts.gate), rules
    )
    after = stream.rides[at : at + 5000]
    rmse = {
        name: float(np.sqrt(np.mean((answers(model, after) - after.duration) ** 2)))
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
        champion = champions.setdefault(id(stream.reference), candidates.train(stream.reference))
        fitted = time.process_time() - begin
        begin = time.process_time()
        played = play(stream, champion, arguments.window)
        evaluations = (len(stream.rides) - arguments.window) / (arguments.window / 4) + 1
        cost = (time.process_time() - begin) / evaluations * 1000
        print(f"== {stream.name}: champion of {len(stream.reference)} rides ({fitted:.0f} s CPU), "
              f"stream of {played.rows}; {cost:.1f} ms CPU an evaluation")  # fmt: skip
        print(f"   alarm of the inputs after {played.input_alarm}, of the error after "
              f"{played.error_alarm} rides")  # fmt: skip
        scores = ", ".join(f"{name} {value:.2f}" for name, value in played.largest.items())
        print(f"   largest score over its threshold: {scores}")
        at = min(a for a in (played.input_alarm, played.error_alarm, 8000) if a)
        at = max(at, 5000)
        gate = retrain(stream, champion, min(at, len(stream.rides) - 1000))
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
