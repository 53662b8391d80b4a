/**
 * Claims of a person's access token, run by Logto whenever it issues one (Custom JWT, docs.logto.io).
 * The tenant is the organisation that the token is asked for; roles are the platform's own three names.
 */
const getCustomJwtClaims = async ({ context }) => {
  const { user, organization } = context;
  const known = ['admin', 'user'];
  const operator = (user.roles ?? []).some(({ name }) => name === 'superadmin') ? ['superadmin'] : [];
  const own = (user.organizationRoles ?? [])
    .filter(({ organizationId, roleName }) => organizationId === organization?.id && known.includes(roleName))
    .map(({ roleName }) => roleName);
  const tenantId = organization?.customData?.tenantId;
  return {
    roles: [...operator, ...own],
    ...(tenantId ? { tenant_id: tenantId } : {}),
    ...(user.primaryEmail ? { email: user.primaryEmail, email_verified: true } : {}),
  };
};
