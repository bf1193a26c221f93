// Signals, effects and elements: the whole view layer.
let reader = null; // the effect that is running: what it reads will run it again
let owner = null; // the scope that what is made now belongs to
let waiting = null; // effects to run at the end of this task

/** A value that effects follow: `s()` reads, `s.set(v)` writes, `s.peek()` reads without following. */
export function signal(value) {
  const readers = new Set();
  const read = () => {
    if (reader) {
      readers.add(reader);
      reader.sources.add(readers);
    }
    return value;
  };
  read.peek = () => value;
  read.set = (next) => {
    if (Object.is(next, value)) return;
    value = next;
    for (const effect of readers) schedule(effect);
  };
  read.update = (change) => read.set(change(value));
  return read;
}

function schedule(effect) {
  if (!waiting) {
    waiting = new Set();
    queueMicrotask(flush);
  }
  waiting.add(effect);
}

function flush() {
  const effects = waiting;
  waiting = null;
  for (const effect of effects) if (!effect.dead) effect.run();
}

/** Run now, and again whenever a signal it has read changes; what it made before is disposed of. */
export function effect(work) {
  const self = { sources: new Set(), dead: false, children: null };
  self.run = () => {
    forget(self);
    const [outerReader, outerOwner] = [reader, owner];
    self.children = [];
    [reader, owner] = [self, self.children];
    try {
      work();
    } finally {
      [reader, owner] = [outerReader, outerOwner];
    }
  };
  self.dispose = () => {
    self.dead = true;
    forget(self);
  };
  owner?.push(self.dispose);
  self.run();
  return self.dispose;
}

function forget(effect) {
  for (const readers of effect.sources) readers.delete(effect);
  effect.sources.clear();
  const children = effect.children;
  effect.children = null;
  if (children) for (const dispose of children) dispose();
}

/** A signal that follows others. */
export function computed(work) {
  const value = signal();
  effect(() => value.set(work()));
  return value;
}

/** Call when what is being made now goes away. */
export function onGone(work) {
  owner?.push(work);
}

/** Make something in a scope of its own: `[result, dispose]`. */
export function scope(work) {
  const [outerReader, outerOwner] = [reader, owner];
  const children = [];
  [reader, owner] = [null, children];
  try {
    return [work(), () => children.splice(0).forEach((dispose) => dispose())];
  } finally {
    [reader, owner] = [outerReader, outerOwner];
  }
}

/** Read signals without following them. */
export function still(work) {
  const outer = reader;
  reader = null;
  try {
    return work();
  } finally {
    reader = outer;
  }
}

const SVG = "http://www.w3.org/2000/svg";

/** An element. Properties that are functions are followed, as are children that are functions. */
export function h(tag, properties, ...children) {
  return build(document.createElement(tag), properties, children);
}

/** The same for SVG. */
export function svg(tag, properties, ...children) {
  return build(document.createElementNS(SVG, tag), properties, children);
}

function build(element, properties, children) {
  for (const name in properties) {
    if (name === "value" && element.tagName === "SELECT") continue; // it has no options yet
    const value = properties[name];
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "ref") value(element);
    else if (typeof value === "function") effect(() => assign(element, name, value()));
    else assign(element, name, value);
  }
  append(element, children);
  if (properties && element.tagName === "SELECT" && "value" in properties) {
    if (typeof properties.value === "function") effect(() => assign(element, "value", properties.value()));
    else element.value = properties.value;
  }
  return element;
}

const AS_PROPERTY = new Set(["value", "checked", "indeterminate", "disabled", "selected"]);

function assign(element, name, value) {
  if (name === "style") {
    for (const key in value) element.style.setProperty(key, value[key]);
  } else if (AS_PROPERTY.has(name) && name in element && element.tagName !== "OPTION") {
    if (element[name] !== value) element[name] = value ?? "";
  } else if (value === false || value === null || value === undefined) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true ? "" : value);
  }
}

export function append(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) append(parent, child);
    else if (child instanceof Node) parent.append(child);
    else if (typeof child === "function") region(parent, child);
    else parent.append(String(child));
  }
}

/** What a function returns, between two marks, made anew when something it has read changes. */
function region(parent, work) {
  const start = document.createComment("");
  const end = document.createComment("");
  parent.append(start, end);
  effect(() => {
    const made = document.createDocumentFragment();
    append(made, [work()]);
    while (start.nextSibling && start.nextSibling !== end) start.nextSibling.remove();
    end.before(made);
  });
}

/** Elements for the items of a list, kept as long as the key stays. `render(item)` gets a signal. */
export function each(items, key, render) {
  const end = document.createComment("");
  const made = document.createDocumentFragment();
  made.append(end);
  let known = new Map();
  effect(() => {
    const next = new Map();
    let place = end;
    const list = items();
    for (let index = list.length - 1; index >= 0; index--) {
      const id = key(list[index]);
      let row = known.get(id);
      if (row) {
        row.item.set(list[index]);
        known.delete(id);
      } else {
        const item = signal(list[index]);
        const [node, dispose] = scope(() => render(item));
        row = { item, node, dispose };
      }
      if (row.node.nextSibling !== place || row.node.parentNode !== end.parentNode) place.before(row.node);
      place = row.node;
      next.set(id, row);
    }
    for (const row of known.values()) {
      row.dispose();
      row.node.remove();
    }
    known = next;
  });
  onGone(() => {
    for (const row of known.values()) row.dispose();
  });
  return made;
}

/** Let the browser breathe: the rest runs in a task of its own. */
export const breathe = () =>
  globalThis.scheduler?.yield ? scheduler.yield() : new Promise((go) => setTimeout(go));

/** A function that runs once its calls have paused for some milliseconds. */
export function debounce(work, pause) {
  let timer;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), pause);
  };
}
