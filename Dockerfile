# One image per context of functions: `docker build --build-arg CONTEXT=gateway .`; all of them: `make images`.
#
# CONTEXT   folder below functions/, or `objects` for the program that declares buckets
# EXTRA     lock file below requirements/; another one than the context's makes a variant, such as guardrails-full
# BASE      Debian or Alpine with Python 3.11 or later and its venv module; name it by digest where releases are made
ARG BASE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE} AS packages
ARG CONTEXT
ARG EXTRA
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/venv
# Every file of every package is named by its hash. Wheels alone, so nothing is compiled and no compiler is there; the two
# that come as source are pure Python, built with what build.txt locks.
COPY requirements/ /requirements/
RUN /opt/venv/bin/pip install --quiet --require-hashes --no-deps --only-binary :all: -r /requirements/build.txt \
    && /opt/venv/bin/pip install --quiet --require-hashes --no-deps --no-build-isolation \
        --only-binary :all: --no-binary langdetect,nkeys \
        -r "/requirements/${EXTRA:-${CONTEXT:?name a context: --build-arg CONTEXT=gateway}}.txt" \
    && /opt/venv/bin/pip uninstall --quiet --yes setuptools pip
COPY functions/ /app/functions/
COPY kong/ /app/kong/
COPY local/ /app/local/
COPY stateful/ /app/stateful/
COPY pyproject.toml /app/
# Compiled once, here: a cold start reads bytecode. By hash and unchecked, since layers do not keep times of change. Of
# packages some ship templates that are no Python; of ours everything is.
RUN mkdir -p /opt/venv/share/sbom \
    && python3 /app/local/images/assemble.py "${CONTEXT}" /app "$(echo /opt/venv/lib/python3*/site-packages)" \
        /opt/venv/share/sbom/python.cdx.json \
    && { /opt/venv/bin/python -m compileall -qq --invalidation-mode unchecked-hash /opt/venv/lib || true; } \
    && /opt/venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /app

FROM ${BASE}
ARG CONTEXT
ARG REVISION=unknown
LABEL org.opencontainers.image.title="dcoder-${CONTEXT}" \
      org.opencontainers.image.description="Functions of the D.Coder LLM Platform: ${CONTEXT}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      dev.dcoder.sbom="/opt/venv/share/sbom/python.cdx.json"
# Nobody owns the code but root: what runs cannot change what runs next. Records wait in the spool.
RUN mkdir -p /var/lib/dcoder/spool && chown 10001:10001 /var/lib/dcoder/spool
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages /app /app
ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DCODER_SPOOL_DIR=/var/lib/dcoder/spool PORT=8080
WORKDIR /app
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
# `docker run IMAGE functions.kit.serve gateway-chat`: a module and its arguments.
ENTRYPOINT ["python", "-P", "-m"]
CMD ["functions.kit.serve"]
