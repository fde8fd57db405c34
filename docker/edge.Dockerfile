# The camera at the door. Built from the repository's root: `make images`, or `docker build -f docker/edge.Dockerfile .`
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
# Lines of docker/prune/edge.txt that are not pruned: "gpu|cache" or "npu", with the driver in PACKAGES below.
ARG KEEP=
COPY docker/assembly/environment.sh docker/assembly/timeless.sh docker/locks/edge.txt ./
COPY docker/prune/edge.txt prune.txt
RUN ./environment.sh edge.txt prune.txt "$KEEP"
COPY docker/assembly/bill.sh docker/locks/sbom.txt pyproject.toml ./
RUN ./bill.sh sbom.txt pyproject.toml
COPY docker/assembly/application.sh ./
COPY docker/assembly/probe.py LICENSE /source/
COPY edge/ /source/edge/
COPY cloud/__init__.py /source/cloud/
COPY cloud/contract/ /source/cloud/contract/
RUN ./application.sh

FROM ${PYTHON_IMAGE}
# Debian's packages for an accelerator, such as intel-opencl-icd.
ARG PACKAGES=
RUN if [ -n "$PACKAGES" ]; then apt-get update -qq && apt-get install -qq --no-install-recommends $PACKAGES && rm -rf /var/lib/apt/lists/*; fi
COPY --from=build /image/ /
COPY --from=build /bill/ /
COPY --from=build /application/ /
# Platforms such as OpenShift choose a user for each namespace and give this user group 0.
RUN install -d -o 10001 -g 0 -m 775 /var/lib/maskgate /var/cache/maskgate \
    && touch -d @315532800 /var/lib/maskgate /var/cache/maskgate /var/lib /var/cache
# The application has an environment of its own. Nothing uses the base's pip and setuptools, and scanners of images often
# report them. This layer is the last one: a removal records its time, so the layers before it stay the same.
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* /usr/local/bin/wheel* \
      /usr/lib/python3/dist-packages/* /usr/lib/python3*/ensurepip /usr/share/python-wheels /usr/bin/pip* /usr/bin/wheel*
ENV PATH=/opt/maskgate/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/nonexistent PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    EDGE_STATE_DIR=/var/lib/maskgate EDGE_MODEL_CACHE_DIR=/var/cache/maskgate \
    EDGE_METRICS_HOST=0.0.0.0 EDGE_METRICS_PORT=9100 EDGE_LOG_JSON=true \
    EDGE_HEARTBEAT_FILE=/dev/shm/maskgate-heartbeat
USER 10001:10001
WORKDIR /app
EXPOSE 9100
VOLUME ["/var/lib/maskgate", "/var/cache/maskgate"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=6s --start-period=60s --retries=3 \
  CMD ["python", "/app/probe.py", "/dev/shm/maskgate-heartbeat", "http://127.0.0.1:9100/metrics", "maskgate_edge_camera_stalled=0"]
ENTRYPOINT ["python", "-m", "edge"]
CMD ["run"]
ARG VERSION=0
ARG REVISION=
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.title="Maskgate edge" \
      org.opencontainers.image.description="The camera at the door: finds faces, judges masks, keeps every event until the cloud has it" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
