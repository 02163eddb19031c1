// The page as a whole: draws everything again when a filter changes.
function refresh() {
  table.rows = TOKENS.filter((row) => takes(row));
  table.page = 0;
  sortRows();
  chips();
  numbers(table.rows);
  picture(table.rows);
  bars('bars-use', 'use', PAST);
  bars('bars-age', 'age', PAST);
  bars('bars-end', 'ending', AHEAD);
  body();
  byId('count').textContent = table.rows.length === TOKENS.length ? plural(TOKENS.length, 'token') : `${number(table.rows.length)} of ${plural(TOKENS.length, 'token')}`;
}

const LOOKS = ['system', 'light', 'dark'];
function look(name) {
  if (name === 'system') delete document.documentElement.dataset.look; else document.documentElement.dataset.look = name;
  byId('look').textContent = `Look: ${name}`;
  try { localStorage.setItem('look', name); } catch { /* A file may have no storage. */ }
}
function storedLook() {
  try { return localStorage.getItem('look'); } catch { return null; }
}

let typed = 0;
byId('search').addEventListener('input', (event) => {
  clearTimeout(typed);
  typed = setTimeout(() => { filters.text = event.target.value.trim().toLowerCase(); refresh(); }, 120);
});
byId('look').addEventListener('click', () => look(LOOKS[(LOOKS.indexOf(byId('look').textContent.slice(6)) + 1) % LOOKS.length]));
byId('print').addEventListener('click', () => window.print());
byId('previous').addEventListener('click', () => { table.page -= 1; body(); });
byId('next').addEventListener('click', () => { table.page += 1; body(); });
byId('export-csv').addEventListener('click', () => save('astra-tokens.csv', 'text/csv', csvOf(table.rows)));
byId('export-json').addEventListener('click', () => save('astra-tokens.json', 'application/json', JSON.stringify(table.rows.map((row) => row.token), null, 2)));
window.addEventListener('beforeprint', () => body(true));
window.addEventListener('afterprint', () => body());

byId('about').textContent = [`Mount ${about.mount} on ${about.address}`, `${day(about.generated)} UTC`, ...about.filters.map(([name, value]) => `${name} = ${value}`)].join(' · ');
byId('warnings').hidden = !about.warnings.length;
byId('warnings').replaceChildren(...about.warnings.map((warning) => el('p', {}, warning)));
look(LOOKS.includes(storedLook()) ? storedLook() : 'system');
heads();
refresh();
document.documentElement.dataset.ready = 'yes';
