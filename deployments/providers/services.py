"""The providers of an ingress replica: their models, and what runs beside requests.

In: the graph's ProvidersConfig and the environment with the keys. Out: models and embedders by id;
those that a provider lists come and go in the background.
"""

import asyncio
import logging
import ssl
from collections.abc import Iterator, Mapping
from typing import Protocol

from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from deployments.contracts.text_generator import ServedModel
from deployments.providers.background_check import (
    TIMEOUT_S,
    BackgroundCheck,
    CheckedUpstream,
    list_request,
)
from deployments.providers.build import ModelBuilder
from deployments.providers.config import ProvidersConfig
from deployments.providers.discovery import ListedModel, UnreadableList, parse_models
from deployments.providers.http.egress import Egress
from deployments.providers.http.exchange import HttpFault
from deployments.providers.http.pool import PoolExhausted
from deployments.providers.provider_embedder import ProviderEmbedder
from deployments.providers.provider_model import ProviderModel
from deployments.providers.spec import ProviderEmbeddingSpec, ProviderSpec
from deployments.providers.upstream import Upstream
from deployments.providers.upstream_caller import UpstreamCaller

_MAX_LIST = 8 << 20

log = logging.getLogger("mobula.providers")


class ModelListing(Protocol):
    """Who takes models that come and go (deployments/ingress/model_registry.py)."""

    def add_text_model(self, model: str, served: ServedModel) -> None:
        """Raises ValueError for an id that another model has."""
        ...

    def remove_text_model(self, model: str) -> None: ...


class Providers:
    """Make it, then `start` it on the loop that uses its models."""

    def __init__(
        self,
        config: ProvidersConfig,
        environment: Mapping[str, str],
        clock: Clock,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`environment` has the keys. `tls` has the trusted CAs (None: certifi's, or those of
        SSL_CERT_FILE). Raises UnsafeUrl."""
        specs = [ProviderSpec.model_validate(each) for each in config.models]
        self._egress = Egress(config.private_hosts, tls)
        self._builder = ModelBuilder(self._egress, environment, clock)
        self._clock = clock
        fixed = [spec for spec in specs if spec.discovery is None]
        self.models: dict[str, ProviderModel] = {
            spec.id: self._builder.text_model(spec) for spec in fixed
        }
        self.embedders: dict[str, ProviderEmbedder] = {}
        self._checked: list[CheckedUpstream] = []
        for spec in fixed:
            if spec.check:
                self._watch(spec.engine, self.models[spec.id].caller)
        for each in config.embeddings:
            embedding = ProviderEmbeddingSpec.model_validate(each)
            embedder = self._builder.embedder(embedding)
            self.embedders[embedding.id] = embedder
            if embedding.check:
                self._watch(embedding.engine, embedder.caller)
        self._discoveries = [
            ProviderDiscovery(spec, self._builder, self.models)
            for spec in specs
            if spec.discovery is not None
        ]
        self._check = BackgroundCheck(lambda: self._checked, self._upstreams, clock)

    def start(self, listing: ModelListing) -> None:
        if self.models or self.embedders or self._discoveries:
            self._check.start()
        for discovery in self._discoveries:
            discovery.start(listing)

    async def read_keys(self) -> None:
        """Takes keys whose files have changed, now."""
        await self._check.read_keys()

    async def check(self) -> None:
        """Asks the upstreams whether they work, now."""
        await self._check.ask()

    async def discover(self) -> None:
        """Asks for the lists of models, now; after `start`."""
        for discovery in self._discoveries:
            await discovery.refresh()

    async def close(self) -> None:
        await self._check.close()
        for discovery in self._discoveries:
            await discovery.close()
        self._builder.close()
        self._egress.close()

    def _watch(self, engine: str, caller: UpstreamCaller) -> None:
        self._checked += [(caller, upstream, engine) for upstream in caller.upstreams.values()]

    def _upstreams(self) -> Iterator[Upstream]:
        for model in self.models.values():
            yield from model.caller.upstreams.values()
        for embedder in self.embedders.values():
            yield from embedder.caller.upstreams.values()
        for discovery in self._discoveries:
            yield from discovery.upstreams


class ProviderDiscovery:
    """Serves what one provider lists, each model as `PREFIX/NAME`."""

    def __init__(
        self, spec: ProviderSpec, builder: ModelBuilder, models: dict[str, ProviderModel]
    ) -> None:
        """`models` takes the models, beside the listing that `start` names."""
        self.upstreams = builder.upstreams(spec, spec.engine)
        self._spec = spec
        self._discovery = spec.discovery
        assert self._discovery is not None
        self._builder = builder
        self._models = models
        self._listed: dict[str, ListedModel] = {}
        self._listing: ModelListing | None = None
        self._task = PeriodicTask(
            self.refresh, self._discovery.every_s, f"discovery of the models of '{spec.id}'"
        )

    def start(self, listing: ModelListing) -> None:
        self._listing = listing
        self._task.start()

    async def close(self) -> None:
        await self._task.close()

    async def refresh(self) -> None:
        """Asks once; a provider that does not answer keeps its models."""
        listed = await self._ask()
        if listed is None or self._listing is None:
            return
        found = {f"{self._spec.id}/{model.name}": model for model in listed}
        for id in self._listed.keys() - found.keys():
            self._listing.remove_text_model(id)
            del self._models[id], self._listed[id]
        for id, model in found.items():
            if self._listed.get(id) != model:
                self._add(self._listing, id, model)

    def _add(self, listing: ModelListing, id: str, model: ListedModel) -> None:
        spec = self._spec.model_copy(update={"id": id, "source": model.name, "discover": False})
        served = self._builder.text_model(
            spec, context_length=model.context_length, created=model.created
        )
        try:
            if id in self._listed:
                listing.remove_text_model(id)
            listing.add_text_model(id, served)
        except ValueError:
            log.warning("'%s' of a provider is left out: another model has that id", id)
            return
        self._models[id], self._listed[id] = served, model

    async def _ask(self) -> list[ListedModel] | None:
        spec = self._discovery
        assert spec is not None
        for upstream in self.upstreams:
            body = await self._body(upstream)
            if body is not None:
                try:
                    return parse_models(body, spec)
                except UnreadableList:
                    log.warning("the provider of '%s' answered no list of models", self._spec.id)
        return None

    async def _body(self, upstream: Upstream) -> bytes | None:
        if upstream.credential.problem is not None:
            log.warning("models of '%s': %s", self._spec.id, upstream.credential.problem)
            return None
        request = list_request(upstream, self._spec.engine)
        until = asyncio.get_running_loop().time() + TIMEOUT_S
        parts: list[bytes] = []
        try:
            connection, exchange = await upstream.pool.send(request, _MAX_LIST, until, TIMEOUT_S)
            try:
                while not exchange.ended:
                    parts.append(await exchange.piece(until))
                parts.append(exchange.take())
            finally:
                upstream.pool.release(connection, exchange)
        except (HttpFault, PoolExhausted, TimeoutError):
            log.warning("the provider of '%s' does not list its models now", self._spec.id)
            return None
        if exchange.status != 200:
            log.warning("models of '%s': status %d", self._spec.id, exchange.status)
            return None
        return b"".join(parts)
