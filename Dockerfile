# One image for the API, the workers, the housekeeper and the migrate step.
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
# Further options for installing torch, for example where your CPU or CUDA build comes from.
ARG TORCH_OPTIONS=
# What to install of pyproject.toml's extras; "server,cuda" for workers with a GPU.
ARG EXTRAS=server,mlflow
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/ltforge
WORKDIR /src
# First what changes rarely: torch alone is larger than everything else together.
COPY constraints.txt ./
RUN /opt/ltforge/bin/pip install --constraint constraints.txt ${TORCH_OPTIONS} torch
COPY pyproject.toml README.md LICENSE ./
COPY ltengine ./ltengine
COPY service ./service
COPY worker ./worker
COPY ltforge ./ltforge
COPY migrations ./migrations
RUN /opt/ltforge/bin/pip install --constraint constraints.txt ".[${EXTRAS}]"

FROM python:${PYTHON}
COPY --from=build /opt/ltforge /opt/ltforge
# The two folders that are written to; everything else may be mounted read-only.
# A fresh named volume takes over the owner of the folder it covers.
RUN useradd --system --uid 10001 --home-dir /var/lib/ltforge ltforge \
    && install --directory --mode 0700 --owner ltforge /var/lib/ltforge /var/cache/ltforge
ENV PATH=/opt/ltforge/bin:${PATH} \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    NUMBA_CACHE_DIR=/var/cache/ltforge \
    LTFORGE_DATA=/var/lib/ltforge
USER 10001
WORKDIR /var/lib/ltforge
EXPOSE 8000
# Alone, the image is the embedded default; docker-compose.yml gives each service its command.
CMD ["ltforge", "serve", "--host", "0.0.0.0", "--port", "8000"]
