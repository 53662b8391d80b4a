// The edge's look at credentials: what can be told without asking the platform, and which limit a request counts against.
// The function behind the edge verifies every credential again; nothing here lets a request in.
//
// njs runs the top level of a module for every request, so nothing is computed there, and it has no `for … of`.

import crypto from 'crypto';
import fs from 'fs';
import policy from 'policy.js';

const REVOKED = '!';
const VERSION = '#version';
const MOST_KEYS = 10000000;

// "CLASS VERDICT BUCKET" of a request: its rate class, `ok` or why it is refused, and what its requests are counted under.
function identity(r) {
    const address = `address:${r.remoteAddress}`;
    if (r.variables.edge_public) {
        return `anonymous ok ${address}`;
    }
    const credential = presented(r.headersIn);
    const found = credential === undefined ? ofSession(r.headersIn)
        : policy.key.test(credential) ? ofKey(credential) : ofToken(credential);
    if (found.refused) {
        return `anonymous ${found.refused} ${address}`;
    }
    if (!found.tenant) {
        return `${found.class || 'unverified'} ok ${address}`;
    }
    const known = ngx.shared.edge.get(entry(found.tenant));
    if (known === undefined) {
        return `unverified ok ${address}`;
    }
    const plan = known.split(' ');
    if (plan[1] === 'suspended') {
        return `anonymous suspended ${address}`;
    }
    // What a token or a cookie claims is not verified here: with the address in the bucket, a forged claim cannot use up
    // a tenant's limit.
    return `${plan[0]} ok ${found.claimed ? 'token' : 'tenant'}:${found.tenant}${found.claimed ? ' ' + address : ''}`;
}

// Refuses the request when its identity says so. Runs after the rate limits.
function guard(r) {
    const verdict = r.variables.edge_identity.split(' ')[1];
    if (verdict !== 'ok') {
        r.return(verdict === 'suspended' ? 403 : 401);
    }
}

// As functions/kit/authentication.py reads it: the header Authorization first, when it holds anything.
function presented(headers) {
    const authorization = /^(\S*) *(.*)$/.exec((headers['Authorization'] || '').trim());
    if (authorization === null || (authorization[1] && authorization[1].toLowerCase() !== 'bearer')) {
        return 'not a bearer credential';
    }
    return authorization[2] || (headers[policy.header] || '').trim() || undefined;
}

// The same for functions that call models, which a tenant's limit on requests a minute is on: whole minutes of UTC, as the
// gateway counts them. A token's claim counts by itself and by address, like above.
function guardCall(r) {
    const parts = r.variables.edge_identity.split(' ');
    const tenant = (parts[2] || '').split(':')[1];
    const known = parts[1] === 'ok' && r.method === 'POST' ? ngx.shared.edge.get(entry(tenant)) : undefined;
    const most = known === undefined ? '' : known.split(' ')[2];
    if (most) {
        const now = Math.floor(Date.now() / 1000);
        const bucket = `${parts.slice(2).join(' ')} ${Math.floor(now / 60)}`;
        if (ngx.shared.calls.incr(bucket, 1, 0) > Number(most)) {
            r.variables.edge_wait = String(60 - now % 60);
            r.return(429);
            return;
        }
    }
    guard(r);
}

function ofKey(key) {
    const tenant = ngx.shared.edge.get(crypto.createHash('sha256').update(key).digest('hex'));
    return tenant === REVOKED ? { refused: 'revoked' } : { tenant };
}

// A signed-in browser's cookie names its tenant; whether there is such a session only the function can tell.
function ofSession(headers) {
    const session = policy.session.exec(headers['Cookie'] || '');
    if (session === null) {
        return { refused: 'missing' };
    }
    return session[1] === '-' ? {} : { tenant: session[1], claimed: true };
}

function ofToken(token) {
    if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) {
        return { refused: 'malformed' };
    }
    const parts = token.split('.');
    const head = decoded(parts[0]);
    const claims = decoded(parts[1]);
    if (!head || !claims || policy.algorithms.indexOf(head.alg) < 0) {
        return { refused: 'malformed' };
    }
    if (claims.exp !== undefined) {
        if (typeof claims.exp !== 'number') {
            return { refused: 'malformed' };
        }
        if (claims.exp + policy.leeway < Date.now() / 1000) {
            return { refused: 'expired' };
        }
    }
    const tenant = claims[policy.tenantClaim];
    if (typeof tenant === 'string' && /^[\w-]{1,64}$/.test(tenant)) {
        return { tenant, claimed: true };
    }
    const claimed = claims[policy.rolesClaim];
    const roles = Array.isArray(claimed) ? claimed : String(claimed || '').split(' ');
    return { class: roles.indexOf('superadmin') < 0 ? undefined : 'superadmin' };
}

function decoded(part) {
    try {
        const value = JSON.parse(Buffer.from(part, 'base64url').toString());
        return value !== null && typeof value === 'object' ? value : undefined;
    } catch (error) {
        return undefined;
    }
}

// Tenants and key hashes share the dictionary: a claim that reads like a hash must not find a key.
function entry(tenant) {
    return `tenant ${tenant}`;
}

// Loads the tenants file into the shared dictionary when it has changed. One worker does so, a few times a second.
function refresh() {
    const known = ngx.shared.edge;
    const path = `${ngx.prefix}tenants.json`;
    let version;
    try {
        const file = fs.statSync(path);
        version = `${file.ino} ${file.mtimeMs} ${file.size}`;
        if (known.get(VERSION) === version) {
            return;
        }
        load(known, JSON.parse(fs.readFileSync(path, 'utf8')).tenants);
    } catch (error) {
        ngx.log(ngx.ERR, `tenants.json: ${error}`);
    }
    if (version !== undefined) {
        known.set(VERSION, version);
    }
}

// What denies goes first, so that a full dictionary forgets limits before it forgets a refusal.
function load(known, tenants) {
    const entries = {};
    tenants.forEach((tenant) => {
        tenant.revoked.forEach((hash) => { entries[hash] = REVOKED; });
        if (tenant.status === 'suspended') {
            entries[entry(tenant.id)] = '- suspended';
        }
    });
    tenants.forEach((tenant) => {
        const rate = policy.plans.indexOf(tenant.plan) < 0 ? policy.defaultClass : tenant.plan;
        const most = tenant.perMinute === undefined || tenant.perMinute === null ? '' : tenant.perMinute;
        entries[entry(tenant.id)] = `${rate} ${tenant.status} ${most}`;
        tenant.keys.forEach((hash) => { entries[hash] = tenant.id; });
    });
    known.keys(MOST_KEYS).forEach((key) => {
        if (entries[key] === undefined && key !== VERSION) {
            known.delete(key);
        }
    });
    Object.keys(entries).forEach((key) => { known.set(key, entries[key]); });
}

export default { identity, guard, guardCall, refresh };
