// The provider itself: code with PKCE, refresh, client credentials, and a grant that lets the local command line
// ask for a token of any role. Access tokens for the platform's API are JWTs (RFC 9068).

import { Provider, errors } from 'oidc-provider';

import { errorPage } from './pages.mjs';

export const IMPERSONATE = 'urn:dcoder:local:impersonate';

// Logto's scope for the claims `organizations` and `organization_roles`; one organisation stands for one tenant.
const ORGANIZATIONS = 'urn:logto:scope:organizations';
const HOUR = 3600;
const ROLES = new Set(['superadmin', 'admin', 'user']);

/** A provider for an issuer address and a home folder's contents. */
export function createProvider(issuer, home) {
  const impersonated = new WeakMap();
  const provider = new Provider(issuer, {
    jwks: home.jwks,
    clients: home.clients,
    cookies: { keys: home.cookieKeys },
    scopes: ['openid', 'offline_access', 'email', 'profile', ORGANIZATIONS],
    claims: {
      openid: ['sub', 'roles'], email: ['email', 'email_verified'], profile: ['name'],
      [ORGANIZATIONS]: ['organizations', 'organization_roles'],
    },
    conformIdTokenClaims: false,
    enabledJWA: { idTokenSigningAlgValues: ['RS256'] },
    pkce: { required: () => true },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource, postLogoutSuccessSource },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client, oneOf) => oneOf,
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource) => resourceServer(resource, home.audience),
      },
    },
    formats: {
      customizers: {
        jwt: (ctx, token, parts) => {
          const { ttl, ...claims } = impersonated.get(token) ?? claimsIn(ctx, home, token);
          Object.assign(parts.payload, claims);
          if (ttl !== undefined) parts.payload.exp = parts.payload.iat + ttl;
        },
      },
    },
    ttl: { AccessToken: HOUR, ClientCredentials: HOUR, IdToken: HOUR, Session: 24 * HOUR, Grant: 24 * HOUR,
      Interaction: HOUR, RefreshToken: 24 * HOUR, AuthorizationCode: 60 },
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (ctx, sub) => {
      const account = home.accounts.find(sub);
      return account && { accountId: sub, claims: () => ({ sub, name: account.name, ...organizationsOf(account), ...claimsOf(account) }) };
    },
    issueRefreshToken: (ctx, client, source) => client.grantTypeAllowed('refresh_token') && source.scopes.has('offline_access'),
    rotateRefreshToken: true,
    loadExistingGrant: grantWhatIsAsked,
    clientBasedCORS: (ctx, origin) => isLoopback(origin),
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = errorPage(out.error, out.error_description ?? '');
    },
  });
  provider.registerGrantType(
    IMPERSONATE,
    (ctx) => impersonate(provider, impersonated, home.audience, ctx),
    ['role', 'tenant', 'user', 'ttl'],
  );
  return provider;
}

function resourceServer(resource, audience) {
  if (resource !== audience) throw new errors.InvalidTarget();
  return { audience, scope: '', accessTokenFormat: 'jwt', accessTokenTTL: HOUR, jwt: { sign: { alg: 'RS256' } } };
}

// The claims that Logto's script (stateful/logto/access-token.js) gives: of the account, or of a program.
function claimsIn(ctx, home, token) {
  const account = home.accounts.find(token.accountId);
  if (!account) return home.programs?.[token.clientId] ?? {};
  const chosen = ctx?.oidc?.body?.organization_id;
  const organization = account.organizations?.find(({ id }) => id === chosen);
  if (chosen !== undefined && !organization) throw new errors.AccessDenied('user is not a member of the organization');
  if (!organization) return claimsOf(account);
  const roles = [...account.roles.filter((role) => role === 'superadmin'), ...organization.roles];
  return { ...claimsOf(account), roles, tenant_id: organization.tenantId, organization_id: organization.id };
}

function claimsOf(account) {
  return { email: account.email, email_verified: true, roles: account.roles };
}

function organizationsOf({ organizations = [] }) {
  return {
    organizations: organizations.map(({ id }) => id),
    organization_roles: organizations.flatMap(({ id, roles }) => roles.map((role) => `${id}:${role}`)),
  };
}

// Every client is the platform's own, so nobody is asked to consent.
async function grantWhatIsAsked(ctx) {
  const { client, session, params, provider } = ctx.oidc;
  const known = session.grantIdFor(client.clientId);
  const grant = (known && await provider.Grant.find(known))
    || new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope ?? 'openid');
  await grant.save();
  return grant;
}

async function impersonate(provider, impersonated, audience, ctx) {
  const { client, params } = ctx.oidc;
  const role = params.role ?? 'superadmin';
  if (!ROLES.has(role)) throw new errors.InvalidRequest(`role must be one of ${[...ROLES].join(', ')}`);
  if (role !== 'superadmin' && !params.tenant) throw new errors.InvalidRequest(`role ${role} needs a tenant`);
  const ttl = params.ttl === undefined ? HOUR : Number(params.ttl);
  if (!Number.isInteger(ttl) || Math.abs(ttl) > 24 * HOUR) throw new errors.InvalidRequest('ttl must be whole seconds, a day at most');

  const user = params.user ?? role;
  const token = new provider.AccessToken({ client, accountId: user, gty: 'impersonate' });
  token.resourceServer = new provider.ResourceServer(audience, resourceServer(audience, audience));
  impersonated.set(token, {
    roles: [role], tenant_id: params.tenant, email: user.includes('@') ? user : `${user}@dcoder.local`, ttl,
  });
  ctx.body = { access_token: await token.save(), token_type: 'Bearer', expires_in: ttl };
}

function isLoopback(origin) {
  return ['127.0.0.1', 'localhost', '[::1]'].includes(URL.parse(origin)?.hostname);
}

function logoutSource(ctx, form) {
  ctx.type = 'html';
  ctx.body = errorPage('Sign out', 'Do you want to sign out?',
    `${form}<button form="op.logoutForm" name="logout" value="yes">Sign out</button>`);
}

function postLogoutSuccessSource(ctx) {
  ctx.type = 'html';
  ctx.body = errorPage('Signed out', 'You can close this page.');
}
