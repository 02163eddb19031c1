// The filters, which the picture, the bars, the numbers and the table share.
const filters = { text: '', org: null, role: null, owner: null, use: null, age: null, ending: null };
const LABELS = { org: 'Organization', role: 'Astra role', owner: 'Owner', use: 'Last use', age: 'Age', ending: 'End' };
const BANDS = { use: PAST, age: PAST, ending: AHEAD };

function takes(row, except) {
  if (filters.text && !row.text.includes(filters.text)) return false;
  if (filters.org !== null && row.org !== filters.org) return false;
  if (filters.role !== null && !row.roles.includes(filters.role)) return false;
  if (filters.owner !== null && row.owner !== filters.owner) return false;
  for (const name of ['use', 'age', 'ending']) {
    if (name !== except && filters[name] !== null && row[name] !== filters[name]) return false;
  }
  return true;
}

function choose(name, value) {
  filters[name] = filters[name] === value ? null : value;
  // The numbers of a label change, so whoever came by keyboard goes on at the same name.
  const named = (node) => (node.getAttribute('aria-label') || '').replace(/: [^:]*$/, '');
  const at = named(document.activeElement);
  refresh();
  if (at) [...document.querySelectorAll('.node[tabindex], .bar')].find((node) => named(node) === at)?.focus();
}

function chips() {
  const shown = Object.keys(LABELS).filter((name) => filters[name] !== null).map((name) => {
    const word = BANDS[name] ? BANDS[name][filters[name]][0] : filters[name];
    const chip = el('button', { type: 'button', class: 'chip', 'aria-label': `Remove the filter ${LABELS[name]}: ${word}` }, `${LABELS[name]}: ${word}`);
    chip.addEventListener('click', () => choose(name, filters[name]));
    return chip;
  });
  byId('chips').replaceChildren(...shown);
}
