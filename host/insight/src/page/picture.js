// The picture: organization, Astra role, owner, tokens by last use. Long columns end in one node for all others, so that it stays legible.
const WIDTH = 1200, TOP = 34, NODE = 12, SLOT = 19, GAP = 5, HEIGHT_MAX = 560;
const COLUMNS = [
  { name: 'Organization', key: 'org', x: 0, max: 8, of: (row) => [row.org] },
  { name: 'Astra role', key: 'role', x: 300, max: 12, of: (row) => row.roles },
  { name: 'Owner', key: 'owner', x: 620, max: 14, of: (row) => [row.owner] },
  { name: 'Tokens by last use', key: 'use', x: 950, max: 6, of: (row) => [row.use] },
];

function columnOf(rows, column) {
  const counts = new Map();
  for (const row of rows) {
    const names = column.of(row);
    for (const name of names) {
      const seen = counts.get(name) || { name, tokens: 0, weight: 0 };
      seen.tokens += 1;
      seen.weight += 1 / names.length;
      counts.set(name, seen);
    }
  }
  let nodes = [...counts.values()];
  if (column.key === 'use') return nodes.sort((a, b) => a.name - b.name);
  nodes.sort((a, b) => b.tokens - a.tokens || (a.name < b.name ? -1 : 1));
  if (nodes.length > column.max) {
    const rest = nodes.slice(column.max - 1);
    nodes = nodes.slice(0, column.max - 1);
    const sum = (field) => rest.reduce((total, node) => total + node[field], 0);
    nodes.push({ name: null, label: `${number(rest.length)} others`, members: new Set(rest.map((node) => node.name)), tokens: sum('tokens'), weight: sum('weight') });
  }
  return nodes;
}

// One scale for all columns, the largest with which the fullest still fits.
function layOut(columns) {
  const height = (nodes, scale) => nodes.reduce((total, node) => total + Math.max(SLOT, node.weight * scale) + GAP, -GAP);
  let low = 0, high = HEIGHT_MAX;
  for (let step = 0; step < 40; step += 1) {
    const scale = (low + high) / 2;
    if (columns.every((nodes) => height(nodes, scale) <= HEIGHT_MAX - TOP)) low = scale; else high = scale;
  }
  const scale = Math.min(low, 60);
  const tallest = Math.max(...columns.map((nodes) => height(nodes, scale)), SLOT);
  for (const nodes of columns) {
    let y = TOP + (tallest - height(nodes, scale)) / 2;
    for (const node of nodes) {
      node.height = Math.max(3, node.weight * scale);
      const slot = Math.max(SLOT, node.height);
      node.y = y + (slot - node.height) / 2;
      node.from = 0; node.to = 0;
      y += slot + GAP;
    }
  }
  return { scale, height: TOP + tallest + 6 };
}

function linksOf(rows, left, right, leftNodes, rightNodes) {
  const finder = (nodes) => {
    const places = new Map();
    nodes.forEach((node, at) => (node.members ? [...node.members] : [node.name]).forEach((name) => places.set(name, at)));
    return places;
  };
  const [from, to] = [finder(leftNodes), finder(rightNodes)];
  const weights = new Map();
  for (const row of rows) {
    const [ones, others] = [left.of(row), right.of(row)];
    for (const one of ones) for (const other of others) {
      const key = from.get(one) * 1000 + to.get(other);
      weights.set(key, (weights.get(key) || 0) + 1 / (ones.length * others.length));
    }
  }
  return [...weights].map(([key, weight]) => ({ from: Math.floor(key / 1000), to: key % 1000, weight })).sort((a, b) => a.from - b.from || a.to - b.to);
}

function ribbon(x0, y0, x1, y1, height) {
  const middle = (x0 + x1) / 2;
  return `M${x0},${y0}C${middle},${y0} ${middle},${y1} ${x1},${y1}L${x1},${y1 + height}C${middle},${y1 + height} ${middle},${y0 + height} ${x0},${y0 + height}Z`;
}

