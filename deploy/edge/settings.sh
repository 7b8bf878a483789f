# The settings of the edge: what there is, what it is by default, and which values nginx can be given.
# Read by render.sh and, before it, by entrypoint.sh: read twice, a setting stays what it is. Whatever is unknown or unfit
# is refused in one sentence.

say() { printf 'edge: %s\n' "$1" >&2; }
refuse() { say "$1"; exit 78; }

KNOWN=" "

# setting NAME DEFAULT: sets and exports it
setting() {
    eval "value=\${$1-}"
    [ -n "$value" ] || value=$2
    case $value in
        *'
'*) refuse "$1 has more than one line." ;;
    esac
    export "$1=$value"
    KNOWN="$KNOWN$1 "
}

required() {
    [ -n "$value" ] || refuse "$1 is missing: $2"
}

# whole NAME LEAST MOST
whole() {
    case $value in
        '' | *[!0-9]* | 0?* | ??????????*) refuse "$1 takes a whole number, from $2 to $3, not '$value'." ;;
    esac
    [ "$value" -ge "$2" ] && [ "$value" -le "$3" ] || refuse "$1 takes a whole number, from $2 to $3, not '$value'."
}

size() {
    case ${value%[kmg]} in
        '' | *[!0-9]* | 0*) refuse "$1 takes a size such as 10m, not '$value'." ;;
    esac
}

switch() {
    case $value in
        on | off) ;;
        *) refuse "$1 is on or off, not '$value'." ;;
    esac
}

# path NAME: absolute, of characters that mean nothing to nginx; or empty
path() {
    case $value in
        '') ;;
        *[!A-Za-z0-9/._-]*) refuse "$1 takes a path of letters, digits, '.', '_' and '-', not '$value'." ;;
        /*) ;;
        *) refuse "$1 takes an absolute path, not '$value'." ;;
    esac
}

# each NAME CHECK: of a list by commas or spaces, which is left with spaces
each() {
    value=$(printf %s "$value" | tr ',' ' ')
    export "$1=$value"
    for item in $value; do
        "$2" "$item" || refuse "$1: '$item' is not $3."
    done
}

is_endpoint() {
    case $1 in
        *[!A-Za-z0-9.:_-]* | *:*:* | :* | *: | [!A-Za-z0-9]*) return 1 ;;
        *:*) ;;
        *) return 1 ;;
    esac
    is_port "${1##*:}"
}

is_port() {
    case $1 in
        '' | *[!0-9]* | 0* | ??????*) return 1 ;;
    esac
    [ "$1" -le 65535 ]
}

is_host() {
    case $1 in
        _) ;;
        *[!A-Za-z0-9.-]* | [.-]* | *..* | *[.-]) return 1 ;;
    esac
}

is_network() {
    case $1 in
        *[!0-9A-Fa-f.:/]* | /* | */) return 1 ;;
        *.*.*.* | *:*) ;;
        *) return 1 ;;
    esac
}

is_resolver() {
    case $1 in
        *[!A-Za-z0-9.:-]*) return 1 ;;
    esac
}

setting EDGE_SERVER_NAME ''
required EDGE_SERVER_NAME "give the host names that are served here, or _ for any."
each EDGE_SERVER_NAME is_host "a host name"
setting EDGE_GATEWAY_UPSTREAM ''
required EDGE_GATEWAY_UPSTREAM "give host:port of the gateway plane, several by commas."
each EDGE_GATEWAY_UPSTREAM is_endpoint "host:port"
setting EDGE_PORTAL_UPSTREAM ''
required EDGE_PORTAL_UPSTREAM "give host:port of the portal plane, several by commas."
each EDGE_PORTAL_UPSTREAM is_endpoint "host:port"
setting EDGE_RESOLVER ''
each EDGE_RESOLVER is_resolver "the address of a name server"

