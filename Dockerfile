# The service as a container: the same lock as `make run`, no root, no compiler.
#
#   docker build -t onset .
#   docker run -p 8000:8000 -v onset:/var/lib/onset onset
#   docker run -e DATABASE_URL=postgresql://... onset trainer

FROM python:3.11-slim AS build
WORKDIR /opt/onset
COPY pyproject.toml requirements.lock requirements-dev.lock README.md LICENSE ./
COPY scripts/install.sh scripts/
COPY app app
RUN scripts/install.sh .venv requirements.lock \
    && .venv/bin/python -m compileall -q .venv/lib app

FROM python:3.11-slim
RUN useradd --system --uid 1000 --home-dir /var/lib/onset --create-home onset
WORKDIR /opt/onset
COPY --from=build /opt/onset/.venv .venv
COPY alembic.ini pyproject.toml README.md LICENSE ./
COPY migrations migrations
COPY --from=build /opt/onset/app app
ENV PATH=/opt/onset/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/lib/onset/numba \
    ONSET_DATA_DIR=/var/lib/onset/data \
    ONSET_MODELS_DIR=/var/lib/onset/models \
    ONSET_HOST=0.0.0.0
USER onset
VOLUME /var/lib/onset
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ.get(\"ONSET_PORT\", 8000)}/health/ready', timeout=4)"]
ENTRYPOINT ["onset"]
CMD ["serve"]
