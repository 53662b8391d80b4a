// What the provider remembers between starts: signing keys, cookie keys, clients and accounts, all in one folder.

import { scryptSync, timingSafeEqual } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** Accounts by id, with the check of their passwords; read again when their file has changed. */
export class Accounts {
  #path;
  #version;
  #byId = new Map();

  constructor(path) {
    this.#path = path;
    this.#refresh();
  }

  /** The account of that subject; undefined when there is none, or it is suspended. */
  find(sub) {
    this.#refresh();
    const account = this.#byId.get(sub);
    return account?.suspended ? undefined : account;
  }

  #refresh() {
    const { ino, mtimeMs, size } = statSync(this.#path);
    const version = `${ino} ${mtimeMs} ${size}`;
    if (version === this.#version) return;
    this.#byId = new Map(JSON.parse(readFileSync(this.#path, 'utf8')).map((account) => [account.sub, account]));
    this.#version = version;
  }

  /** The account that this e-mail address and password open, or undefined; both failures take the same time. */
  authenticate(email, password) {
    const wanted = String(email ?? '').trim().toLowerCase();
    this.#refresh();
    const account = [...this.#byId.values()].filter((candidate) => !candidate.suspended).find((candidate) => candidate.email === wanted);
    const [salt, expected] = (account?.password ?? `${'00'.repeat(16)}:${'00'.repeat(32)}`).split(':');
    const actual = scryptSync(String(password ?? ''), Buffer.from(salt, 'hex'), 32);
    return timingSafeEqual(actual, Buffer.from(expected, 'hex')) ? account : undefined;
  }
}

/** Reads provider.json ({jwks, cookieKeys, clients, audience}) and accounts.json of a folder. */
export function readHome(folder) {
  const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  return { ...read('provider.json'), accounts: new Accounts(join(folder, 'accounts.json')) };
}
