# The nginx in front, with njs: what deploy/edge renders and runs. How to build it: README.md beside this.
# nginx's own image brings the module and its user 101; any base with nginx (1.27.3 or later for EDGE_RESOLVER) does.
ARG BASE=nginx:1.28

FROM ${BASE}
COPY deploy/edge /usr/share/artemis-edge
RUN chmod -R u=rwX,go=rX /usr/share/artemis-edge \
 && install -d -m 0755 /etc/edge /etc/edge/tls \
 && install -d -m 0750 -o 101 -g 101 /var/cache/nginx

ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="artemis-edge" \
      org.opencontainers.image.description="Artemis: TLS, limits and the key check in front of gateway and portal" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

USER 101:101
EXPOSE 8080 8443
STOPSIGNAL SIGTERM
# Written: /tmp and /var/cache/nginx; all else may be mounted read-only.
ENTRYPOINT ["/bin/sh", "/usr/share/artemis-edge/entrypoint.sh"]
CMD []
