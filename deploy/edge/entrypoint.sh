#!/bin/sh
# Renders the configuration, runs nginx, and reloads it when the certificate was renewed. Its first process.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/settings.sh"

mkdir -p "$EDGE_RUN_FOLDER" "$EDGE_CACHE_FOLDER"
conf=$EDGE_RUN_FOLDER/nginx.conf
errors=$EDGE_RUN_FOLDER/errors

# Two descriptors for each connection.
hard=$(ulimit -H -n)
[ "$hard" != unlimited ] && [ "$hard" -lt 65536 ] || hard=65536
ulimit -S -n "$hard"

certificate() { cat "$EDGE_TLS_CERTIFICATE" "$EDGE_TLS_KEY" 2>/dev/null | cksum; }

# Keeps what nginx has where the new configuration does not pass its test.
render() {
    sh "$here/render.sh" >"$conf.new" || return 1
    "$EDGE_NGINX" -e stderr -t -q -p "$EDGE_RUN_FOLDER" -c "$conf.new" || return 1
    mv "$conf.new" "$conf"
}

known=$(certificate)
render || exit 78
[ -s "$EDGE_TLS_CERTIFICATE" ] || say "there is no $EDGE_TLS_CERTIFICATE yet: only http is served until there is."

# nginx's own messages quote requests, whose addresses may hold secrets: they are cut where the quotation begins.
rm -f "$errors"
mkfifo -m 600 "$errors"
# That nobody hears what is told of requests (EDGE_EYES_PORT) Prometheus says; nginx would at every second one.
while IFS= read -r line; do
    case $line in
        *'send() failed (111: Connection refused)' | *' while logging to syslog, '*) continue ;;
    esac
    line=${line%%, request: *}
    printf '%s\n' "${line%%, referrer: *}" >&2
done <"$errors" &
"$EDGE_NGINX" -e stderr -p "$EDGE_RUN_FOLDER" -c "$conf" -g 'daemon off;' 2>"$errors" &
nginx=$!

# TERM lets open requests end, as QUIT does for nginx; HUP renders anew and reloads.
trap 'kill -QUIT "$nginx" 2>/dev/null || :' TERM QUIT INT
trap 'render && kill -HUP "$nginx" || :' HUP

watch_certificate() {
    while sleep "$EDGE_RELOAD_SECONDS" && kill -0 "$nginx" 2>/dev/null; do
        now=$(certificate)
        [ "$now" != "$known" ] && [ -s "$EDGE_TLS_CERTIFICATE" ] && [ -s "$EDGE_TLS_KEY" ] || continue
        if render; then
            known=$now
            kill -HUP "$nginx" 2>/dev/null || :
            say "the certificate is new; nginx reloads it."
        else
            say "the certificate that is there now does not fit; nginx goes on with the one it has."
        fi
    done
}
watch_certificate &
watching=$!

# A signal for which there is a trap interrupts the waiting, with a status of its own, above 128.
while :; do
    status=0
    wait "$nginx" || status=$?
    kill -0 "$nginx" 2>/dev/null || break
done
if [ "$status" -gt 128 ]; then
    last=0
    wait "$nginx" || last=$?
    [ "$last" -eq 127 ] || status=$last  # 127: it has been told already
fi
kill "$watching" 2>/dev/null || :
exit "$status"
