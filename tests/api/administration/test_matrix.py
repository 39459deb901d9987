"""Every route of the application, asked by every kind of caller: one table, nothing left out.

`generate` is a key of acme with that scope alone; `stranger` owns another tenant and asks for
acme's things. A new route that is missing here fails the first test.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts

from deployments.ingress.http.app import create_api
from deployments.ingress.operations import operations
from deployments.ingress.services import AppServices
from tests.api.administration.conftest import NewWorld
from tests.api.administration.world import CALLERS, HOOK, PASSWORD, World
from tests.api.web import MakeServices

TABLE = """
                                                        anon own adm dev vie bil gen ope str
GET    /healthz                                         200  200 200 200 200 200 200 200 200
GET    /readyz                                          200  200 200 200 200 200 200 200 200
GET    /health                                          200  200 200 200 200 200 200 200 200
GET    /version                                         200  200 200 200 200 200 200 200 200
GET    /metrics                                         401  403 403 403 403 403 403 200 403
GET    /metrics/{part}                                  401  403 403 403 403 403 403 503 403
GET    /docs                                            200  200 200 200 200 200 200 200 200
GET    /docs/assets/swagger-ui-bundle.js               200  200 200 200 200 200 200 200 200
GET    /docs/assets/swagger-ui.css                     200  200 200 200 200 200 200 200 200
GET    /docs/assets/swagger-start.js                   200  200 200 200 200 200 200 200 200
GET    /docs/assets/redoc.standalone.js                200  200 200 200 200 200 200 200 200
GET    /docs/assets/redoc-start.js                     200  200 200 200 200 200 200 200 200
GET    /docs/assets/favicon.png                        200  200 200 200 200 200 200 200 200
GET    /redoc/logo-mini.svg                            200  200 200 200 200 200 200 200 200
GET    /redoc                                           200  200 200 200 200 200 200 200 200
GET    /openapi.json                                    200  200 200 200 200 200 200 200 200
GET    /.well-known/jwks.json                           200  200 200 200 200 200 200 200 200
GET    /v1/models                                       401  200 200 200 200 403 403 200 200
GET    /v1/models/{model:path}                          401  200 200 200 200 403 403 200 200
POST   /v1/chat/completions                             401  200 200 200 403 403 200 200 200
POST   /v1/completions                                  401  200 200 200 403 403 200 200 200
POST   /v1/embeddings                                   401  200 200 200 403 403 200 200 200
POST   /v1/responses                                    401  200 200 200 403 403 200 200 200
GET    /v1/responses/{response_id}                      401  200 200 200 403 403 200 404 404
DELETE /v1/responses/{response_id}                      401  200 200 200 403 403 200 404 404
GET    /v1/responses/{response_id}/input_items          401  200 200 200 403 403 200 404 404
POST   /v1/responses/{response_id}/cancel               401  400 400 400 403 403 400 404 404
POST   /v1/messages                                     401  200 200 200 403 403 200 200 200
POST   /v1/messages/count_tokens                        401  200 200 200 403 403 200 200 200
POST   /openai/deployments/{model:path}/chat/completions  401  200 200 200 403 403 200 200 200
POST   /openai/deployments/{model:path}/completions     401  200 200 200 403 403 200 200 200
POST   /openai/deployments/{model:path}/embeddings      401  200 200 200 403 403 200 200 200
POST   /v1/audio/transcriptions                         401  415 415 415 403 403 415 415 415
POST   /v1/audio/translations                           401  415 415 415 403 403 415 415 415
POST   /api/v1/audio                                    401  202 202 202 403 403 403 202 202
GET    /api/v1/audio/{job}                              401  404 404 404 404 403 403 404 404
POST   /v1/rerank                                       401  200 200 200 403 403 200 200 200
POST   /rerank                                          401  200 200 200 403 403 200 200 200
POST   /v2/rerank                                       401  200 200 200 403 403 200 200 200
POST   /v1/moderations                                  401  200 200 200 403 403 200 200 200
POST   /tokenize                                        401  200 200 200 403 403 200 200 200
POST   /detokenize                                      401  200 200 200 403 403 200 200 200
POST   /api/v1/captions                                 401  200 200 200 403 403 200 200 200
POST   /api/v1/captions/batch                           401  200 200 200 403 403 200 200 200
POST   /api/v1/posts                                    401  200 200 200 403 403 200 200 200
POST   /api/v1/posts/batch                              401  200 200 200 403 403 200 200 200
POST   /api/v1/posts/optimize                           401  200 200 200 403 403 200 200 200
POST   /api/v1/posts/best-time                          401  200 200 200 403 403 200 200 200
POST   /api/v1/text/analyze                             401  200 200 200 403 403 200 200 200
POST   /api/v1/text/summarize                           401  200 200 200 403 403 200 200 200
POST   /api/v1/text/rewrite                             401  200 200 200 403 403 200 200 200
POST   /api/v1/text/translate                           401  200 200 200 403 403 200 200 200
POST   /v1/files                                        401  415 415 415 403 403 415 415 415
GET    /v1/files                                        401  200 200 200 403 403 200 200 200
GET    /v1/files/{file_id}                              401  200 200 200 403 403 200 404 404
GET    /v1/files/{file_id}/content                      401  200 200 200 403 403 200 404 404
DELETE /v1/files/{file_id}                              401  200 200 200 403 403 200 404 404
POST   /v1/batches                                      401  200 200 200 403 403 200 404 404
GET    /v1/batches                                      401  200 200 200 403 403 200 200 200
GET    /v1/batches/{batch_id}                           401  200 200 200 403 403 200 404 404
POST   /v1/batches/{batch_id}/cancel                    401  200 200 200 403 403 200 404 404
GET    /v1/vector_stores                                401  200 200 200 200 403 403 200 200
POST   /v1/vector_stores                                401  200 200 200 403 403 403 200 200
GET    /v1/vector_stores/{store}                        401  200 200 200 200 403 403 404 404
POST   /v1/vector_stores/{store}                        401  200 200 200 403 403 403 404 404
DELETE /v1/vector_stores/{store}                        401  200 200 200 403 403 403 404 404
POST   /v1/vector_stores/{store}/search                 401  200 200 200 200 403 403 404 404
GET    /v1/vector_stores/{store}/files                  401  200 200 200 200 403 403 404 404
GET    /v1/vector_stores/{store}/files/{file_id}        401  200 200 200 200 403 403 404 404
POST   /v1/vector_stores/{store}/files/{file_id}        401  200 200 200 403 403 403 404 404
GET    /v1/vector_stores/{store}/files/{file_id}/content 401  200 200 200 200 403 403 404 404
DELETE /v1/vector_stores/{store}/files/{file_id}        401  200 200 200 403 403 403 404 404
GET    /v1/vector_stores/{store}/file_batches/{file_batch} 401  200 200 200 200 403 403 404 404
GET /v1/vector_stores/{store}/file_batches/{file_batch}/files 401 200 200 200 200 403 403 404 404
POST /v1/vector_stores/{store}/file_batches/{file_batch}/cancel 401 200 200 200 403 403 403 404 404
POST   /v1/vector_stores/{store}/files                  401  200 200 200 403 403 403 404 404
POST   /v1/vector_stores/{store}/file_batches           401  200 200 200 403 403 403 404 404
POST   /api/v1/batches                                  401  202 202 202 403 403 202 202 202
GET    /api/v1/batches                                  401  200 200 200 403 403 200 200 200
GET    /api/v1/batches/{batch}                          401  200 200 200 403 403 200 404 404
GET    /api/v1/batches/{batch}/items                    401  200 200 200 403 403 200 404 404
POST   /api/v1/batches/{batch}/cancel                   401  200 200 200 403 403 200 404 404
DELETE /api/v1/batches/{batch}                          401  204 204 204 403 403 204 404 404
POST   /api/v1/auth/login                               200  200 200 200 200 200 200 200 200
POST   /api/v1/auth/refresh                             200  200 200 200 200 200 200 200 200
POST   /api/v1/auth/logout                              204  204 204 204 204 204 204 204 204
GET    /api/v1/auth/me                                  401  200 200 200 200 200 200 200 200
POST   /api/v1/auth/password                            401  204 204 204 204 204 403 403 204
POST   /api/v1/auth/signing-keys/rotate                 401  403 403 403 403 403 403 201 403
GET    /api/v1/tenants                                  401  403 403 403 403 403 403 200 403
POST   /api/v1/tenants                                  401  403 403 403 403 403 403 201 403
GET    /api/v1/tenants/{tenant}                         401  200 200 200 200 200 403 200 404
PATCH  /api/v1/tenants/{tenant}                         401  200 403 403 403 403 403 200 404
DELETE /api/v1/tenants/{tenant}                         401  403 403 403 403 403 403 204 404
GET    /api/v1/tenants/{tenant}/limits                  401  200 200 200 200 200 403 200 404
GET    /api/v1/tenants/{tenant}/settings                401  200 200 200 200 200 403 200 404
PATCH  /api/v1/tenants/{tenant}/settings                401  200 403 403 403 403 403 200 404
POST   /api/v1/tenants/{tenant}/export                  401  202 403 403 403 403 403 202 404
GET    /api/v1/tenants/{tenant}/export/{export}         401  200 403 403 403 403 403 200 404
POST   /api/v1/tenants/{tenant}/erase                   401  202 403 403 403 403 403 202 404
GET    /api/v1/tenants/{tenant}/erase/{erasure}         401  200 403 403 403 403 403 200 404
GET    /api/v1/plans                                    401  200 200 200 200 200 200 200 200
GET    /api/v1/plans/{plan}                             401  200 200 200 200 200 200 200 404
PUT    /api/v1/plans/{plan}                             401  403 403 403 403 403 403 200 403
DELETE /api/v1/plans/{plan}                             401  403 403 403 403 403 403 204 403
GET    /api/v1/tenants/{tenant}/keys                    401  200 200 200 403 403 403 200 404
POST   /api/v1/tenants/{tenant}/keys                    401  201 201 201 403 403 403 201 404
GET    /api/v1/tenants/{tenant}/keys/{key}              401  200 200 200 403 403 403 200 404
PATCH  /api/v1/tenants/{tenant}/keys/{key}              401  200 200 200 403 403 403 200 404
POST   /api/v1/tenants/{tenant}/keys/{key}/rotate       401  201 201 201 403 403 403 201 404
DELETE /api/v1/tenants/{tenant}/keys/{key}              401  204 204 204 403 403 403 204 404
GET    /api/v1/teams?tenant=acme                        401  200 200 200 403 403 403 200 404
POST   /api/v1/teams?tenant=acme                        401  201 201 201 403 403 403 201 404
GET    /api/v1/teams/{team}?tenant=acme                 401  200 200 200 403 403 403 200 404
PATCH  /api/v1/teams/{team}?tenant=acme                 401  200 200 200 403 403 403 200 404
DELETE /api/v1/teams/{team}?tenant=acme                 401  204 204 204 403 403 403 204 404
GET    /api/v1/tenants/{tenant}/users                   401  200 200 403 403 403 403 200 404
POST   /api/v1/tenants/{tenant}/users                   401  201 201 403 403 403 403 201 404
GET    /api/v1/tenants/{tenant}/users/{user}            401  200 200 403 403 403 403 200 404
PATCH  /api/v1/tenants/{tenant}/users/{user}            401  200 200 403 403 403 403 200 404
DELETE /api/v1/tenants/{tenant}/users/{user}            401  204 204 403 403 403 403 204 404
GET    /api/v1/tenants/{tenant}/webhooks                401  200 200 200 403 403 403 200 404
POST   /api/v1/tenants/{tenant}/webhooks                401  201 201 201 403 403 403 201 404
GET    /api/v1/tenants/{tenant}/webhooks/{webhook}      401  200 200 200 403 403 403 200 404
PATCH  /api/v1/tenants/{tenant}/webhooks/{webhook}      401  200 200 200 403 403 403 200 404
POST   /api/v1/tenants/{tenant}/webhooks/{webhook}/rotate  401  201 201 201 403 403 403 201 404
POST   /api/v1/tenants/{tenant}/webhooks/{webhook}/test    401  202 202 202 403 403 403 202 404
GET    /api/v1/tenants/{tenant}/webhooks/{webhook}/deliveries  401  200 200 200 403 403 403 200 404
DELETE /api/v1/tenants/{tenant}/webhooks/{webhook}      401  204 204 204 403 403 403 204 404
GET    /api/v1/templates?tenant=acme                    401  200 200 200 200 200 403 200 404
POST   /api/v1/templates?tenant=acme                    401  201 403 403 403 403 403 201 404
GET    /api/v1/templates/{template}?tenant=acme         401  200 200 200 200 200 403 200 404
PATCH  /api/v1/templates/{template}?tenant=acme         401  200 403 403 403 403 403 200 404
DELETE /api/v1/templates/{template}?tenant=acme         401  204 403 403 403 403 403 204 404
GET    /api/v1/templates/{template}/versions?tenant=acme  401  200 200 200 200 200 403 200 404
POST   /api/v1/templates/{template}/versions?tenant=acme  401  201 403 403 403 403 403 201 404
GET /api/v1/templates/{template}/versions/{version}?tenant=acme 401 200 200 200 200 200 403 200 404
DELETE /api/v1/templates/{template}/versions/{version}  401  204 403 403 403 403 403 404 404
GET /api/v1/templates/{template}/diff?tenant=acme&from=1&to=2 401 200 200 200 200 200 403 200 404
POST   /api/v1/templates/{template}/activate?tenant=acme  401  200 403 403 403 403 403 200 404
POST   /api/v1/templates/{template}/rollback?tenant=acme  401  200 403 403 403 403 403 200 404
POST   /api/v1/templates/{template}/render?tenant=acme  401  200 200 200 200 200 403 200 404
POST   /api/v1/templates/{template}/test                401  200 200 200 403 403 403 404 404
POST   /api/v1/text/groups                              401  200 200 200 403 403 200 200 200
GET    /api/v1/text/classifiers                         401  200 200 200 200 403 403 200 200
POST   /api/v1/text/classifiers                         401  201 201 201 403 403 403 201 201
GET    /api/v1/text/classifiers/{classifier}            401  200 200 200 200 403 403 404 404
PUT    /api/v1/text/classifiers/{classifier}            401  200 200 200 403 403 403 404 404
DELETE /api/v1/text/classifiers/{classifier}            401  204 204 204 403 403 403 404 404
GET    /api/v1/collections                              401  200 200 200 200 403 403 200 200
POST   /api/v1/collections                              401  201 201 201 403 403 403 201 201
GET    /api/v1/collections/{collection}                 401  200 200 200 200 403 403 404 404
PATCH  /api/v1/collections/{collection}                 401  200 200 200 403 403 403 404 404
DELETE /api/v1/collections/{collection}                 401  204 204 204 403 403 403 404 404
POST   /api/v1/collections/{collection}/reindex         401  202 202 202 403 403 403 404 404
POST   /api/v1/collections/{collection}/sources         401  202 202 202 403 403 403 404 404
GET    /api/v1/collections/{collection}/points          401  200 200 200 200 403 403 404 404
PUT    /api/v1/collections/{collection}/points          401  200 200 200 403 403 403 404 404
POST   /api/v1/collections/{collection}/points/delete   401  200 200 200 403 403 403 404 404
GET    /api/v1/collections/{collection}/points/{point}  401  200 200 200 200 403 403 404 404
POST   /api/v1/collections/{collection}/query           401  200 200 200 200 403 403 404 404
GET    /api/v1/library/posts?tenant=acme                401  200 200 200 200 403 403 200 404
POST   /api/v1/library/posts?tenant=acme                401  201 201 201 403 403 403 201 404
GET    /api/v1/library/posts/export?tenant=acme         401  200 200 200 200 403 403 200 404
POST   /api/v1/library/posts/bulk?tenant=acme           401  200 200 200 403 403 403 200 404
GET    /api/v1/library/posts/{post}?tenant=acme         401  200 200 200 200 403 403 200 404
PATCH  /api/v1/library/posts/{post}?tenant=acme         401  200 200 200 403 403 403 200 404
DELETE /api/v1/library/posts/{post}?tenant=acme         401  204 204 204 403 403 403 204 404
GET    /api/v1/library/posts/{post}/transitions?tenant=acme  401  200 200 200 200 403 403 200 404
POST   /api/v1/library/posts/{post}/transitions?tenant=acme  401  200 200 200 403 403 403 200 404
GET    /api/v1/library/posts/{post}/versions?tenant=acme  401  200 200 200 200 403 403 200 404
GET /api/v1/library/posts/{post}/versions/{version}?tenant=acme 401 200 200 200 200 403 403 200 404
POST   /api/v1/library/posts/{post}/restore?tenant=acme  401  200 200 200 403 403 403 200 404
GET    /api/v1/library/posts/{post}/similar?tenant=acme  401  200 200 200 200 403 403 200 404
GET    /api/v1/library/posts/{post}/metrics?tenant=acme  401  200 200 200 200 403 403 200 404
POST   /api/v1/analytics/events?tenant=acme             401  200 200 200 403 403 403 200 404
GET    /api/v1/events?tenant=acme                       401  200 200 200 403 403 403 200 404
GET    /api/v1/usage?tenant=acme                        401  200 200 200 200 200 403 200 404
GET    /api/v1/audit?tenant=acme                        401  200 200 403 403 200 403 200 404
GET    /api/v1/audit/export?tenant=acme                 401  200 200 403 403 200 403 200 404
GET    /api/v1/traces/{trace}?tenant=acme               401  404 404 403 403 404 403 404 404
GET    /api/v1/audit/verify                             401  403 403 403 403 403 403 200 403
POST   /api/v1/audit/prune                              401  403 403 403 403 403 403 200 403
GET    /api/v1/cache/stats?tenant=acme                  401  200 200 200 200 403 403 200 404
POST   /api/v1/cache/invalidations?tenant=acme          401  200 200 200 403 403 403 200 404
DELETE /api/v1/cache?tenant=acme                        401  200 200 200 403 403 403 200 404
GET    /api/v1/health/dependencies                      401  403 403 403 403 403 403 200 403
GET    /api/v1/scaling/status                           401  403 403 403 403 403 403 200 403
GET    /api/v1/scaling/history                          401  403 403 403 403 403 403 200 403
PUT    /api/v1/scaling/{deployment:path}/bounds         401  403 403 403 403 403 403 200 403
DELETE /api/v1/scaling/{deployment:path}/bounds         401  403 403 403 403 403 403 204 403
GET    /api/v1/logs/errors                              401  403 403 403 403 403 403 200 403
GET    /api/v1/logs/levels                              401  403 403 403 403 403 403 200 403
PUT    /api/v1/logs/levels                              401  403 403 403 403 403 403 200 403
DELETE /api/v1/logs/levels                              401  403 403 403 403 403 403 204 403
GET    /api/v1/capabilities                             401  200 200 200 200 403 403 200 200
GET    /api/v1/videos                                   401  200 200 200 200 403 403 200 200
POST   /api/v1/videos                                   401  202 202 202 403 403 403 202 202
GET    /api/v1/videos/{video}                           401  200 200 200 200 403 403 404 404
PUT    /api/v1/videos/{video}/transcript                401  200 200 200 403 403 403 404 404
DELETE /api/v1/videos/{video}                           401  204 204 204 403 403 403 404 404
POST   /api/v1/videos/{video}/clips                     401  202 202 202 403 403 403 404 404
OPTIONS /api/v1/uploads                                 204  204 204 204 204 204 204 204 204
OPTIONS /api/v1/uploads/{upload}                        204  204 204 204 204 204 204 204 204
POST   /api/v1/uploads                                  401  201 201 201 403 403 403 201 201
GET    /api/v1/uploads/{upload}                         401  200 200 200 200 403 403 404 404
HEAD   /api/v1/uploads/{upload}                         401  200 200 200 403 403 403 404 404
PATCH  /api/v1/uploads/{upload}                         401  204 204 204 403 403 403 404 404
POST   /api/v1/uploads/{upload}                         401  204 204 204 403 403 403 404 404
DELETE /api/v1/uploads/{upload}                         401  204 204 204 403 403 403 404 404
GET    /api/v1/jobs                                     401  200 200 200 200 403 403 200 200
GET    /api/v1/jobs/{job}                               401  200 200 200 200 403 403 404 404
GET    /api/v1/jobs/{job}/events                        401  200 200 200 200 403 403 404 404
GET    /api/v1/jobs/{job}/clips                         401  200 200 200 200 403 403 404 404
POST   /api/v1/jobs/{job}/cancel                        401  200 200 200 403 403 403 404 404
DELETE /api/v1/jobs/{job}                               401  204 204 204 403 403 403 404 404
POST   /api/v1/documents/ask                            401  200 200 200 200 403 403 200 200
GET    /api/v1/documents                                401  200 200 200 200 403 403 200 200
POST   /api/v1/documents                                401  202 202 202 403 403 403 202 202
GET    /api/v1/documents/{document}                     401  200 200 200 200 403 403 404 404
DELETE /api/v1/documents/{document}                     401  204 204 204 403 403 403 404 404
GET    /api/v1/documents/{document}/text                401  200 200 200 200 403 403 404 404
GET    /api/v1/documents/{document}/blocks              401  200 200 200 200 403 403 404 404
GET    /api/v1/documents/{document}/chunks              401  200 200 200 200 403 403 404 404
POST   /api/v1/documents/{document}/summary             401  200 200 200 200 403 403 404 404
GET    /files/{token}                                   200  200 200 200 200 200 200 200 200
HEAD   /files/{token}                                   200  200 200 200 200 200 200 200 200
"""
Row = tuple[str, str, dict[str, int]]

EXAMPLES = {"good": list("abcde"), "bad": list("vwxyz")}
RERANK = {"model": "letters", "query": "hi", "documents": ["hello"]}
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/chat/completions": {
        "model": "words",
        "messages": [{"role": "user", "content": "hi"}],
    },
    "POST /v1/completions": {"model": "words", "prompt": "hi"},
    "POST /v1/embeddings": {"model": "letters", "input": "hi"},
    "POST /v1/responses": {"model": "words", "input": "hi"},
    "POST /v1/messages": {
        "model": "words",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    },
    "POST /v1/messages/count_tokens": {
        "model": "words",
        "messages": [{"role": "user", "content": "hi"}],
    },
    "POST /openai/deployments/{model:path}/chat/completions": {
        "messages": [{"role": "user", "content": "hi"}]
    },
    "POST /openai/deployments/{model:path}/completions": {"prompt": "hi"},
    "POST /openai/deployments/{model:path}/embeddings": {"input": "hi"},
    "POST /v1/rerank": RERANK,
    "POST /rerank": RERANK,
    "POST /v2/rerank": RERANK,
    "POST /v1/moderations": {"input": "hi"},
    "POST /tokenize": {"model": "words", "prompt": "hi"},
    "POST /detokenize": {"model": "words", "tokens": [104, 105]},
    "POST /api/v1/captions": {"topic": "tea"},
    "POST /api/v1/captions/batch": {"items": [{"topic": "tea"}]},
    "POST /api/v1/posts": {"topic": "tea"},
    "POST /api/v1/posts/batch": {"items": [{"topic": "tea"}]},
    "POST /api/v1/posts/optimize": {"text": "tea"},
    "POST /api/v1/posts/best-time": {"text": "tea"},
    "POST /api/v1/text/analyze": {"text": "tea", "operations": ["statistics"]},
    "POST /api/v1/text/summarize": {"text": "tea"},
    "POST /api/v1/text/rewrite": {"text": "tea"},
    "POST /api/v1/text/translate": {"text": "tea", "to": "de"},
    "POST /v1/vector_stores": {},
    "POST /v1/vector_stores/{store}": {"name": "notes"},
    "POST /v1/vector_stores/{store}/search": {"query": "tea"},
    "POST /v1/vector_stores/{store}/files": {"file_id": "file-000000000000000000000000"},
    "POST /v1/vector_stores/{store}/file_batches": {"file_ids": ["file-000000000000000000000000"]},
    "POST /v1/vector_stores/{store}/files/{file_id}": {"attributes": {"year": 2026}},
    "POST /api/v1/batches": {"operation": "chat", "items": [{"body": {}}]},
    "POST /api/v1/auth/login": {"email": "viewer@acme.example", "password": PASSWORD},
    "POST /api/v1/auth/password": {"current": PASSWORD, "new": "another good passphrase"},
    "POST /api/v1/auth/signing-keys/rotate": {},
    "POST /api/v1/audit/prune": {"before": "2026-01-31"},
    "POST /api/v1/cache/invalidations?tenant=acme": {"tag": "post:17"},
    "PUT /api/v1/scaling/{deployment:path}/bounds": {"floor": 2},
    "PUT /api/v1/logs/levels": {"level": "DEBUG"},
    "POST /api/v1/tenants": {"id": "newcomer", "name": "Newcomer"},
    "PATCH /api/v1/tenants/{tenant}": {"name": "Acme AG"},
    "POST /api/v1/tenants/{tenant}/export": {},
    "POST /api/v1/tenants/{tenant}/erase": {"confirm": "acme"},
    "PATCH /api/v1/tenants/{tenant}/settings": {"default_model": "words"},
    "PUT /api/v1/plans/{plan}": {"id": "team"},
    "POST /api/v1/tenants/{tenant}/keys": {"name": "new", "scopes": ["generate"]},
    "PATCH /api/v1/tenants/{tenant}/keys/{key}": {"name": "renamed"},
    "POST /api/v1/tenants/{tenant}/keys/{key}/rotate": {"grace_s": 0},
    "POST /api/v1/teams?tenant=acme": {"id": "research", "name": "Research"},
    "PATCH /api/v1/teams/{team}?tenant=acme": {"name": "Crew of the boat"},
    "POST /api/v1/tenants/{tenant}/users": {
        "email": "new@acme.example",
        "password": PASSWORD,
        "role": "viewer",
    },
    "PATCH /api/v1/tenants/{tenant}/users/{user}": {"role": "billing"},
    "POST /api/v1/tenants/{tenant}/webhooks": {"url": HOOK},
    "PATCH /api/v1/tenants/{tenant}/webhooks/{webhook}": {"status": "disabled"},
    "POST /api/v1/tenants/{tenant}/webhooks/{webhook}/rotate": {},
    "POST /api/v1/tenants/{tenant}/webhooks/{webhook}/test": {},
    "POST /api/v1/templates?tenant=acme": {"id": "new", "text": "Tea"},
    "PATCH /api/v1/templates/{template}?tenant=acme": {"description": "Greets"},
    "POST /api/v1/templates/{template}/versions?tenant=acme": {"text": "Tea"},
    "POST /api/v1/templates/{template}/activate?tenant=acme": {"version": 3},
    "POST /api/v1/templates/{template}/rollback?tenant=acme": {},
    "POST /api/v1/templates/{template}/render?tenant=acme": {"variables": {"name": "Bob"}},
    "POST /api/v1/templates/{template}/test": {},
    "POST /api/v1/text/groups": {"texts": ["hi", "hello"], "language": "en"},
    "POST /api/v1/text/classifiers": {"id": "new", "examples": EXAMPLES},
    "PUT /api/v1/text/classifiers/{classifier}": {"examples": EXAMPLES},
    "POST /api/v1/library/posts?tenant=acme": {"body": "Coffee"},
    "POST /api/v1/library/posts/bulk?tenant=acme": {"posts": [{"id": "tea"}], "delete": True},
    "PATCH /api/v1/library/posts/{post}?tenant=acme": {"body": "Coffee"},
    "POST /api/v1/library/posts/{post}/transitions?tenant=acme": {"transition": "submit"},
    "POST /api/v1/library/posts/{post}/restore?tenant=acme": {"version": 1},
    "POST /api/v1/analytics/events?tenant=acme": {
        "events": [{"id": "1", "name": "click", "subject": {"kind": "post", "id": "tea"}}]
    },
    "POST /api/v1/collections": {"name": "new"},
    "PATCH /api/v1/collections/{collection}": {"description": "Drafts"},
    "POST /api/v1/collections/{collection}/reindex": {},
    "POST /api/v1/collections/{collection}/sources": {"posts": {"statuses": ["draft"]}},
    "PUT /api/v1/collections/{collection}/points": {"points": [{"id": "q", "text": "a cab"}]},
    "POST /api/v1/collections/{collection}/points/delete": {"ids": ["p"]},
    "POST /api/v1/collections/{collection}/query": {"text": "a cab"},
    "POST /v1/audio/transcriptions": {"model": "whisper-1"},
    "POST /v1/audio/translations": {"model": "whisper-1"},
    "POST /api/v1/audio": {"url": "https://cdn.acme.example/talk.mp3"},
    "POST /api/v1/documents": {"url": "https://cdn.acme.example/tea.pdf"},
    "POST /api/v1/documents/ask": {"question": "What is tea?"},
    "POST /api/v1/documents/{document}/summary": {},
    "POST /api/v1/videos": {"url": "https://cdn.acme.example/talk.mp4"},
    "PUT /api/v1/videos/{video}/transcript": {
        "segments": [{"start": 0.0, "end": 1.0, "text": "Hello there"}]
    },
    "POST /api/v1/videos/{video}/clips": {},
}
UNCHANGING = (
    "/v1/", "/openai/", "/rerank", "/v2/rerank", "/tokenize", "/detokenize", "/api/v1/captions",
    "/api/v1/posts", "/api/v1/text/analyze", "/api/v1/text/groups", "/api/v1/text/summarize",
    "/api/v1/text/rewrite", "/api/v1/text/translate", "/api/v1/auth/login", "/api/v1/auth/logout",
    "/api/v1/auth/refresh", "/api/v1/collections/{collection}/query", "/api/v1/documents/ask",
    "/api/v1/documents/{document}/summary",
)  # fmt: skip
TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}
ANY_REVISION = {"If-Match": "*"}
HEADERS = {
    "PATCH /api/v1/library/posts/{post}?tenant=acme": ANY_REVISION,
    "DELETE /api/v1/library/posts/{post}?tenant=acme": ANY_REVISION,
    "POST /api/v1/library/posts/{post}/transitions?tenant=acme": ANY_REVISION,
    "POST /api/v1/library/posts/{post}/restore?tenant=acme": ANY_REVISION,
    "POST /api/v1/uploads": {**TUS, "Upload-Length": "8"},
    "HEAD /api/v1/uploads/{upload}": TUS,
    "PATCH /api/v1/uploads/{upload}": PIECE,
    "POST /api/v1/uploads/{upload}": {**PIECE, "X-HTTP-Method-Override": "PATCH"},
    "DELETE /api/v1/uploads/{upload}": TUS,
}


def rows() -> list[Row]:
    lines = [line.split() for line in TABLE.strip().splitlines()[1:]]
    return [
        (method, path, dict(zip(CALLERS, map(int, statuses), strict=True)))
        for method, path, *statuses in lines
    ]


def routes_of(services: AppServices) -> set[tuple[str, str]]:
    api = create_api(services, operations(services))
    return {
        (method, str(route.path))
        for route in iter_route_contexts(api.routes)
        for method in (route.methods or {"?"})
        if method != "HEAD" or "GET" not in (route.methods or ())
    }


def test_the_table_names_every_route(make_services: MakeServices) -> None:
    listed = [(method, path.partition("?")[0]) for method, path, _ in rows()]

    assert sorted(listed) == sorted(routes_of(make_services()))


def changes_nothing(method: str, path: str, status: int) -> bool:
    """What is read, refused, generated or signed in leaves the world as it was for the others."""
    if method in ("GET", "HEAD") or status >= 400:
        return True
    return method == "POST" and path.startswith(UNCHANGING)


async def test_who_changes_nothing_gets_what_the_table_says(new_world: NewWorld) -> None:
    wrong = {}
    async with new_world() as world:
        for method, path, expected in rows():
            for caller in CALLERS:
                if changes_nothing(method, path, expected[caller]):
                    found = await status(world, caller, method, path)
                    if found != expected[caller]:
                        wrong[method, path, caller] = found

    assert wrong == {}


def changes() -> Iterator[Any]:
    """Each needs a fresh world: one caller for a route, in turn, and all of them with `--all`."""
    for number, (method, path, expected) in enumerate(rows()):
        callers = [who for who in CALLERS if not changes_nothing(method, path, expected[who])]
        for who in callers:
            is_turn = who == callers[number % len(callers)]
            marks = () if is_turn else pytest.mark.exhaustive
            id = f"{method} {path} {who}"
            yield pytest.param(method, path, who, expected[who], id=id, marks=marks)


@pytest.mark.parametrize(("method", "path", "caller", "expected"), list(changes()))
async def test_who_changes_something_gets_what_the_table_says(
    method: str, path: str, caller: str, expected: int, world: World
) -> None:
    assert await status(world, caller, method, path) == expected


async def status(world: World, caller: str, method: str, path: str) -> int:
    body = BODIES.get(f"{method} {path}")
    if f"{method} {path}" == "POST /v1/batches":
        file, endpoint = world.ids["file_id"], "/v1/embeddings"
        body = {"input_file_id": file, "endpoint": endpoint, "completion_window": "24h"}
    if path == "/v1/vector_stores/{store}/files":
        body = {"file_id": world.ids["file_id"]}
    if path == "/v1/vector_stores/{store}/file_batches":
        body = {"file_ids": [world.ids["file_id"]]}
    if path in ("/api/v1/auth/refresh", "/api/v1/auth/logout"):
        made = await world.office.sessions.login("viewer@acme.example", PASSWORD, None, "test", "")
        body = {"refresh_token": made.refresh_token}
    plan = "spare" if method == "DELETE" else "team"
    model = "letters" if path.endswith("/embeddings") else "words"
    where = path.replace("{model:path}", model).replace("{deployment:path}", "words")
    where = where.format(**world.ids, plan=plan, trace="req_unknown")
    headers = HEADERS.get(f"{method} {path}")
    answer = await world.ask(caller, method, where, json=body, headers=headers)
    assert PASSWORD not in answer.text
    return answer.status_code
