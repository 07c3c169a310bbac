// Runs once for the picture of a page, given `element`, `trigger` and `watch` by Gradio: turns, enlarges, and chooses
// between page and text. Which page is shown and what is marked on it comes from Python.
const ZOOMS = [0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4];
const VIEW = 'docqa-view';
const STEP = 0.85; // of the visible height, as far as one key scrolls

const panel = document.getElementById('docqa-right');
let zoom = 1;
let wanted = null; // the source and page that were asked for last
let keep = ''; // which control had the focus when the page was turned
let arriveAt = 'mark';
let remembered = 'page';
try {
  remembered = localStorage.getItem(VIEW) || 'page';
} catch { /* a browser may forbid storage */ }

const source = () => panel.querySelector('.docqa-source');
const sheets = () => element.querySelector('.docqa-sheets');
const shown = () => element.querySelector('.docqa-page');

function show(view) {
  panel.dataset.view = view;
  for (const button of panel.querySelectorAll('button[data-view]')) {
    button.ariaPressed = String(button.dataset.view === view);
  }
  if (view === 'text') document.dispatchEvent(new Event('docqa-text'));
}

function choose(view) {
  remembered = view;
  try {
    localStorage.setItem(VIEW, view);
  } catch { /* it is remembered until the page is closed */ }
  if (view === 'page' && !wanted) open();
  else show(view);
}

function sameSource(one, other) {
  return ['turn', 'rank', 'document'].every((name) => one.dataset[name] === other.dataset[name]);
}

function open() {
  wanted = null;
  const opened = source();
  const paged = opened !== null && opened.querySelector('.docqa-views') !== null;
  show(paged ? remembered : 'text');
  if (paged && remembered === 'page') ask(0, 'mark');
}

function ask(page, where) {
  const {turn = '', rank = '', document: path = ''} = source().dataset;
  const details = path ? {document: path} : {turn, rank};
  arriveAt = where;
  keep = document.activeElement?.closest('[data-keep]')?.dataset.keep || '';
  wanted = page;
  note('');
  panel.dataset.loading = shown() && sameSource(shown(), source()) ? 'page' : 'source';
  trigger('turn', {...details, page: String(page)});
}

function note(problem) {
  const place = source()?.querySelector('.docqa-no-page');
  if (!place) return;
  place.textContent = problem;
  place.hidden = !problem;
}

// A page has come, or word of why it cannot be shown.
function arrive() {
  const opened = source();
  const problem = element.querySelector('[data-problem]');
  const page = shown();
  if (!opened || wanted === null) return;
  const came = page ?? problem;
  const named = came && ('turn' in came.dataset || 'document' in came.dataset);
  if (named && !sameSource(came, opened)) return; // another source was opened meanwhile, whose page is on the way
  delete panel.dataset.loading;
  if (problem) {
    wanted = null;
    note(problem.dataset.problem);
    show('text');
    return;
  }
  wanted = Number(page.dataset.page);
  enlarge(zoom);
  scroll();
  const kept = keep && element.querySelector(`[data-keep="${keep}"]`);
  if (keep) (kept?.disabled ? sheets() : kept)?.focus({preventScroll: true});
  window.docqaAnnounce(`Page ${page.dataset.page} of ${page.dataset.pages}`);
}

function scroll() {
  const area = sheets();
  const mark = arriveAt === 'mark' && area.querySelector('.docqa-place-mark');
  area.scrollTop = arriveAt === 'end' ? area.scrollHeight : 0;
  if (!mark) return;
  const [there, here] = [mark.getBoundingClientRect(), area.getBoundingClientRect()];
  area.scrollTo(there.left - here.left - 24, there.top - here.top - area.clientHeight / 4);
}

function turnTo(page, where = 'mark') {
  const {page: present, pages} = shown().dataset;
  const to = Math.min(Math.max(1, page), Number(pages));
  const coming = wanted || Number(present);
  if (to !== coming) ask(to, where);
  else if (Number(present) === to) element.querySelector('.docqa-number input').value = present;
}

function turnBy(pages, where) {
  turnTo((wanted || Number(shown().dataset.page)) + pages, where);
}

// A mark in sight stays in sight, otherwise what is in the middle stays there.
function enlarge(to) {
  const area = sheets();
  if (!area) return;
  const here = area.getBoundingClientRect();
  const inSight = ({top, bottom}) => bottom > here.top && top < here.bottom;
  const mark = [...area.querySelectorAll('.docqa-place-mark')].find((one) => inSight(one.getBoundingClientRect()));
  const top = mark?.getBoundingClientRect().top;
  const [across, down] = [area.scrollLeft + area.clientWidth / 2, area.scrollTop + area.clientHeight / 2];
  const [width, height] = [area.scrollWidth, area.scrollHeight];
  zoom = to;
  area.style.setProperty('--docqa-zoom', zoom);
  if (mark) {
    const place = mark.getBoundingClientRect();
    const margin = Math.max(24, (area.clientWidth - place.width) / 2);
    area.scrollBy(place.left - here.left - margin, place.top - top);
  } else {
    area.scrollLeft = (across / width) * area.scrollWidth - area.clientWidth / 2;
    area.scrollTop = (down / height) * area.scrollHeight - area.clientHeight / 2;
  }
  element.querySelector('.docqa-zoom').textContent = `${Math.round(zoom * 100)}%`;
  element.querySelector('[data-zoom="1"]').disabled = zoom === ZOOMS.at(-1);
  element.querySelector('[data-zoom="-1"]').disabled = zoom === ZOOMS[0];
}

function zoomBy(steps) {
  const at = ZOOMS.indexOf(zoom) + steps;
  enlarge(steps === 0 ? 1 : ZOOMS[Math.min(Math.max(0, at), ZOOMS.length - 1)]);
}

function scrollOrTurn(direction) {
  const area = sheets();
  const left = direction > 0 ? area.scrollHeight - area.clientHeight - area.scrollTop : area.scrollTop;
  if (left > 2) area.scrollBy(0, direction * STEP * area.clientHeight);
  else turnBy(direction, direction > 0 ? 'start' : 'end');
}

const fits = () => sheets().scrollWidth <= sheets().clientWidth;
const KEYS = {
  PageDown: () => scrollOrTurn(1),
  PageUp: () => scrollOrTurn(-1),
  ArrowDown: () => sheets().scrollBy(0, 40),
  ArrowUp: () => sheets().scrollBy(0, -40),
  ArrowRight: () => fits() ? turnBy(1, 'mark') : sheets().scrollBy(40, 0),
  ArrowLeft: () => fits() ? turnBy(-1, 'mark') : sheets().scrollBy(-40, 0),
  '+': () => zoomBy(1),
  '=': () => zoomBy(1),
  '-': () => zoomBy(-1),
  0: () => zoomBy(0),
};

panel.addEventListener('keydown', (event) => {
  const ready = panel.dataset.view === 'page' && panel.dataset.loading !== 'source' && shown();
  const elsewhere = event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input');
  if (!ready || elsewhere || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});

panel.addEventListener('click', (event) => {
  const pressed = event.target.closest('button');
  const {view, turnBy: by, zoom: steps, to} = pressed?.dataset || {};
  if (view) choose(view);
  if (by) turnBy(Number(by), 'mark');
  if (steps) zoomBy(Number(steps));
  if (to) turnTo(Number(to));
});

element.addEventListener('change', (event) => {
  if (event.target.matches('input')) turnTo(Math.trunc(Number(event.target.value)) || wanted);
});

watch('value', arrive);
document.addEventListener('docqa-source', open);
