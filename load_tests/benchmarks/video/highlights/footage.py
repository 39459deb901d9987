"""What is seen in a planted recording: its shots, and where its subject is. Pure planning."""

import math
from random import Random

from load_tests.benchmarks.video.highlights.ground_truth import (
    Decoy,
    PlannedShot,
    PlannedSubject,
    PlantedMoment,
)

TEXTURES = 12
USUAL_SHOT_S = (6.0, 25.0)
DENSE_SHOT_S = (1.0, 2.6)  # divided by the strength
DISSOLVES = 0.2
DISSOLVE_S = 0.8
SUBJECT_RATE = 5
SIZE = (0.119, 0.211)  # of the subject, as shares of the picture
SLOW, FAST = 0.03, 0.55  # picture widths a second: usual, and at strength 1


def plan_shots(
    random: Random, length: float, fps: int, planted: list[PlantedMoment], decoys: list[Decoy]
) -> tuple[PlannedShot, ...]:
    """Shots on frame times, faster where a moment wants that; never a transition over a flash."""
    dense = [part for moment in planted for part in moment.ingredients if part.kind == "cuts"]
    still = [decoy for decoy in decoys if decoy.kind in ("flash", "shake")]
    shots = [PlannedShot(0.0, random.randrange(TEXTURES))]
    at = 0.0
    while True:
        inside = [part for part in dense if part.start <= at < part.end]
        ahead = [part.start for part in dense if part.start > at]
        if inside:
            at += random.uniform(*DENSE_SHOT_S) / inside[0].strength
        else:
            at = min([at + random.uniform(*USUAL_SHOT_S), *ahead])
        at = math.ceil(at * fps - 1e-6) / fps
        if at > length - 2:
            return tuple(shots)
        if any(decoy.start - 1.5 <= at <= decoy.end + 1.5 for decoy in still):
            continue
        fades = not inside and random.random() < DISSOLVES
        others = [number for number in range(TEXTURES) if number != shots[-1].texture]
        shots.append(PlannedShot(at, random.choice(others), DISSOLVE_S if fades else 0.0))


def plan_subjects(
    random: Random,
    length: float,
    planted: list[PlantedMoment],
    decoys: list[Decoy],
    shots: tuple[PlannedShot, ...],
) -> tuple[PlannedSubject, ...]:
    """The subject goes to and fro, slowly as a rule and fast in moments of motion; each shot finds
    it elsewhere."""
    fast = [part for moment in planted for part in moment.ingredients if part.kind == "motion"]
    hidden = [decoy for decoy in decoys if decoy.kind == "shake"]
    subjects, phase, lift, shot = [], random.uniform(0, 6), random.uniform(0, 6), 0
    for tick in range(int(length * SUBJECT_RATE)):
        time = tick / SUBJECT_RATE
        if shot + 1 < len(shots) and shots[shot + 1].start <= time:
            shot += 1
            phase, lift = random.uniform(0, 6), random.uniform(0, 6)
        strength = max((part.strength for part in fast if part.start <= time < part.end), default=0)
        reach = 0.5 - SIZE[0]
        phase += (SLOW + (FAST - SLOW) * strength) / reach / SUBJECT_RATE
        lift += 0.6 * (SLOW + (FAST - SLOW) * strength) / reach / SUBJECT_RATE
        if any(decoy.start <= time < decoy.end for decoy in hidden):
            continue
        x, y = 0.5 + reach * math.sin(phase), 0.5 + 0.3 * math.sin(lift)
        subjects.append(PlannedSubject(time, round(x, 4), round(y, 4), *SIZE))
    return tuple(subjects)
