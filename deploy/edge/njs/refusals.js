// What nginx refuses by itself, told as the planes tell it: in OpenAI's envelope or Anthropic's (apps/api/errors.py), or
// as a page for people.
import pages from 'pages.js';
import paths from 'paths.js';

const ANTHROPIC_TYPES = {
    401: 'authentication_error',
    403: 'permission_error',
    404: 'not_found_error',
    413: 'request_too_large',
    429: 'rate_limit_error',
    529: 'overloaded_error',
};

const TYPES = { 401: 'authentication_error', 403: 'permission_error', 429: 'rate_limit_error' };

// By status: the code and the sentence; `wait`: seconds after which it may go better.
const REFUSALS = {
    400: { code: 'invalid_request', text: 'The request could not be read.' },
    401: { code: 'invalid_api_key', text: 'This API key is not valid. Check it, or make a new one in the portal.' },
    403: { code: 'permission_denied', text: 'This API key may not be used here.' },
    404: { code: 'not_found', text: '' },
    405: { code: 'method_not_allowed', text: 'This method is not possible here.' },
    413: { code: 'request_too_large', text: 'The body is larger than what is taken here.' },
    414: { code: 'invalid_request', text: 'The address is too long.' },
    421: { code: 'invalid_request', text: 'This server does not answer for that host.' },
    429: { code: 'rate_limit_exceeded', text: 'Too many requests at once; try again shortly.', wait: 1 },
    431: { code: 'headers_too_large', text: 'The headers are larger than what is taken here.' },
    500: { code: 'service_unavailable', text: 'API keys cannot be checked at the moment; try again shortly.', wait: 2 },
    502: { code: 'service_unavailable', text: 'The service cannot be reached at the moment; try again shortly.', wait: 2 },
    503: { code: 'service_unavailable', text: 'The service is under maintenance; try again later.', wait: 60 },
    504: { code: 'timeout', text: 'No answer came in time; try again shortly.', wait: 2 },
};

// At /-edge/refusal/<status>, where an error_page leads.
function asked(r) {
    const status = Number(r.uri.split('/').pop());
    const path = paths.path(r);
    const refusal = REFUSALS[status] || REFUSALS[500];
    // A request whose line could not be read has no path; a program sent it, then, and no browser.
    if (r.variables.request_uri && !paths.isApi(path)) {
        return { kind: 'page', status: status, refusal: refusal, path: path };
    }
    // The only fault of nginx's own on the API's paths is that the key check did not answer.
    const told = status === 500 ? 503 : status;
    return paths.isAnthropic(path)
        ? { kind: 'anthropic', status: told === 503 ? 529 : told, refusal: refusal, path: path }
        : { kind: 'openai', status: told, refusal: refusal, path: path };
}

function head(r) {
    const one = asked(r);
    r.status = one.status;
    r.headersOut['Cache-Control'] = 'no-store';
    if (one.refusal.wait) {
        r.headersOut['Retry-After'] = String(one.refusal.wait);
    }
    if (one.kind === 'page') {
        pages.head(r);
        return;
    }
    r.headersOut['Content-Type'] = 'application/json';
    if (one.refusal.wait) {
        r.headersOut['x-should-retry'] = 'true';
    }
    if (one.status === 401) {
        r.headersOut['WWW-Authenticate'] = 'Bearer realm="artemis"';
    }
    if (one.kind === 'anthropic') {
        r.headersOut['request-id'] = r.variables.edge_request_id;
    }
}

function body(r) {
    const one = asked(r);
    const id = r.variables.edge_request_id;
    if (one.kind === 'page') {
        return pages.body(one.status, id);
    }
    const told = sentence(r, one);
    return JSON.stringify(one.kind === 'anthropic' ? anthropic(one.status, told, id) : openai(one.status, told, id));
}

// What the gateway's key check said, where it refused; else our own.
function sentence(r, one) {
    const code = r.variables.refusal_code;
    if ((one.status === 401 || one.status === 403) && code) {
        return { code: code, text: decodeURIComponent(r.variables.refusal_message || '') || one.refusal.text };
    }
    const text = one.status === 404 ? "There is no '" + one.path.slice(0, 100) + "' here; see /docs." : one.refusal.text;
    return { code: one.refusal.code, text: text };
}

function openai(status, told, id) {
    const kind = TYPES[status] || (status >= 500 ? 'server_error' : 'invalid_request_error');
    return { error: { message: told.text, type: kind, param: null, code: told.code, request_id: id } };
}

function anthropic(status, told, id) {
    const kind = ANTHROPIC_TYPES[status] || (status >= 500 ? 'api_error' : 'invalid_request_error');
    const details = { error_code: told.code };
    const error = { type: kind, message: told.text, code: told.code, param: null, details: details };
    return { type: 'error', error: error, request_id: id };
}

export default { body, head };
