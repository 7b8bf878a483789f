// The page that people see where nginx has to answer in the portal's stead.

const TEXTS = {
    404: ['Not found', 'There is no such page. Check the address, or begin at the front page.'],
    413: ['Too large', 'What you sent is larger than what is taken here.'],
    429: ['Too many requests', 'That was a lot at once. Wait a moment, then load the page again.'],
    502: ['Not available', 'Artemis cannot be reached at the moment. Load the page again in a minute.'],
    503: ['Maintenance', 'Artemis is being worked on and will be back soon. Nothing of yours is lost.'],
    504: ['No answer', 'Artemis did not answer in time. Load the page again in a minute.'],
};

const UNREADABLE = ['Not possible', 'The request could not be read.'];
const BROKEN = ['Something went wrong', 'It is on our side. Load the page again in a minute.'];

const STYLE =
    'body{margin:0;min-height:100vh;display:grid;place-items:center;font:1rem/1.5 system-ui,sans-serif;' +
    'color:#1c1b22;background:#f7f7f9}main{max-width:32rem;padding:2rem}h1{font-size:1.5rem;margin:0 0 .5rem}' +
    '@media(prefers-color-scheme:dark){body{color:#ececf1;background:#17161c}}';

function head(r) {
    r.headersOut['Content-Type'] = 'text/html; charset=utf-8';
    r.headersOut['Content-Security-Policy'] =
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    r.headersOut['X-Content-Type-Options'] = 'nosniff';
}

function body(status, id) {
    const text = TEXTS[status] || (status < 500 ? UNREADABLE : BROKEN);
    return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${text[0]} · Artemis</title>
<style>${STYLE}</style></head>
<body><main><h1>${text[0]}</h1><p>${text[1]}</p><p><small>${id}</small></p></main></body>
</html>
`;
}

export default { body, head };
