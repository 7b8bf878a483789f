# Engines for machines without a GPU, each with the small model that its packages carry: `llamacpp` (chat) and `minilm`
# (embeddings); the command says which of them a container is. How to build it: README.md beside this.
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3.11 python3-pip \
 && rm -rf /var/lib/apt/lists/*
ENV PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY inference/environments/llamacpp.lock inference/environments/embeddings.lock /build/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/etc/ssl/mirror.pem \
    for engine in llamacpp embeddings; do \
      python3.11 -m venv --without-pip /opt/engines/$engine \
      && python3.11 -m pip --python /opt/engines/$engine/bin/python install --no-compile --no-deps --only-binary :all: \
         --require-hashes --requirement /build/$engine.lock \
      || exit 1; \
    done
WORKDIR /app
COPY inference inference/
RUN chmod -R u=rwX,go=rX . \
 && find /opt/engines -depth -type d -name tests -exec rm -r {} + \
 && python3.11 -m compileall -q --invalidation-mode unchecked-hash /opt/engines .


FROM ${BASE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 python3.11 \
 && PYTHONHASHSEED=0 python3.11 -m compileall -q -f --invalidation-mode unchecked-hash /usr/lib/python3.11 \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
 && echo "artemis:x:10001:10001::/nonexistent:/usr/sbin/nologin" >> /etc/passwd \
 && echo "artemis:x:10001:" >> /etc/group
COPY --from=build /opt/engines /opt/engines
COPY --from=build /app /app

ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="artemis-cpu-engine" \
      org.opencontainers.image.description="Artemis: small chat and embedding engines for the CPU, models included" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001
EXPOSE 8000
# The engine takes this process's place. It writes nothing: the whole root may be mounted read-only.
ENTRYPOINT ["python3.11", "-m", "inference", "exec", "--home", "/opt", "--host", "0.0.0.0", "--port", "8000"]
CMD ["llamacpp"]
