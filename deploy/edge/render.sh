#!/bin/sh
# Writes nginx's configuration, from the environment, to standard output. POSIX sh and awk: the image needs no more.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/settings.sh"

version=$("$EDGE_NGINX" -v 2>&1 | sed -n 's|.*nginx/\([0-9.]*\).*|\1|p')
built=$("$EDGE_NGINX" -V 2>&1)

# newer MAJOR MINOR PATCH: whether nginx is that version or a later one
newer() {
    printf '%s.0.0\n' "$version" |
        awk -F. -v a="$1" -v b="$2" -v c="$3" '{ exit !($1 * 1e6 + $2 * 1e3 + $3 >= a * 1e6 + b * 1e3 + c) }'
}

export HERE="$here" HTTP2_PARAMETER='' HTTP2_DIRECTIVE='' NJS_MODULE='' TLS='' ANY_NAME='' FIRST_NAME='' LAST_CALL='' IPV6='' LOG_ADDRESSES='' TRACES='' CONNECTIONS=''
if newer 1 25 1; then HTTP2_DIRECTIVE=on; else HTTP2_PARAMETER=' http2'; fi

if newer 1 27 4; then LAST_CALL=on; fi

modules=$(printf '%s' "$built" | tr ' ' '\n' | sed -n 's/^--modules-path=//p')
if [ -n "$modules" ] && [ -e "$modules/ngx_http_js_module.so" ]; then
    NJS_MODULE=$modules/ngx_http_js_module.so
else
    case $built in
        *njs*) ;;
        *) refuse "$EDGE_NGINX has no njs: install its module (libnginx-mod-http-js, nginx-module-njs)." ;;
    esac
fi

# Without a certificate only http is served, so that ACME can bring one; entrypoint.sh renders anew once there is one.
[ ! -s "$EDGE_TLS_CERTIFICATE" ] || [ ! -s "$EDGE_TLS_KEY" ] || TLS=on

case " $EDGE_SERVER_NAME " in
    *' _ '*) ANY_NAME=on ;;
esac
FIRST_NAME=${EDGE_SERVER_NAME%% *}

[ "$EDGE_IPV6" = off ] || IPV6=on
[ "$EDGE_LOG_ADDRESSES" = off ] || LOG_ADDRESSES=on
[ "$EDGE_TRACES" = off ] || TRACES=on
case $EDGE_TRACES in
    off | 0) BEGUN='* 00;' ;;
    100) BEGUN='* 01;' ;;
    *) BEGUN="$EDGE_TRACES% 01; * 00;" ;;
esac
export BEGUN
case $built in
    *http_stub_status_module*) CONNECTIONS=on ;;
esac

resolve=''
if [ -n "$EDGE_RESOLVER" ]; then
    newer 1 27 3 || refuse "EDGE_RESOLVER takes nginx 1.27.3 or later, this is $version: leave it out, and use names that do not move."
    resolve=' resolve'
fi

servers() {
    for server in $1; do
        printf '        server %s max_fails=2 fail_timeout=5s%s;\n' "$server" "$resolve"
    done
}
GATEWAY_SERVERS=$(servers "$EDGE_GATEWAY_UPSTREAM")
PORTAL_SERVERS=$(servers "$EDGE_PORTAL_UPSTREAM")
TRUSTED=$(for network in $EDGE_TRUSTED_PROXIES; do printf '    set_real_ip_from %s;\n' "$network"; done)
SERVED_HOSTS=$(for name in $EDGE_SERVER_NAME; do printf '        %s %s;\n' "$name" "$name"; done)
ACME=$EDGE_ACME_UPSTREAM$EDGE_ACME_ROOT
export GATEWAY_SERVERS PORTAL_SERVERS SERVED_HOSTS TRUSTED ACME

exec awk -f "$here/fill.awk" "$here/nginx.conf.template"
