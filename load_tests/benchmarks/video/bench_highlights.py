"""How well the ranker finds what is planted, beside what anybody could do without one.

    ./mobula bench highlights --seeds 10 --ablate --check

In: seeds. Out: each question of notes/video.md section 3 against its target, as a table and JSON.
Cuts are compared with PySceneDetect's where `./mobula bench video` has installed it.
Constants of the ranker were chosen on seeds 100 to 119; seeds 0 to 9 are what is reported. Tau is
the mean over recordings of three to ten moments, whose standard error over ten seeds is near 0.09:
before a change is believed, look at many others too (`--first 20 --seeds 40`).
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from load_tests.benchmarks.common.measurement import Measurement, all_met, build_table
from load_tests.benchmarks.common.reference_tools import find_installed, list_versions
from load_tests.benchmarks.video.highlights.samples import PlantedSample, load_sample
from load_tests.benchmarks.video.highlights.suite import build_rows, measure_ablations, measure_all
from load_tests.machine import describe_machine


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    with _folder(options.folder) as folder:
        samples = list(_samples(range(options.first, options.first + options.seeds), folder))
    measurements = measure_all(samples) + (measure_ablations(samples) if options.ablate else [])
    measurements += _costs(samples)
    Console().print(build_table(measurements))
    print(f"PySceneDetect: {_compared(samples)}")
    if options.json:
        options.json.write_text(
            json.dumps(_report(options, samples, measurements), indent=2) + "\n"
        )
    return 0 if all_met(measurements) or not options.check else 1


def _samples(seeds: range, folder: Path) -> Iterator[PlantedSample]:
    for seed in seeds:
        one = load_sample(seed, folder, compared=True)
        yield one
        print(
            f"seed {seed}: {one.truth.duration:.0f} s, {len(one.truth.planted)} moments", flush=True
        )


def _compared(samples: Sequence[PlantedSample]) -> str:
    """With which version, or why with none."""
    if all(one.others for one in samples):
        return list_versions()["scenedetect-headless"]
    return "not run on cached recordings" if find_installed() else "not installed"


def _costs(samples: Sequence[PlantedSample]) -> list[Measurement]:
    """Of those made now, not cached by an earlier run."""
    made = [one for one in samples if one.written_s]
    length = sum(one.truth.duration for one in made)
    if not made:
        return []
    return [
        Measurement("cost", "recordings", length / 60, "min"),
        Measurement("cost", "written in", sum(one.written_s for one in made), "s"),
        Measurement("cost", "analysed in", sum(one.analysed_s for one in made), "s"),
    ]


def _report(
    options: argparse.Namespace,
    samples: Sequence[PlantedSample],
    measurements: Sequence[Measurement],
) -> dict[str, object]:
    return {
        "benchmark": "planted highlights",
        "machine": describe_machine(),
        "conditions": {"first_seed": options.first, "seeds": options.seeds},
        "scenedetect": _compared(samples),
        "figures": [measurement.to_dict() for measurement in measurements],
        "recordings": [
            {
                "seed": one.truth.seed,
                "duration_s": one.truth.duration,
                "moments": len(one.truth.planted),
                "found": build_rows(one),
            }
            for one in samples
        ],
        "passed": all_met(measurements),
    }


@contextmanager
def _folder(given: Path | None) -> Iterator[Path]:
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given
        return
    with TemporaryDirectory() as name:
        yield Path(name)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10, help="how many recordings")
    parser.add_argument("--first", type=int, default=0, help="the first one's seed")
    parser.add_argument("--folder", type=Path, help="where features are cached for the next run")
    parser.add_argument("--ablate", action="store_true", help="each signal left out in turn")
    parser.add_argument("--json", type=Path, help="where to write the report")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
