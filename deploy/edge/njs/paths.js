// What of a request's address may be told, and to which plane a path belongs.

// The path as the application reads it: decoded, with its dots and slashes as they came.
function path(r) {
    const raw = (r.variables.request_uri || '/').split('?')[0];
    try {
        return decodeURIComponent(raw);
    } catch (e) {
        return raw;
    }
}

function isApi(path) {
    return /^\/+(v1|healthz|readyz|metrics|internal)(\/|$)/i.test(path) || /^\/api(\/|$)/.test(path);
}

function isAnthropic(path) {
    return path === '/v1/messages' || path.startsWith('/v1/messages/');
}

// For the log. Only short words in small letters are kept of a path: anything else may be an id, a name or, in links to
// files, invitations and new passwords, a secret.
function logged(r) {
    const parts = path(r).slice(0, 512).split('/').slice(0, 12);
    return parts.map((part) => (/^[a-z._-]{0,24}$/.test(part) || part === 'v1' ? part : '*')).join('/');
}

export default { path, isApi, isAnthropic, logged };
