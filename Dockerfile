# Two stages: all that is compiled is compiled here, so that a container starts at once on a read-only root file system.
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS build
# Kernels are compiled for one kind of processor, whatever machine builds the image: every x86-64 server with AVX2 (2013 on).
# On ARM: --build-arg KERNEL_CPU=generic
ARG KERNEL_CPU=x86-64-v3
ENV NUMBA_CPU_NAME=${KERNEL_CPU} NUMBA_CPU_FEATURES="" NUMBA_CACHE_DIR=/opt/tocsin/kernels
WORKDIR /opt/tocsin
COPY requirements.lock pyproject.toml k8s/image/prune.py ./
RUN python3 -m venv .venv \
    && .venv/bin/python -m pip install --no-cache-dir --require-hashes -r requirements.lock \
    && .venv/bin/python prune.py pyproject.toml \
    && rm prune.py requirements.lock
COPY . .
# numba knows a source by its time: whole seconds, since layers keep no parts of them.
RUN rm -r k8s && find . -name '*.py' -not -path './.venv/*' -exec touch -d 2020-01-01T00:00:00Z {} + \
    && ./tocsin warm \
    && .venv/bin/python -m compileall -q agents dataflows enrichers models

FROM ${BASE}
ARG KERNEL_CPU=x86-64-v3
ENV NUMBA_CPU_NAME=${KERNEL_CPU} NUMBA_CPU_FEATURES="" NUMBA_CACHE_DIR=/tmp/kernels \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    PATH=/opt/tocsin:/usr/local/bin:/usr/bin:/bin
COPY --from=build /opt/tocsin /opt/tocsin
COPY --chmod=0555 k8s/image/entrypoint /opt/tocsin/entrypoint
WORKDIR /app
USER 10001:10001
EXPOSE 9090
ENTRYPOINT ["/opt/tocsin/entrypoint"]
CMD ["--help"]
