// The sign-in page: shown when an authorization request needs a session, and what happens when it is sent.

import { signInPage } from './pages.mjs';

const LARGEST_FORM = 4096;

/** Answers GET and POST of /interaction/<uid>. */
export async function signIn(provider, accounts, request, response) {
  // Every client is the platform's own: nobody is asked what it may do.
  const finish = (result) => provider.interactionFinished(request, response, result);
  try {
    const details = await provider.interactionDetails(request, response);
    if (details.prompt.name === 'consent') return await finish({ consent: {} });
    if (request.method === 'GET') return send(response, 200, signInPage(details.uid));
    if (request.method !== 'POST') return send(response, 405, signInPage(details.uid));
    const form = await readForm(request);
    const account = accounts.authenticate(form.get('email'), form.get('password'));
    if (!account) return send(response, 401, signInPage(details.uid, 'That e-mail address and password do not match.'));
    return await finish({ login: { accountId: account.sub }, consent: {} });
  } catch {
    if (response.headersSent) return response.end();
    return send(response, 400, signInPage('', 'This sign-in has expired. Go back to the application and start again.'));
  }
}

async function readForm(request) {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > LARGEST_FORM) throw new Error('the form is too large');
  }
  return new URLSearchParams(text);
}

function send(response, status, page) {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  });
  response.end(page);
}
