
// The Documents tab. Follows chat.js and runs with it, once for every part of the page.
const PART = element.closest('[id^="docqa-"]')?.id;

function inDocuments() {
  return document.body.dataset.docqaView === 'documents';
}

function show(view) {
  document.body.dataset.docqaView = view;
  document.querySelectorAll('.docqa-tab').forEach((tab) => {
    const chosen = tab.dataset.view === view;
    tab.setAttribute('aria-selected', String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    const panel = document.getElementById(tab.getAttribute('aria-controls'));
    panel?.setAttribute('role', 'tabpanel');
    panel?.setAttribute('aria-labelledby', tab.id);
  });
}

function actOnDocuments(action, target) {
  if (action === 'view') show(target.dataset.view);
  else if (action === 'choose') element.querySelector('input[type=file]').click();
  else if (action === 'clear') clearUploads();
  else if (action === 'confirm') confirmRemoval(target.dataset);
}

// Sending files, one after the other.

let sending = Promise.resolve();

function sendLater(files) {
  show('documents');
  if (files.length) sending = sending.then(() => sendAll(files));
}

async function sendAll(files) {
  const items = files.map(showUpload);
  let added = 0;
  for (const [number, file] of files.entries()) added += await sendOne(file, items[number]);
  announce(`${added} of ${files.length} ${files.length === 1 ? 'file' : 'files'} added`);
  if (added) trigger('added');
}

async function sendOne(file, item) {
  const zone = element.querySelector('.docqa-zone');
  const tooLarge = file.size > Number(zone.dataset.most);
  const {path, problem} = tooLarge
    ? {problem: `it is larger than the ${zone.dataset.limit} docqa reads; divide it`}
    : await send(file, item.querySelector('progress'));
  item.querySelector('progress').remove();
  item.className = path ? 'docqa-upload-done' : 'docqa-upload-problem';
  const renamed = path && path !== file.name ? ` as “${path}”` : '';
  item.querySelector('.docqa-upload-state').textContent = path ? `✓ Added${renamed}` : `✗ Not added: ${problem}`;
  return path ? 1 : 0;
}

function send(file, bar) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    const broken = () => resolve({problem: 'it could not be sent; of a folder, choose the files in it'});
    request.open('POST', `docqa/documents?${new URLSearchParams({name: file.name})}`);
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.responseType = 'json';
    request.upload.onprogress = ({loaded, total}) => { bar.max = total || 1; bar.value = loaded; };
    request.onload = () => {
      const {path, problem, detail} = request.response || {};
      resolve({path, problem: problem || detail || `the server said ${request.status}`});
    };
    request.onerror = request.onabort = broken;
    request.send(file);
  });
}

function showUpload(file) {
  const item = document.createElement('li');
  const name = document.createElement('span');
  name.className = 'docqa-upload-name';
  name.textContent = file.name.replace(/[\p{C}\p{Default_Ignorable_Code_Point}]/gu, ''); // no letter of it may turn the others round
  const bar = document.createElement('progress');
  bar.setAttribute('aria-label', `Sending ${file.name}`);
  const state = document.createElement('span');
  state.className = 'docqa-upload-state';
  item.append(name, bar, state);
  element.querySelector('.docqa-uploads').append(item);
  element.querySelector('.docqa-sent').hidden = false;
  return item;
}

function clearUploads() {
  element.querySelectorAll('.docqa-uploads li:not(:has(progress))').forEach((item) => item.remove());
  element.querySelector('.docqa-sent').hidden = !element.querySelector('.docqa-uploads li');
  home().focus();
}

// Files may be dropped anywhere; without this, the browser would leave the page and open them.
function takeDrops(zone) {
  const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
  document.addEventListener('dragover', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = zone ? 'copy' : 'none';
    document.body.toggleAttribute('data-docqa-dropping', Boolean(zone));
  });
  document.addEventListener('dragleave', (event) => {
    if (!event.relatedTarget) document.body.removeAttribute('data-docqa-dropping');
  });
  document.addEventListener('drop', (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    document.body.removeAttribute('data-docqa-dropping');
    if (zone) sendLater([...event.dataTransfer.files]);
  });
}

// Removing.

function confirmRemoval({document: path, name}) {
  const dialog = document.querySelector('.docqa-confirm');
  dialog.querySelector('strong').textContent = name;
  dialog.dataset.document = path;
  dialog.dataset.name = name;
  dialog.returnValue = '';
  dialog.showModal();
}

function removeConfirmed(dialog) {
  if (dialog.returnValue !== 'remove') return;
  trigger('remove', {document: dialog.dataset.document});
  announce(`Removing ${dialog.dataset.name}`);
  home().focus();
}

// Searching and sorting.

const inOrder = new Intl.Collator(undefined, {numeric: true, sensitivity: 'base'});
const ORDERS = {
  path: (one, two) => inOrder.compare(one.path, two.path),
  title: (one, two) => inOrder.compare(one.title, two.title),
  changed: (one, two) => (one.changed < two.changed) - (one.changed > two.changed),
  passages: (one, two) => two.passages - one.passages,
};

function arrange() {
  const list = document.querySelector('#docqa-listing .docqa-rows');
  const search = document.querySelector('.docqa-search');
  if (!list || !search) return;
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const order = ORDERS[document.querySelector('.docqa-sorting select').value];
  const rows = [...list.children].sort((one, two) => order(one.dataset, two.dataset));
  for (const row of rows) {
    const text = `${row.dataset.title} ${row.dataset.path}`.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
  list.append(...rows);
  const found = rows.filter((row) => !row.hidden).length;
  document.querySelector('.docqa-found').textContent = words.length ? `${found} of ${rows.length} documents` : '';
}

if (PART === 'docqa-tabs') {
  show('chat');
  element.addEventListener('keydown', (event) => {
    if (!['ArrowLeft', 'ArrowRight'].includes(event.key)) return;
    show(inDocuments() ? 'chat' : 'documents');
    element.querySelector('[aria-selected=true]').focus();
  });
}

if (PART === 'docqa-listing') watch('value', arrange);

if (PART === 'docqa-desk') {
  const zone = element.querySelector('.docqa-zone');
  const dialog = element.querySelector('.docqa-confirm');
  const chooser = element.querySelector('input[type=file]');
  element.querySelector('.docqa-search').addEventListener('input', arrange);
  element.querySelector('select').addEventListener('change', arrange);
  chooser?.addEventListener('change', () => {
    sendLater([...chooser.files]);
    chooser.value = '';
  });
  dialog?.addEventListener('close', () => removeConfirmed(dialog));
  takeDrops(zone);
}
