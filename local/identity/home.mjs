// What the provider remembers between starts: signing keys, cookie keys, clients and accounts, all in one folder.

import { scryptSync, timingSafeEqual } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Accounts by id, with the check of their passwords. */
export class Accounts {
  #byId;

  constructor(accounts) {
    this.#byId = new Map(accounts.map((account) => [account.sub, account]));
  }

  /** The account of that subject, or undefined. */
  find(sub) {
    return this.#byId.get(sub);
  }

  /** The account that this e-mail address and password open, or undefined; both failures take the same time. */
  authenticate(email, password) {
    const wanted = String(email ?? '').trim().toLowerCase();
    const account = [...this.#byId.values()].find((candidate) => candidate.email === wanted);
    const [salt, expected] = (account?.password ?? `${'00'.repeat(16)}:${'00'.repeat(32)}`).split(':');
    const actual = scryptSync(String(password ?? ''), Buffer.from(salt, 'hex'), 32);
    return timingSafeEqual(actual, Buffer.from(expected, 'hex')) ? account : undefined;
  }
}

/** Reads provider.json ({jwks, cookieKeys, clients, audience}) and accounts.json of a folder. */
export function readHome(folder) {
  const read = (name) => JSON.parse(readFileSync(join(folder, name), 'utf8'));
  return { ...read('provider.json'), accounts: new Accounts(read('accounts.json')) };
}
