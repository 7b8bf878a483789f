# The platform: one image for gateway, portal, worker, beat and the migration Job. How to build it: README.md beside this.
# For a build that can be repeated to the byte, give a digest: --build-arg BASE=debian:bookworm-slim@sha256:…
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3.11 python3-pip \
 && rm -rf /var/lib/apt/lists/*
ENV PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# Wheels alone, each with its hash, so nothing is compiled. Where packages come through a company's own mirror, pip's
# settings and the mirror's certificate are lent to this step as secrets and stay in no layer.
COPY requirements.lock /build/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/mirror.pem \
    python3.11 -m venv --without-pip /opt/venv \
 && python3.11 -m pip --python /opt/venv/bin/python install --no-compile --no-deps --only-binary :all: \
    --require-hashes --requirement /build/requirements.lock
# Packages' own tests and the pages of LiteLLM's proxy serve nobody here. Modules are compiled ahead, for a root that
# nobody writes to, and checked against nothing, since times differ from build to build.
RUN find /opt/venv/lib -depth -type d -name tests -exec rm -r {} + \
 && rm -rf /opt/venv/lib/python3.11/site-packages/litellm/proxy/_experimental/out \
 && python3.11 -m compileall -q --invalidation-mode unchecked-hash /opt/venv/lib

WORKDIR /app
COPY LICENSE manage.py ./
COPY deploy/*.py deploy/
COPY deploy/eyes deploy/eyes/
COPY templates templates/
COPY static static/
COPY inference inference/
COPY artemis_site artemis_site/
COPY apps apps/
# What production would refuse to start without is made up for this one command.
RUN chmod -R u=rwX,go=rX . \
 && ARTEMIS_ENV=production ARTEMIS_HOME=/tmp/artemis STATIC_ROOT=/app/static-collected LITELLM_LOCAL_MODEL_COST_MAP=True \
    SECRET_KEY=for-collecting-static-files-and-for-nothing-else-at-all DATABASE_URL=postgres://nobody@127.0.0.1:1/none \
    REDIS_URL=redis://127.0.0.1:1/0 EMAIL_URL=smtp://127.0.0.1:1 PUBLIC_URL=https://build.invalid ALLOWED_HOSTS=build.invalid \
    /opt/venv/bin/python manage.py collectstatic --noinput --verbosity 0 \
 && python3.11 -m compileall -q --invalidation-mode unchecked-hash .


FROM ${BASE}
# tini, since a reader of documents whose worker was killed is left to process 1, and Celery buries only its own children.
# The standard library is compiled as above: its times, too, may be set anew. Folders on which volumes are put exist
# beforehand, since Docker gives a new volume the owner that it finds there.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3.11 tini \
 && PYTHONHASHSEED=0 python3.11 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3.11 \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
 && echo "artemis:x:10001:10001::/var/lib/artemis:/usr/sbin/nologin" >> /etc/passwd \
 && echo "artemis:x:10001:" >> /etc/group \
 && for folder in "" /files /metrics-worker; do install -d -m 0750 -o 10001 -g 10001 /var/lib/artemis$folder; done
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app

ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="artemis-platform" \
      org.opencontainers.image.description="Artemis: gateway, portal, worker, beat and migrations" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

ENV PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LITELLM_LOCAL_MODEL_COST_MAP=True \
    ARTEMIS_ENV=production \
    ARTEMIS_HOME=/var/lib/artemis \
    ARTEMIS_BIND=0.0.0.0 \
    ARTEMIS_PORT=8000 \
    STATIC_ROOT=/app/static-collected
WORKDIR /app
USER 10001:10001
EXPOSE 8000
# Written and read: /var/lib/artemis and /tmp; all else may be mounted read-only.
ENTRYPOINT ["/usr/bin/tini", "--"]
CMD ["gunicorn", "-c", "deploy/gunicorn.py"]
