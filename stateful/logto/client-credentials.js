/**
 * Claims of a program's access token, run by Logto whenever it issues one (Custom JWT, docs.logto.io).
 * A machine-to-machine application says in its custom data for which tenant it works and what it may be there.
 */
const getCustomJwtClaims = async ({ context }) => {
  const { tenantId, role } = context?.application?.customData ?? {};
  const known = tenantId ? ['admin', 'user'] : ['superadmin'];
  return {
    roles: known.includes(role) ? [role] : [],
    ...(tenantId ? { tenant_id: tenantId } : {}),
  };
};
