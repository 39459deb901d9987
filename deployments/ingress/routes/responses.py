"""What administrative routes have in common: their refusals as the API describes them, a header."""

from deployments.ingress.http.openapi import problem_responses

LOOK = problem_responses(400, 401, 403, 404, 422, 429, 500, 503, 504)
CHANGE = problem_responses(400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503, 504)
MAKE = CHANGE
CHANGE_IF_MATCH = problem_responses(
    400, 401, 403, 404, 408, 409, 412, 413, 415, 422, 428, 429, 500, 503, 504
)
OPEN = problem_responses(400, 401, 404, 408, 413, 415, 422, 429, 500, 503, 504)  # needs no key

NO_STORE = {"Cache-Control": "no-store"}
