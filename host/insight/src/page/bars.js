// The numbers at the top and the bars.
function numbers(rows) {
  const count = (test) => rows.reduce((total, row) => total + (test(row) ? 1 : 0), 0);
  const distinct = (of) => new Set(rows.map(of)).size;
  const cells = [
    ['tokens', rows.length, ''],
    ['organizations', distinct((row) => row.token.org_id), ''],
    ['owners', distinct((row) => row.owner), ''],
    ['not used for 90 days', count((row) => row.use === 4), 'is-bad'],
    ['end within 7 days', count((row) => row.ending <= 2), 'is-near'],
    ['without metadata', count((row) => !row.pairs.length && row.token.kind !== 'admin'), ''],
  ];
  byId('numbers').replaceChildren(...cells.map(([name, value, look]) =>
    el('div', { class: value ? look : '' }, el('dt', {}, name), el('dd', {}, number(value)))));
}

function bars(id, name, bands) {
  const counts = bands.map(() => 0);
  for (const row of TOKENS) if (takes(row, name)) counts[row[name]] += 1;
  const most = Math.max(1, ...counts);
  byId(id).replaceChildren(...bands.map(([word], at) => {
    const label = name === 'use' && at === 5 ? 'by the mount' : word;
    const look = { use: at, ending: [4, 3, 2, 1, 0, 5][at] }[name];
    const fill = el('span', { class: look === undefined ? 'fill' : `fill f-${look}` });
    fill.style.setProperty('--share', String((counts[at] / most) * 100));
    const bar = el('button', { type: 'button', class: 'bar', 'aria-pressed': filters[name] === at, 'aria-label': `${label}: ${plural(counts[at], 'token')}` },
      el('span', {}, label), el('span', { class: 'track' }, fill), el('span', { class: 'amount' }, number(counts[at])));
    bar.addEventListener('click', () => choose(name, at));
    return bar;
  }));
}
