# The operator's page and the gate's screen. Built from the repository's root: `make images`, or
# `docker build -f docker/dashboard.Dockerfile .`
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
COPY docker/assembly/environment.sh docker/assembly/timeless.sh docker/locks/dashboard.txt ./
COPY docker/prune/dashboard.txt prune.txt
RUN ./environment.sh dashboard.txt prune.txt
COPY docker/assembly/bill.sh docker/locks/sbom.txt pyproject.toml ./
RUN ./bill.sh sbom.txt pyproject.toml
COPY docker/assembly/application.sh ./
COPY docker/assembly/probe.py LICENSE /source/
COPY .streamlit/ /source/.streamlit/
COPY dashboard/ /source/dashboard/
COPY cloud/__init__.py /source/cloud/
COPY cloud/client/ /source/cloud/client/
COPY cloud/contract/ /source/cloud/contract/
RUN ./application.sh

FROM ${PYTHON_IMAGE}
COPY --from=build /image/ /
COPY --from=build /bill/ /
COPY --from=build /application/ /
# The application has an environment of its own. Nothing uses the base's pip and setuptools, and scanners of images often
# report them. This layer is the last one: a removal records its time, so the layers before it stay the same.
RUN rm -rf /usr/local/lib/python3*/site-packages/* /usr/local/lib/python3*/ensurepip /usr/local/bin/pip* /usr/local/bin/wheel* \
      /usr/lib/python3/dist-packages/* /usr/lib/python3*/ensurepip /usr/share/python-wheels /usr/bin/pip* /usr/bin/wheel*
ENV PATH=/opt/maskgate/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/nonexistent PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 DASHBOARD_LOG_JSON=true
USER 10001:10001
WORKDIR /app
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=6s --start-period=30s --retries=3 \
  CMD ["python", "/app/probe.py", "http://127.0.0.1:8501/_stcore/health"]
ENTRYPOINT ["python", "-m", "dashboard"]
ARG VERSION=0
ARG REVISION=
ARG CREATED=
ARG SOURCE=
LABEL org.opencontainers.image.title="Maskgate dashboard" \
      org.opencontainers.image.description="The gate's screen, and the operator's page" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
