"""`/api/v1/auth` and `/.well-known/jwks.json`: signing in, staying signed in, signing out."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from cluster.administration.sign_in import SignInService
from cluster.auth.sessions import TokenPair
from deployments.ingress.context import request_state
from deployments.ingress.http.client_address import client_address
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import Anyone, Operator, services_of
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE, OPEN
from deployments.ingress.schemas.admin import EmptyBody
from deployments.ingress.schemas.auth import (
    CallerResponse,
    JwksResponse,
    Login,
    PasswordChange,
    Refresh,
    SigningKeyResponse,
    TokensResponse,
)

router = APIRouter(tags=["auth"])


@router.post(
    "/api/v1/auth/login",
    response_model=TokensResponse,
    responses=OPEN,
    summary="Exchange an email and a password for tokens",
    openapi_extra=request_body(Login),
)
async def sign_in(request: Request) -> TokensResponse:
    """Send the access token as `Authorization: Bearer ...`, like a key."""
    body = await read_json(request, Login)
    password = body.password.get_secret_value()
    sessions, origin = _sessions(request), _origin(request)
    return _answer(await sessions.login(body.email, password, body.tenant, *origin))


@router.post(
    "/api/v1/auth/refresh",
    response_model=TokensResponse,
    responses=OPEN,
    summary="Exchange a refresh token for a new pair",
    openapi_extra=request_body(Refresh),
)
async def refresh_session(request: Request) -> TokensResponse:
    """A used token that comes again after ten seconds ends the sign-in, access tokens too."""
    body = await read_json(request, Refresh)
    return _answer(await _sessions(request).refresh(body.refresh_token, *_origin(request)))


@router.post(
    "/api/v1/auth/logout",
    status_code=204,
    responses=OPEN,
    summary="End a session",
    openapi_extra=request_body(Refresh),
)
async def sign_out(request: Request) -> Response:
    """Access tokens of this sign-in end too. 204 whether or not the token was still good."""
    body = await read_json(request, Refresh)
    await _sessions(request).logout(body.refresh_token, *_origin(request))
    return Response(status_code=204)


@router.get("/api/v1/auth/me", response_model=CallerResponse, responses=LOOK, summary="Who am I")
async def get_caller(access: Anyone) -> CallerResponse:
    caller = access.request.caller
    scopes = sorted(caller.scopes)
    about = CallerResponse(
        tenant=caller.tenant, kind=caller.kind, id=caller.key_id, scopes=scopes, plan=caller.plan
    )
    if caller.kind == "key":
        return about
    user = await access.admin.users.get(caller.tenant, caller.key_id)
    return about.model_copy(update={"email": user.email, "role": user.role})


@router.post(
    "/api/v1/auth/password",
    status_code=204,
    responses=CHANGE,
    summary="Change your own password",
    openapi_extra=request_body(PasswordChange),
)
async def change_password(access: Anyone, request: Request) -> Response:
    """Ends all your sessions, this one too: sign in again. A key has no password (403)."""
    body = await read_json(request, PasswordChange)
    current, new = body.current.get_secret_value(), body.new.get_secret_value()
    address, _ = _origin(request)
    await access.admin.sessions.change_password(access.actor, current, new, address)
    return Response(status_code=204)


@router.get(
    "/.well-known/jwks.json", response_model=JwksResponse, summary="Keys that verify access tokens"
)
async def get_jwks(request: Request) -> JwksResponse:
    return JwksResponse.model_validate(_sessions(request).jwks())


@router.post(
    "/api/v1/auth/signing-keys/rotate",
    status_code=201,
    response_model=SigningKeyResponse,
    responses=MAKE,
    summary="Roll the signing keys over",
    openapi_extra=request_body(EmptyBody),
)
async def rotate_signing_key(access: Operator, request: Request) -> SigningKeyResponse:
    """The new key signs in about 5 s; tokens of the old one stay good until they expire."""
    await read_json(request, EmptyBody)
    return SigningKeyResponse(id=await access.admin.sessions.rotate(access.actor))


def _sessions(request: Request) -> SignInService:
    return services_of(request).administration().sessions


def _origin(request: Request) -> tuple[str, str]:
    """The client's address and the request's id."""
    return client_address(request.scope), request_state(request.scope).request_id


def _answer(made: TokenPair) -> TokensResponse:
    return TokensResponse(
        access_token=made.access_token,
        refresh_token=made.refresh_token,
        expires_in=made.expires_in,
    )
