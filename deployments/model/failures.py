"""Problems of a model replica on their way out: as answers, with the failures of engines logged.

What a replica raises, Serve logs with its whole traceback and wraps for the caller; a refusal under
load would cost more than an answer.
"""

import logging

from cluster.problems import ModelFailed, Problem

logger = logging.getLogger("mobula.model")


def as_answer(problem: Problem) -> Problem:
    """The problem, fit to be pickled and raised again on the other side."""
    if isinstance(problem, ModelFailed):
        logger.error("the model failed", exc_info=problem)
    return problem.with_traceback(None)
