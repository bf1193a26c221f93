// A long list of which only the rows near the window exist; they are used again as one scrolls.
import { effect, h, onGone, scope, signal } from "../view.js";

const AROUND = 6; // rows beyond the window on either side

/**
 * `items` is a signal of the list, `render(item, place)` makes a row for signals of both; each row is `height()` px.
 * Rows are list items that tell a screen reader where they stand.
 */
export function virtualList(items, height, render, label) {
  const list = h("ul", { class: "virtual", "aria-label": label });
  const slots = [];
  let first = 0;

  function slot() {
    const item = signal(items.peek()[0]);
    const place = signal(0);
    const [node, dispose] = scope(() => {
      const row = h("li", { "aria-setsize": () => String(items().length), "aria-posinset": () => String(place() + 1) });
      row.append(render(item, place));
      return row;
    });
    return { item, place, node, dispose };
  }

  /** Rows keep their order in the document, which is that of reading and of Tab. */
  function arrange() {
    const all = items.peek();
    const size = height();
    const top = Math.max(0, -list.getBoundingClientRect().top);
    const count = Math.min(all.length, Math.ceil(innerHeight / size) + 2 * AROUND);
    const from = Math.max(0, Math.min(Math.floor(top / size) - AROUND, all.length - count));
    while (slots.length < count) {
      const made = slot();
      slots.push(made);
      list.append(made.node);
    }
    while (slots.length > count) {
      const gone = slots.pop();
      gone.dispose();
      gone.node.remove();
    }
    const moved = from - first;
    if (moved > 0 && moved < count) {
      for (let turn = 0; turn < moved; turn++) {
        slots.push(slots.shift());
        list.append(slots.at(-1).node);
      }
    } else if (moved < 0 && -moved < count) {
      for (let turn = 0; turn < -moved; turn++) {
        slots.unshift(slots.pop());
        list.prepend(slots[0].node);
      }
    }
    slots.forEach(({ item, place, node }, index) => {
      item.set(all[from + index]);
      place.set(from + index);
      node.style.transform = `translateY(${(from + index) * size}px)`;
      node.style.height = `${size}px`;
    });
    first = from;
  }

  let frame = 0;
  const soon = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (list.isConnected) arrange();
    });
  };
  effect(() => {
    list.style.height = `${items().length * height()}px`;
    soon();
  });
  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", soon);
  onGone(() => {
    removeEventListener("scroll", soon);
    removeEventListener("resize", soon);
    cancelAnimationFrame(frame);
    for (const { dispose } of slots) dispose();
  });

  /** Bring a row into the window and put the focus on what it marks as `data-row`. */
  list.focusRow = (index) => {
    const all = items.peek();
    if (index < 0 || index >= all.length) return;
    const size = height();
    const at = list.getBoundingClientRect().top + scrollY + index * size;
    const margin = 140;
    if (at < scrollY + margin) scrollTo(0, Math.max(0, at - margin));
    else if (at + size > scrollY + innerHeight - margin) scrollTo(0, at + size + margin - innerHeight);
    requestAnimationFrame(() => {
      arrange();
      slots[index - first]?.node.querySelector("[data-row]")?.focus({ preventScroll: true });
    });
  };
  return list;
}

const SLICE = 400;

/** Sort without a long task: slices, then merging them, with a breath between. `stale()` gives up. */
export async function sortInSlices(items, compare, breathe, stale) {
  let runs = [];
  for (let from = 0; from < items.length; from += SLICE) {
    runs.push(items.slice(from, from + SLICE).sort(compare));
    if (runs.length % 3 === 0) await breathe();
    if (stale()) return null;
  }
  while (runs.length > 1) {
    const merged = [];
    for (let index = 0; index < runs.length; index += 2) {
      merged.push(runs[index + 1] ? merge(runs[index], runs[index + 1], compare) : runs[index]);
      await breathe();
      if (stale()) return null;
    }
    runs = merged;
  }
  return runs[0] ?? [];
}

function merge(left, right, compare) {
  const all = [];
  let [i, j] = [0, 0];
  while (i < left.length && j < right.length) all.push(compare(left[i], right[j]) <= 0 ? left[i++] : right[j++]);
  while (i < left.length) all.push(left[i++]);
  while (j < right.length) all.push(right[j++]);
  return all;
}