setting EDGE_HTTP_PORT 8080
whole EDGE_HTTP_PORT 1 65535
setting EDGE_HTTPS_PORT 8443
whole EDGE_HTTPS_PORT 1 65535
setting EDGE_IPV6 off
switch EDGE_IPV6
setting EDGE_TLS_CERTIFICATE /etc/edge/tls/tls.crt
path EDGE_TLS_CERTIFICATE
setting EDGE_TLS_KEY /etc/edge/tls/tls.key
path EDGE_TLS_KEY
setting EDGE_HSTS 'max-age=31536000'
case $value in
    *[!A-Za-z0-9=\;\ -]*) refuse "EDGE_HSTS takes the value of the header Strict-Transport-Security, not '$value'." ;;
esac
setting EDGE_TRUSTED_PROXIES ''
each EDGE_TRUSTED_PROXIES is_network "an address or a network"
setting EDGE_ACME_UPSTREAM ''
[ -z "$value" ] || is_endpoint "$value" || refuse "EDGE_ACME_UPSTREAM: '$value' is not host:port."
setting EDGE_ACME_ROOT ''
path EDGE_ACME_ROOT
[ -z "$EDGE_ACME_UPSTREAM" ] || [ -z "$EDGE_ACME_ROOT" ] ||
    refuse "EDGE_ACME_UPSTREAM and EDGE_ACME_ROOT are both given: who answers the challenges?"

setting EDGE_ADDRESS_RATE 100
whole EDGE_ADDRESS_RATE 1 1000000
setting EDGE_ADDRESS_BURST 200
whole EDGE_ADDRESS_BURST 1 1000000
setting EDGE_ADDRESS_CONNECTIONS 256
whole EDGE_ADDRESS_CONNECTIONS 1 65535
setting EDGE_KEY_RATE 100
whole EDGE_KEY_RATE 1 1000000
setting EDGE_KEY_BURST 200
whole EDGE_KEY_BURST 1 1000000
setting EDGE_KEY_CONNECTIONS 128
whole EDGE_KEY_CONNECTIONS 1 65535
setting EDGE_KEY_SECONDS 5
whole EDGE_KEY_SECONDS 1 60
setting EDGE_MAX_BODY 10m
size EDGE_MAX_BODY
setting EDGE_MAX_UPLOAD 256m
size EDGE_MAX_UPLOAD
setting EDGE_HEADER_SECONDS 10
whole EDGE_HEADER_SECONDS 1 600
setting EDGE_BODY_SECONDS 20
whole EDGE_BODY_SECONDS 1 600
setting EDGE_STREAM_TIMEOUT 600
whole EDGE_STREAM_TIMEOUT 1 86400

setting EDGE_MAINTENANCE /etc/edge/maintenance
path EDGE_MAINTENANCE
setting EDGE_LOG_ADDRESSES on
switch EDGE_LOG_ADDRESSES
setting EDGE_EYES_PORT ''
[ -z "$value" ] || whole EDGE_EYES_PORT 1 65535
setting EDGE_TRACES off
[ "$value" = off ] || whole EDGE_TRACES 0 100
[ "$value" = off ] || [ -n "$EDGE_EYES_PORT" ] ||
    refuse "EDGE_TRACES takes EDGE_EYES_PORT: who else makes the spans that planes are told of?"
setting EDGE_WORKERS 2
whole EDGE_WORKERS 1 256
setting EDGE_RELOAD_SECONDS 30
whole EDGE_RELOAD_SECONDS 1 86400
setting EDGE_RUN_FOLDER /tmp/edge
path EDGE_RUN_FOLDER
setting EDGE_CACHE_FOLDER /var/cache/nginx
path EDGE_CACHE_FOLDER
setting EDGE_NGINX nginx

# What Kubernetes says of a Service named `edge` looks like settings (EDGE_SERVICE_HOST, EDGE_PORT_8443_TCP, …).
for name in $(env | sed -n 's/^\(EDGE_[A-Za-z0-9_]*\)=.*/\1/p'); do
    case $name in
        EDGE_SERVICE_* | EDGE_PORT | EDGE_PORT_*) continue ;;
    esac
    case $KNOWN in
        *" $name "*) ;;
        *) refuse "there is no setting $name; deploy/edge/README.md lists those that there are." ;;
    esac
done
