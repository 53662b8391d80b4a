// The few pages of the provider. Everything is in the page itself: nothing is loaded from elsewhere.

const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => String(text).replace(/[&<>"']/g, (character) => ESCAPES[character]);

const STYLE = `
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { display: grid; place-items: center; min-height: 100vh; margin: 0; }
  main { width: min(22rem, 90vw); }
  label { display: block; margin-top: 1rem; }
  input, button { box-sizing: border-box; width: 100%; padding: .6rem .8rem; font: inherit; border-radius: .4rem; border: 1px solid #888; }
  button { margin-top: 1.5rem; border: 0; background: #1f4fd8; color: #fff; cursor: pointer; }
  :focus-visible { outline: 3px solid #7aa2ff; outline-offset: 2px; }
  [role=alert] { color: #c0262d; }
  @media (prefers-color-scheme: dark) { [role=alert] { color: #ff8a8f; } }`;

function page(title, body) {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)} · D.Coder</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}</style></head>
<body><main><h1>${escape(title)}</h1>${body}</main></body></html>`;
}

/** The sign-in form of an interaction; without one only the problem is shown. */
export function signInPage(uid, problem = '') {
  const alert = problem && `<p role="alert">${escape(problem)}</p>`;
  const form = uid && `<form method="post" action="/interaction/${escape(uid)}">
<label for="email">E-mail address</label><input id="email" name="email" type="email" autocomplete="username" required autofocus>
<label for="password">Password</label><input id="password" name="password" type="password" autocomplete="current-password" required>
<button>Sign in</button></form>`;
  return page('Sign in', alert + form);
}

/** A page with a title, one sentence and, when given, a form; the form is HTML made by the provider. */
export function errorPage(title, sentence, form = '') {
  return page(title, `<p>${escape(sentence)}</p>${form}`);
}
