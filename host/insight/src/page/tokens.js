// The table of tokens: sorted, in pages, exported; and the details of one.
const PAGE_ROWS = 100, PRINTED_ROWS = 1000;
const timeCell = (text, at) => el('td', { class: 'time' }, text ? day(text) : el('span', { class: 'none' }, '–'), text ? el('span', { class: 'ago' }, ago(at)) : null);
const HEADS = [
  ['Client ID', (row) => row.token.client_id, (row) => el('td', {}, openButton(row))],
  ['Organization', (row) => row.org, (row) => el('td', {}, row.org)],
  ['Role', (row) => row.token.role, (row) => el('td', {}, row.token.role)],
  ['Kind', (row) => row.token.kind, (row) => el('td', {}, el('span', { class: 'kind' }, row.token.kind))],
  ['Owner', (row) => row.owner, (row) => el('td', {}, row.owner)],
  ['Metadata', (row) => row.pairs.join(', '), (row) => el('td', {}, ...pairsOf(row))],
  ['Astra roles', (row) => row.roles.join(', '), (row) => el('td', {}, row.roles.join(', '))],
  ['Made', (row) => row.made, (row) => timeCell(row.token.made, row.made)],
  ['Last use', (row) => row.used, (row) => timeCell(row.token.last_use, row.used)],
  ['Ends', (row) => row.end, (row) => timeCell(row.ends, row.end)],
];
const table = { by: 8, descending: false, page: 0, rows: [] };

function pairsOf(row) {
  if (!row.pairs.length) return [el('span', { class: 'none' }, '–')];
  const shown = row.pairs.slice(0, 4).map((pair) => el('span', { class: 'pair' }, cut(pair, 40)));
  return row.pairs.length > 4 ? [...shown, el('span', { class: 'none' }, `and ${row.pairs.length - 4} more`)] : shown;
}

function openButton(row) {
  const button = el('button', { type: 'button', class: 'open' }, cut(row.token.client_id, 40));
  button.addEventListener('click', () => details(row));
  return button;
}

function sortRows() {
  const value = HEADS[table.by][1];
  const missing = (found) => found === null || found === '';
  table.rows.sort((a, b) => {
    const [one, other] = [value(a), value(b)];
    if (missing(one) || missing(other)) return Number(missing(one)) - Number(missing(other));
    const order = one < other ? -1 : one > other ? 1 : 0;
    return table.descending ? -order : order;
  });
}

function heads() {
  byId('heads').replaceChildren(...HEADS.map(([name], at) => {
    const button = el('button', { type: 'button' }, name);
    button.addEventListener('click', () => {
      table.descending = table.by === at && !table.descending;
      table.by = at;
      table.page = 0;
      sortRows();
      heads();
      body();
    });
    const sort = table.by === at ? (table.descending ? 'descending' : 'ascending') : 'none';
    return el('th', { scope: 'col', 'aria-sort': sort }, button);
  }));
}

function body(all = false) {
  const pages = Math.max(1, Math.ceil(table.rows.length / PAGE_ROWS));
  table.page = Math.min(table.page, pages - 1);
  const from = all ? 0 : table.page * PAGE_ROWS;
  const shown = table.rows.slice(from, all ? PRINTED_ROWS : from + PAGE_ROWS);
  const lines = shown.map((row) => el('tr', {}, ...HEADS.map(([, , cell]) => cell(row))));
  if (all && table.rows.length > PRINTED_ROWS) lines.push(el('tr', {}, el('td', { colspan: HEADS.length }, `and ${plural(table.rows.length - PRINTED_ROWS, 'token')} more: set a filter, or export the table`)));
  byId('rows').replaceChildren(...lines);
  byId('page').textContent = table.rows.length ? `${number(from + 1)} to ${number(from + shown.length)} of ${number(table.rows.length)}` : 'No token has all of these';
  byId('previous').disabled = table.page === 0;
  byId('next').disabled = table.page >= pages - 1;
}

function details(row) {
  const { token } = row;
  const known = rolesOf(token).map((role) => el('div', {}, role.name,
    role.resources.length ? el('ul', {}, ...role.resources.map((resource) => el('li', {}, resource))) : el('p', { class: 'none' }, 'What it reaches is not known: run sync-roles.'),
    role.resources_left_out ? el('p', { class: 'none' }, `and ${plural(role.resources_left_out, 'resource')} more`) : null));
  const facts = [
    ['Organization', row.org === token.org_id ? row.org : `${row.org} (${token.org_id})`], ['Role', token.role], ['Kind', token.kind],
    ['Logical name', token.logical_name], ['Metadata', row.pairs.map((pair) => el('div', {}, pair))],
    ['Owner', row.owner], ['Display name', token.created_by.display_name], ['Entity', [token.created_by.entity_name, token.created_by.entity_id].filter(Boolean).join(' · ')],
    ['Astra roles', known], ['Made', `${day(token.made)} · ${ago(row.made)}`],
    ['Last read', token.last_read ? `${day(token.last_read)} · ${plural(token.reads, 'read')}` : ''],
    ['Last renewed', token.last_renewed ? `${day(token.last_renewed)} · ${plural(token.renewals, 'renewal')}` : ''],
    ['Lease ends', day(token.expires)], ['Astra ends it', day(token.expires_at)],
  ];
  byId('details-title').textContent = token.client_id;
  byId('facts').replaceChildren(...facts.filter(([, value]) => (Array.isArray(value) ? value.length : value)).flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, ...[value].flat())]));
  byId('details').showModal();
}

// A spreadsheet takes a cell that begins with one of these characters for a formula; an apostrophe before it makes it text.
function csvCell(value) {
  const text = String(value ?? '');
  const guard = /^\s*[=+\-@|%]|^[\t\r\n]/.test(text) ? "'" : '';
  return `"${guard}${text.replaceAll('"', '""')}"`;
}

function csvOf(rows) {
  const columns = [['org_id', (row) => row.token.org_id], ['organization', (row) => row.org], ['client_id', (row) => row.token.client_id], ['kind', (row) => row.token.kind],
    ['role', (row) => row.token.role], ['astra_roles', (row) => row.token.astra_roles.join('; ')], ['logical_name', (row) => row.token.logical_name],
    ['metadata', (row) => row.pairs.join(', ')], ['owner', (row) => row.token.owner], ['made', (row) => row.token.made], ['last_read', (row) => row.token.last_read],
    ['reads', (row) => row.token.reads], ['last_renewed', (row) => row.token.last_renewed], ['renewals', (row) => row.token.renewals],
    ['last_use', (row) => row.token.last_use], ['expires', (row) => row.token.expires], ['expires_at', (row) => row.token.expires_at]];
  const lines = rows.map((row) => columns.map(([, of]) => csvCell(of(row))).join(','));
  return [columns.map(([name]) => name).join(','), ...lines].join('\r\n') + '\r\n';
}

function save(name, type, text) {
  const link = el('a', { download: name, href: URL.createObjectURL(new Blob([text], { type })) });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