function labelOf(column, node) {
  return node.name === null ? node.label : column.key === 'use' ? (node.name === 5 ? 'the mount uses it' : PAST[node.name][0]) : node.name;
}

function nodeOf(column, node, ribbons) {
  const label = labelOf(column, node);
  const isFixed = node.name === null;
  const y = node.y + node.height / 2;
  const color = column.key === 'use' ? `use-${node.name}` : '';
  const words = `${column.name} ${label}: ${plural(node.tokens, 'token')}`;
  const drawn = svg('g', { class: isFixed ? 'node is-fixed' : 'node' },
    svg('title', {}, words),
    svg('rect', { x: column.x, y: node.y, width: NODE, height: node.height, rx: 2, class: color }),
    svg('text', { x: column.x + NODE + 8, y, 'dominant-baseline': 'central' }, cut(label, 26), svg('tspan', { class: 'number', dx: 6 }, number(node.tokens))));
  if (!isFixed) {
    put(drawn, { tabindex: 0, role: 'button', 'aria-label': words, 'aria-pressed': filters[column.key] === node.name }, []);
    drawn.addEventListener('click', () => choose(column.key, node.name));
    drawn.addEventListener('keydown', (event) => {
      if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); choose(column.key, node.name); }
    });
  }
  const light = (on) => ribbons.forEach((path) => path.classList.toggle('is-on', on));
  for (const [name, on] of [['mouseenter', true], ['focus', true], ['mouseleave', false], ['blur', false]]) drawn.addEventListener(name, () => light(on));
  return drawn;
}

function picture(rows) {
  const root = byId('picture');
  if (!rows.length) {
    root.setAttribute('viewBox', `0 0 ${WIDTH} 60`);
    root.replaceChildren(svg('text', { x: 0, y: 34, class: 'column' }, 'No token has all of these'));
    byId('picture-table').replaceChildren();
    return;
  }
  const columns = COLUMNS.map((column) => columnOf(rows, column));
  const { scale, height } = layOut(columns);
  const ribbons = columns.map((nodes) => nodes.map(() => []));
  const paths = [];
  for (let at = 0; at + 1 < columns.length; at += 1) {
    for (const link of linksOf(rows, COLUMNS[at], COLUMNS[at + 1], columns[at], columns[at + 1])) {
      const [left, right] = [columns[at][link.from], columns[at + 1][link.to]];
      const wide = Math.max(0.6, link.weight * scale);
      const color = COLUMNS[at + 1].key === 'use' ? ` use-${right.name}` : '';
      const path = svg('path', { class: `ribbon${color}`, d: ribbon(COLUMNS[at].x + NODE, left.y + left.from, COLUMNS[at + 1].x, right.y + right.to, wide) });
      left.from += link.weight * scale;
      right.to += link.weight * scale;
      ribbons[at][link.from].push(path);
      ribbons[at + 1][link.to].push(path);
      paths.push(path);
    }
  }
  root.setAttribute('viewBox', `0 0 ${WIDTH} ${Math.ceil(height)}`);
  const heads = COLUMNS.map((column) => svg('text', { x: column.x, y: 14, class: 'column' }, column.name));
  const nodes = columns.flatMap((list, at) => list.map((node, index) => nodeOf(COLUMNS[at], node, ribbons[at][index])));
  root.replaceChildren(...heads, ...paths, ...nodes);
  pictureTable(columns);
}

function pictureTable(columns) {
  const lines = columns.flatMap((nodes, at) => nodes.map((node) =>
    el('tr', {}, el('td', {}, COLUMNS[at].name), el('td', {}, labelOf(COLUMNS[at], node)), el('td', {}, number(node.tokens)))));
  const head = el('tr', {}, ...['Column', 'Name', 'Tokens'].map((name) => el('th', { scope: 'col' }, name)));
  byId('picture-table').replaceChildren(el('table', {}, el('thead', {}, head), el('tbody', {}, ...lines)));
}
