// The OpenID provider of the embedded stack: reads its home folder, listens on 127.0.0.1:$PORT, drains on SIGTERM.

import { createServer } from 'node:http';

// The library notes on the console what an internet-facing provider would change; this one serves one laptop.
console.info = () => {};
console.warn = () => {};

const { readHome } = await import('./home.mjs');
const { createProvider } = await import('./provider.mjs');
const { signIn } = await import('./interactions.mjs');

const port = Number(process.env.PORT ?? 3004);
const issuer = process.env.DCODER_OIDC_ISSUER ?? `http://127.0.0.1:${port}`;
let home, provider, answer;

function load() {
  home = readHome(process.env.DCODER_IDENTITY_DIR ?? '.');
  provider = createProvider(issuer, home);
  answer = provider.callback();
}

load();
// Keys and clients are read again on SIGHUP; sessions and grants are kept.
process.on('SIGHUP', load);

const server = createServer((request, response) => {
  if (request.url === '/health/live' || request.url === '/health/ready') {
    response.setHeader('content-type', 'application/json');
    response.end('{"status":"ok","checks":{}}');
  } else if (request.url.startsWith('/interaction/')) {
    signIn(provider, home.accounts, request, response);
  } else {
    answer(request, response);
  }
});

server.listen(port, '127.0.0.1');
for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), 3000).unref();
  });
}
