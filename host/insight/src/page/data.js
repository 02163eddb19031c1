// The data of the page, and the words for times. All texts of the data are shown as text: nothing here or below makes HTML of a string.
const DAY = 86400000;
const { about, report } = JSON.parse(document.getElementById('data').textContent);
const NOW = Date.parse(about.generated);

const byId = (id) => document.getElementById(id);
const put = (node, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  for (const child of children.flat()) if (child !== null && child !== undefined) node.append(child);
  return node;
};
const el = (tag, attributes = {}, ...children) => put(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => put(document.createElementNS('http://www.w3.org/2000/svg', tag), attributes, children);
const number = (value) => value.toLocaleString('en-US');
const plural = (count, word) => `${number(count)} ${word}${count === 1 ? '' : 's'}`;
const cut = (text, max) => ([...text].length > max ? [...text].slice(0, max - 1).join('') + '…' : text);
const time = (text) => { const parsed = Date.parse(text || ''); return Number.isNaN(parsed) ? null : parsed; };
const day = (text) => (text ? text.slice(0, 16).replace('T', ' ') : '');

function span(milliseconds) {
  const units = [[365 * DAY, 'year'], [30 * DAY, 'month'], [DAY, 'day'], [DAY / 24, 'hour'], [60000, 'minute']];
  for (const [size, word] of units) {
    if (milliseconds >= size) return plural(Math.floor(milliseconds / size), word);
  }
  return 'less than a minute';
}
const ago = (at) => (at === null ? '' : at > NOW ? `in ${span(at - NOW)}` : `${span(NOW - at)} ago`);

// Bands: a word and the end of the band in days. The last two have no end and no time.
const PAST = [['under 1 day', 1], ['under 7 days', 7], ['under 30 days', 30], ['under 90 days', 90], ['90 days or more', Infinity], ['not known', null]];
const AHEAD = [['under 1 hour', 1 / 24], ['under 1 day', 1], ['under 7 days', 7], ['under 30 days', 30], ['30 days or more', Infinity], ['no end', null]];
function band(bands, milliseconds) {
  if (milliseconds === null) return bands.length - 1;
  return bands.findIndex(([, days]) => days !== null && milliseconds < days * DAY);
}

const organization = (id) => (Object.hasOwn(report.organizations, id) && report.organizations[id].logical_name) || id;
function rolesOf(token) {
  const known = Object.hasOwn(report.astra_roles, token.org_id) ? report.astra_roles[token.org_id] : {};
  return token.role_ids.map((id) => Object.values(known).find((role) => role.id.toLowerCase() === id.toLowerCase()) || { id, name: id, resources: [] });
}

// What the columns, the picture and the bars need of each token, worked out once.
const TOKENS = report.tokens.map((token) => {
  const ends = [token.expires, token.expires_at].filter(Boolean).sort();
  const made = time(token.made), used = time(token.last_use), end = time(ends[0]);
  const pairs = Object.entries(token.metadata).map(([key, value]) => `${key}=${value}`);
  const row = {
    token, made, used, end, pairs, ends: ends[0] || '',
    org: organization(token.org_id),
    owner: token.owner || (token.kind === 'admin' ? 'the mount itself' : 'not known'),
    roles: token.astra_roles.length ? token.astra_roles : ['not known'],
    use: token.kind === 'admin' ? 5 : band(PAST, used === null ? null : NOW - used),
    age: band(PAST, made === null ? null : NOW - made),
    ending: band(AHEAD, end === null ? null : Math.max(0, end - NOW)),
  };
  row.text = [row.org, token.org_id, token.client_id, token.kind, token.role, token.logical_name, row.owner, row.roles.join(' '),
    pairs.join(' '), Object.values(token.created_by).join(' ')].join('\n').toLowerCase();
  return row;
});
