// A caller's key as nginx may remember it: a SHA-256, never the key itself, since nginx writes the keys of its caches to disk.
import crypto from 'crypto';

const WHERE = { authorization: true, 'x-api-key': true };

// Each header that may hold a key, as it came: two that differ are another credential than either.
function given(r) {
    return r.rawHeadersIn
        .map((pair) => [pair[0].toLowerCase(), pair[1]])
        .filter((pair) => WHERE[pair[0]])
        .map((pair) => pair.join(':'))
        .join('\n');
}

function digest(text) {
    return crypto.createHash('sha256').update(text).digest('hex');
}

// For limits: empty, and so not counted, where no key is given.
function keyDigest(r) {
    const text = given(r);
    return text && digest(text);
}

// For what the gateway said of a key at an address, which may be one that the key is not for.
function verdictKey(r) {
    return digest(given(r) + '\n' + r.variables.remote_addr);
}

// auth_request takes any 2xx for a yes, also one of a server that stands in the gateway's place and knows no keys.
function onlyAClearAnswer(r) {
    if (r.status !== 204 && r.status !== 401 && r.status !== 403) {
        r.status = 503;
    }
}

export default { keyDigest, onlyAClearAnswer, verdictKey };
