// A real OpenID provider for the tests, on a free port of the loopback. It prints its issuer, and ends with its standard input.
// An account is a text such as "mei@example.com" or "2,unverified~mei@example.com": words, and an e-mail address.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const client = { redirect_uris: ['127.0.0.1', 'localhost'].map((host) => `http://${host}/console/sign-in/provider/callback`), application_type: 'native' };
  const provider = new Provider(issuer, {
    clients: [
      { ...client, client_id: 'premade', client_secret: 'a secret: with % and +', token_endpoint_auth_method: 'client_secret_basic' },
      { ...client, client_id: 'public', token_endpoint_auth_method: 'none' },
    ],
    pkce: { required: () => true, methods: ['S256'] },
    conformIdTokenClaims: false,
    claims: { email: ['email', 'email_verified'], profile: ['preferred_username'], openid: ['sub', 'amr'] },
    features: { devInteractions: { enabled: false } },
    interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
    findAccount: (_, id) => {
      const [words, email] = id.includes('~') ? id.split('~') : ['', id];
      const claims = { sub: id, email, email_verified: !words.includes('unverified'), preferred_username: email };
      return { accountId: id, claims: () => claims };
    },
    loadExistingGrant: async (ctx) => {
      const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
      grant.addOIDCScope('openid email profile');
      await grant.save();
      return grant;
    },
  });
  const answer = provider.callback();
  server.on('request', async (request, response) => {
    const [, first, uid, action] = new URL(request.url, issuer).pathname.split('/');
    const query = new URL(request.url, issuer).searchParams;
    if (first !== 'interaction') return answer(request, response);
    if (action === 'sign-in') {
      const login = { accountId: query.get('account'), amr: query.get('amr')?.split(' ') };
      return provider.interactionFinished(request, response, { login, consent: {} });
    }
    if (action === 'cancel') {
      return provider.interactionFinished(request, response, { error: query.get('error') });
    }
    response.setHeader('Content-Type', 'text/html');
    return response.end(`<form action="/interaction/${uid}/sign-in"><input name="account"><button>Sign in</button></form>`);
  });
  console.log(issuer);
});
process.stdin.resume().on('end', () => process.exit(0));
