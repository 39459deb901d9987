"""Sentiment on held-out human ratings: the head beside VADER and beside the most frequent label.

In: the committed vectors and ratings of texts that the head was not trained on. Out: macro-F1 and
Pearson's r of each kind of text.
"""

import numpy as np

from deployments.text.heads import FOLDER, load_head
from load_tests.benchmarks.common.measurement import Measurement
from training.heads.figures import classes_of, macro_f1, sentiment_figures
from training.heads.held_out import read_held_out

LEAST = {"tweets": 0.74, "film": 0.48, "products": 0.62, "news": 0.56}  # macro-F1
AHEAD = {"tweets": 0.04, "film": 0.04, "products": 0.04, "news": 0.03}  # of VADER's macro-F1


def measure_sentiment() -> list[Measurement]:
    measurements = []
    kinds = read_held_out(FOLDER / "held_out.npz")
    for kind, figures in sentiment_figures(load_head("sentiment"), kinds).items():
        wanted = classes_of(kinds[kind].ratings)
        commonest = np.full(len(wanted), np.bincount(wanted).argmax())
        least = max(LEAST[kind], figures.vader_macro_f1 + AHEAD[kind])
        values = (
            ("macro-F1", figures.macro_f1, round(least, 3)),
            ("macro-F1 of VADER", figures.vader_macro_f1, None),
            ("macro-F1 of the commonest label", macro_f1(commonest, wanted), None),
            ("Pearson's r", figures.pearson, None),
            ("Pearson's r of VADER", figures.vader_pearson, None),
        )
        measurements += [
            Measurement("sentiment", f"{kind}: {name}", round(value, 3), at_least=bound)
            for name, value, bound in values
        ]
    return measurements
