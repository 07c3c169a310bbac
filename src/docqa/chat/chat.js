// Runs once for every part of the page, given `element`, `trigger` and `watch` by Gradio.
// A part's buttons say what they do in data-action; most of it happens in Python.
const FOR_PYTHON = ['passage', 'document', 'example', 'sync', 'dismiss', 'close', 'restart', 'download', 'alone', 'vote'];

const DRAFT = 'docqa-draft';

const small = window.matchMedia('(max-width: 800px)');
let returnTo = null;

function motion() {
  return window.matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth';
}

function announce(text) {
  let region = document.getElementById('docqa-announcer');
  if (!region) {
    region = document.createElement('p');
    region.id = 'docqa-announcer';
    region.className = 'docqa-unseen';
    region.setAttribute('role', 'status');
    document.body.append(region);
  }
  region.textContent = '';
  setTimeout(() => { region.textContent = text; }, 50);
}

function copyWithSelection(text) {
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'docqa-unseen';
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  return copied;
}

async function copy(button) {
  const text = button.dataset.citation;
  let copied = false;
  try {
    await navigator.clipboard.writeText(text);
    copied = true;
  } catch {
    copied = copyWithSelection(text); // the clipboard is closed to pages served without https from another machine
    button.focus();
  }
  button.textContent = copied ? 'Copied ✓' : 'Not copied';
  announce(copied ? 'Citation copied' : 'The browser did not allow copying');
  setTimeout(() => { button.textContent = 'Copy citation'; }, 2000);
}

function save(markdown) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([markdown], {type: 'text/markdown;charset=utf-8'}));
  link.download = 'conversation.md';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  announce('Conversation downloaded');
}

function questionBox() {
  return document.querySelector('#docqa-question textarea');
}

function keep(text) {
  try {
    sessionStorage.setItem(DRAFT, text);
  } catch {} // the browser keeps nothing
}

function kept() {
  try {
    return sessionStorage.getItem(DRAFT) || '';
  } catch {
    return '';
  }
}

// Where the keyboard goes when what it was on is gone.
function home() {
  return inDocuments() ? document.getElementById('docqa-documents-title') : questionBox();
}

function openerOf(source) {
  const {turn, rank, document: path} = source.dataset;
  if (turn) return document.querySelector(`.docqa-open[data-turn="${turn}"][data-rank="${rank}"]`);
  const view = inDocuments() ? '#docqa-listing' : '#docqa-welcome';
  return path ? document.querySelector(`${view} [data-action="document"][data-document="${CSS.escape(path)}"]`) : null;
}

function markOpenCard() {
  document.querySelectorAll('.docqa-card-open').forEach((card) => card.classList.remove('docqa-card-open'));
  const source = document.querySelector('.docqa-source');
  const opener = source && openerOf(source);
  opener?.closest('.docqa-card')?.classList.add('docqa-card-open');
}

// In a small window the source lies over everything else, which must then be out of the keyboard's way too.
function coverRest() {
  const covered = small.matches && document.querySelector('.docqa-source') !== null;
  for (const part of ['docqa-top', 'docqa-left']) document.getElementById(part).inert = covered;
}

function showSource() {
  markOpenCard();
  coverRest();
  const source = element.querySelector('.docqa-source');
  document.dispatchEvent(new Event('docqa-source')); // for the pages beside it
  if (!source) {
    returnTo?.focus();
    returnTo = null;
    return;
  }
  showPlace();
  const step = source.querySelector(`[data-step="${element.dataset.step}"]:enabled`); // pressed to come here
  delete element.dataset.step;
  (step || source.querySelector('h2')).focus({preventScroll: true});
}

function showPlace() {
  const region = element.querySelector('.docqa-document');
  const place = element.querySelector('.docqa-document mark') || element.querySelector('.docqa-opened');
  if (region) region.scrollTop = 0;
  if (place) {
    const above = place.getBoundingClientRect().top - region.getBoundingClientRect().top;
    region.scrollTo({top: above - region.clientHeight / 4, behavior: motion()});
  }
}

function showLastTurn() {
  markOpenCard();
  const turns = element.querySelectorAll('.docqa-turn');
  const last = turns[turns.length - 1];
  const seen = last ? `${last.dataset.turn} ${last.dataset.state}` : '';
  if (last && element.dataset.seen !== seen) {
    const scroller = element.closest('#docqa-talk');
    const above = last.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
    scroller.scrollBy({top: above - 16, behavior: motion()});
  }
  element.dataset.seen = seen;
  showAskedAlone();
}

// The button that asked again is gone with the answer it belonged to: its question takes the focus.
function showAskedAlone() {
  const turn = element.querySelector(`.docqa-turn[data-turn="${element.dataset.alone}"]`);
  if (!turn || turn.dataset.state !== 'done') return;
  delete element.dataset.alone;
  turn.querySelector('.docqa-question').focus({preventScroll: true});
  announce((turn.querySelector('.docqa-verdict') || turn.querySelector('.docqa-problem')).textContent);
}

// A thumb is shown as pressed once Python has kept the vote.
function showVote() {
  const kept = element.querySelector('[data-number]');
  if (!kept) return;
  const {turn, rank, vote} = kept.dataset;
  document.querySelectorAll(`.docqa-thumb[data-turn="${turn}"][data-rank="${rank}"]`).forEach((thumb) => {
    thumb.setAttribute('aria-pressed', String(thumb.dataset.vote === vote));
  });
}

function close() {
  returnTo = openerOf(element.querySelector('.docqa-source')) || home();
  trigger('close');
}

function act(target) {
  const {action, ...details} = target.dataset;
  if (action === 'copy') copy(target);
  else if (action === 'close') close();
  else if (action === 'vote' && target.ariaPressed === 'true') trigger(action, {...details, vote: ''}); // taken back
  else if (FOR_PYTHON.includes(action)) trigger(action, details);
  else actOnDocuments(action, target);
  if (action === 'sync' || action === 'dismiss') home().focus(); // the button itself goes away
  if (details.step) element.dataset.step = details.step;
  if (action === 'alone') element.dataset.alone = details.turn;
}

element.addEventListener('click', (event) => {
  const target = event.target.closest('[data-action]');
  const selecting = target && target.matches('.docqa-card') && String(window.getSelection()).trim() !== '';
  if (target && !selecting) act(target);
});

if (element.closest('#docqa-source')) {
  watch('value', showSource);
  document.addEventListener('docqa-text', showPlace); // it could not be scrolled while the pages hid it
  small.addEventListener('change', coverRest);
  document.addEventListener('keydown', (event) => {
    const asking = document.querySelector('.docqa-confirm[open]');
    if (event.key === 'Escape' && !asking && element.querySelector('.docqa-source')) close();
  });
}

if (element.closest('#docqa-feedback')) watch('value', showVote);

if (element.closest('#docqa-turns')) {
  watch('value', showLastTurn);
  window.docqaSave = save;
  window.docqaKeep = keep;
  window.docqaKept = kept;
  document.addEventListener('submit', (event) => {
    if (event.target.matches('.docqa-account')) keep(''); // the page may be another's next
  });
  window.docqaAnnounce = announce;
  document.addEventListener('keydown', (event) => {
    const typing = event.target.closest('input, textarea, select, [contenteditable]');
    if (event.key !== '/' || typing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    (inDocuments() ? document.querySelector('.docqa-search') : questionBox()).focus();
  });
}
