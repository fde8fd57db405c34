# API, worker and bot. Built from the repository's root: `make images`, or `docker build -f docker/cloud.Dockerfile .`
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY docker/assembly/environment.sh docker/assembly/timeless.sh docker/locks/cloud.txt ./
COPY docker/prune/cloud.txt prune.txt
RUN ./environment.sh cloud.txt prune.txt
COPY docker/assembly/bill.sh docker/locks/sbom.txt pyproject.toml ./
RUN ./bill.sh sbom.txt pyproject.toml
COPY docker/assembly/application.sh ./
COPY docker/assembly/probe.py LICENSE /source/
COPY cloud/ /source/cloud/
RUN ./application.sh

FROM ${PYTHON_IMAGE}
COPY --from=build /image/ /
COPY --from=build /bill/ /
COPY --from=build /application/ /
# Platforms such as OpenShift choose a user for each namespace and give this user group 0.
RUN install -d -o 10001 -g 0 -m 775 /var/backups/maskgate && touch -d @315532800 /var/backups/maskgate /var/backups
# The application has an environment of its own. Nothing uses the base's pip and setuptools, and scanners of images often
# report them. This layer is the last one: a removal records its time, so the layers before it stay the same.
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* /usr/local/bin/wheel* \
      /usr/lib/python3/dist-packages/* /usr/lib/python3*/ensurepip /usr/share/python-wheels /usr/bin/pip* /usr/bin/wheel*
ENV PATH=/opt/maskgate/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/nonexistent PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    CLOUD_HOST=0.0.0.0 CLOUD_PORT=8000 CLOUD_METRICS_PORT=9100
USER 10001:10001
WORKDIR /app
EXPOSE 8000 8443 9100
STOPSIGNAL SIGTERM
# The API answers at the first address, worker and bot at the second.
HEALTHCHECK --interval=15s --timeout=11s --start-period=30s --retries=3 \
  CMD ["python", "/app/probe.py", "http://127.0.0.1:8000/healthz", "http://127.0.0.1:9100/metrics"]
ENTRYPOINT ["python", "-m", "cloud"]
CMD ["api"]
ARG VERSION=0
ARG REVISION=
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.title="Maskgate cloud" \
      org.opencontainers.image.description="API, worker and bot: decides on access, makes single-use passes, tells people" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
