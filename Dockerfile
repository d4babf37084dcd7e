# The gateway as a container: runs as nobody, needs one writable folder (/data), nothing else.
#
#   docker run --read-only --cap-drop ALL --security-opt no-new-privileges \
#       -v pictures:/data -v ./etc:/etc/image-gateway:ro -p 8080:8080 image-gateway
#
# with config.yaml in ./etc (the folder, not the file: only so a change of it arrives).
#
# Operators listen on port 9464, on the container's own loopback, which serves the health check and
# nobody else. For Prometheus in another container they listen on all addresses and want a token:
#
#       -v ./token:/run/secrets/operators:ro -e GATEWAY__OPS__HOST=0.0.0.0 \
#       -e GATEWAY__OPS__TOKEN_FILE=/run/secrets/operators

FROM python:3.13.9-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore \
    UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /src

# uv by the hash in the lock, so that nothing comes in unchecked
COPY requirements.lock requirements-dev.lock ./
RUN awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements-dev.lock > uv.txt \
    && python -m pip install --quiet --require-hashes --no-deps -r uv.txt \
    && python -m uv venv --quiet /opt/gateway \
    && python -m uv pip install --quiet --require-hashes --compile-bytecode \
        --python /opt/gateway/bin/python -r requirements.lock

COPY pyproject.toml README.md LICENSE ./
COPY gateway ./gateway
RUN python -m uv build --quiet --wheel --offline --out-dir dist \
    && python -m uv pip install --quiet --no-deps --offline --compile-bytecode \
        --python /opt/gateway/bin/python dist/image_gateway-*.whl \
    && mkdir /data \
    && chown 65532:65532 /data

FROM python:3.13.9-slim-bookworm
COPY --from=build /opt/gateway /opt/gateway
COPY --from=build --chown=65532:65532 /data /data
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/data \
    GATEWAY__SERVER__HOST=0.0.0.0
# relative folders, as the default data/images, then lie in /data
WORKDIR /
USER 65532:65532
VOLUME /data
# callers, operators
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9464/livez', timeout=2)"]
ENTRYPOINT ["image-gateway"]
CMD ["serve", "--config", "/etc/image-gateway/config.yaml"]
